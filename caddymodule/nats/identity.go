package nats

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// identityInfo names what the key is for, so that the same secret makes another key elsewhere.
const identityInfo = "pusher_hub nats routes 1"

// identityName is the name in the certificate. It is checked, but says nothing: all nodes have the same.
const identityName = "node.pusher-hub.invalid"

// routeTLS returns the TLS config of routes. All nodes have the same key, made of the secret, and it is the only authority: who has a
// certificate of it knows the secret. So each end proves that to the other by the handshake alone, and the secret is not sent.
func routeTLS(secret string) (*tls.Config, error) {
	seed, err := hkdf.Key(sha256.New, []byte(secret), nil, identityInfo, ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("making the key of routes: %w", err)
	}
	key := ed25519.NewKeyFromSeed(seed)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: identityName},
		DNSNames:     []string{identityName},
		NotBefore:    time.Unix(0, 0), // clocks do not matter
		NotAfter:     time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),

		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the certificate of routes: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of routes: %w", err)
	}
	authority := x509.NewCertPool()
	authority.AddCert(cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS13,
		ServerName:   identityName,
		RootCAs:      authority,
		ClientCAs:    authority,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}, nil
}
