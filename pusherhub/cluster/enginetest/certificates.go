package enginetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// Certificates are the files of a certificate for 127.0.0.1, which a server and its clients may have alike.
type Certificates struct {
	CA, Cert, Key string // paths
}

// NewCertificates makes a new authority and a certificate of it, and writes their files, over those of before, into a directory.
func NewCertificates(t testing.TB, dir string) Certificates {
	t.Helper()
	c := Certificates{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	ca, leaf := template("authority"), template("node")
	ca.IsCA = true
	caKey, leafKey := newKey(t), newKey(t)
	write(t, c.CA, "CERTIFICATE", sign(t, ca, ca, caKey, caKey))
	write(t, c.Cert, "CERTIFICATE", sign(t, leaf, ca, leafKey, caKey))
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c.Key, "PRIVATE KEY", der)
	return c
}

// TLS is a client's side with these files.
func (c Certificates) TLS() cluster.TLS {
	return cluster.TLS{CAFile: c.CA, CertFile: c.Cert, KeyFile: c.Key}
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
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

func write(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
