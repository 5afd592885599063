package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS is a node's side of TLS with the server of an [Engine]. All files are PEM. They are read at each connect, so a certificate that was
// renewed counts from the next one on. The JSON names are the words of the Caddyfile.
type TLS struct {
	// CAFile holds the authorities that sign the server's certificate. Default: the system's.
	CAFile string `json:"ca_file,omitempty"`

	// CertFile is the node's own certificate, if the server wants one. Default: none.
	CertFile string `json:"cert_file,omitempty"`

	// KeyFile is its key. Required with CertFile.
	KeyFile string `json:"key_file,omitempty"`

	// ServerName is what the server's certificate has to be for. Default: the host that is connected to.
	ServerName string `json:"server_name,omitempty"`

	// Insecure accepts any certificate. Default: off.
	Insecure bool `json:"insecure,omitempty"`
}

// Config reads the files. An error begins with the word of the option that is wrong.
func (t *TLS) Config() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: t.ServerName,
		//nolint:gosec // the operator asked for it
		InsecureSkipVerify: t.Insecure,
	}
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: found no certificate in %s, expected PEM", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("found one of cert_file and key_file, expected both or neither")
	}
	if t.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}
