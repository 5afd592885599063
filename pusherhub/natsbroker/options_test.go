package natsbroker

import (
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

func TestOptions(t *testing.T) {
	for expected, o := range map[string]Options{
		"":                            {Servers: []string{"nats://user:secret@a:4222", "b:4222", "wss://c"}, Prefix: "a.b-C_9"},
		"found something that is no":  {Servers: []string{"nats://user:secret@:4222"}},
		`found "http://"`:             {Servers: []string{"http://user:secret@a"}},
		`prefix: found "a..b"`:        {Prefix: "a..b"},
		`prefix: found "a.*"`:         {Prefix: "a.*"},
		"found several of user":       {User: "u", Token: "secret"},
		"password: found without":     {Password: "secret"},
		`jetstream: found "yes"`:      {JetStream: "yes"},
		"replicas: found 6":           {Replicas: 6},
		"tls: ca_file":                {TLS: &TLS{TLS: cluster.TLS{CAFile: "/nothing/here"}}},
		"tls: found one of cert_file": {TLS: &TLS{TLS: cluster.TLS{CertFile: "x"}}},
	} {
		_, err := New(o)
		switch {
		case expected == "":
			if err != nil {
				t.Errorf("found the error %q, expected none", err)
			}
		case err == nil || !strings.Contains(err.Error(), expected):
			t.Errorf("found the error %v, expected %q", err, expected)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("found the secret in %q", err)
		}
	}
}
