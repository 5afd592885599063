package redisbroker

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificates writes ca.pem, cert.pem and key.pem for a server, and its clients, on this machine.
func writeCertificates(t testing.TB, dir string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	template := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		}
	}
	ca := template("ca")
	ca.IsCA = true
	caKey, leafKey := newKey(t), newKey(t)
	caBytes := sign(t, ca, ca, caKey, caKey)
	leafBytes := sign(t, template("redis"), ca, leafKey, caKey)
	keyBytes, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) []byte {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		return text
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(write("ca.pem", "CERTIFICATE", caBytes))
	pair, err := tls.X509KeyPair(write("cert.pem", "CERTIFICATE", leafBytes), write("key.pem", "PRIVATE KEY", keyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return pair, pool
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, of, by *x509.Certificate, key, with *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, of, by, &key.PublicKey, with)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// startOld runs what answers as Redis 5 does to somebody who says HELLO: it repeats what it was told, with the password.
func startOld(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					if !strings.HasPrefix(lines.Text(), "*") {
						continue
					}
					if lines.Scan(); !lines.Scan() { // the length, then the command
						return
					}
					if lines.Text() == "HELLO" {
						_, _ = fmt.Fprintf(conn, "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `%s`, \r\n", password)
					} else {
						_, _ = fmt.Fprint(conn, "+OK\r\n")
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
