package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/onecharge/pusherhub/caddymodule"
)

// TLS is how the connections are encrypted. The files are read when the broker is made, and again at the next start or change of it.
type TLS struct {
	// CAFile holds, as PEM, whom to believe the server's certificate. Default: the system's CAs.
	CAFile string `json:"ca_file,omitempty"`

	// CertFile is the client's own certificate, as PEM. Default: none.
	CertFile string `json:"cert_file,omitempty"`

	// KeyFile is its key. Required with CertFile.
	KeyFile string `json:"key_file,omitempty"`

	// ServerName is what the server's certificate has to be for. Default: the host that is connected to.
	ServerName string `json:"server_name,omitempty"`

	// Insecure believes any certificate. Default: off.
	Insecure *bool `json:"insecure,omitempty"`
}

// resolve replaces placeholders.
func (t *TLS) resolve() error {
	if t == nil {
		return nil
	}
	return errors.Join(
		caddymodule.ResolvePlaceholders("tls: ca_file", &t.CAFile),
		caddymodule.ResolvePlaceholders("tls: cert_file", &t.CertFile),
		caddymodule.ResolvePlaceholders("tls: key_file", &t.KeyFile),
		caddymodule.ResolvePlaceholders("tls: server_name", &t.ServerName),
	)
}

// config reads the files; nil stands for none.
func (t *TLS) config() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.Insecure != nil && *t.Insecure {
		c.InsecureSkipVerify = true // that is what it says
	}
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: found no certificate in %s, expected PEM", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("found one of cert_file and key_file, expected both or neither")
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
