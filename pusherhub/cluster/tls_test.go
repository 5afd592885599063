package cluster_test

import (
	"os"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/cluster/enginetest"
)

func TestTLSErrors(t *testing.T) {
	c := enginetest.NewCertificates(t, t.TempDir())
	for expected, o := range map[string]cluster.TLS{
		"ca_file: open " + c.CA + "x":                                        {CAFile: c.CA + "x"},
		"ca_file: found no certificate in " + c.Key + ", expected PEM":       {CAFile: c.Key},
		"found one of cert_file and key_file, expected both or neither":      {CertFile: c.Cert},
		"found one of cert_file and key_file, expected both or neither\x00b": {KeyFile: c.Key},
		"cert_file: open " + c.Key + "x":                                     {CertFile: c.Cert, KeyFile: c.Key + "x"},
		"cert_file: tls: ":                                                   {CertFile: c.CA, KeyFile: c.Key}, // not its key
	} {
		expected, _, _ = strings.Cut(expected, "\x00")
		if _, err := o.Config(); err == nil || !strings.HasPrefix(err.Error(), expected) {
			t.Errorf("found %v, expected %s", err, expected)
		}
	}
}

func TestTLSConfig(t *testing.T) {
	dir := t.TempDir()
	o := enginetest.NewCertificates(t, dir).TLS()
	o.ServerName = "server.internal"
	before, err := o.Config()
	if err != nil {
		t.Fatal(err)
	}
	enginetest.NewCertificates(t, dir)
	after, err := o.Config()
	if err != nil {
		t.Fatal(err)
	}
	if before.ServerName != "server.internal" || before.InsecureSkipVerify || before.RootCAs == nil {
		t.Errorf("found %+v", before)
	}
	if before.RootCAs.Equal(after.RootCAs) || before.Certificates[0].Leaf.Equal(after.Certificates[0].Leaf) {
		t.Error("found the old files, expected the new ones")
	}
	if err := os.Remove(o.CAFile); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Config(); err == nil {
		t.Error("found no error without the file")
	}
	if system, err := (&cluster.TLS{Insecure: true}).Config(); err != nil || system.RootCAs != nil || !system.InsecureSkipVerify || len(system.Certificates) > 0 {
		t.Errorf("found %+v, %v", system, err)
	}
}
