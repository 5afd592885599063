package caddymodule

import (
	"os"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// Caddyfile.example is the first thing that people run: on their machine, with a domain, and behind a load balancer.
func TestCaddyfileExample(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{":8080", "app.example.com", "http://:8080"} {
		t.Run(address, func(t *testing.T) {
			clearEnvironment(t)
			setTriple(t)
			t.Setenv("SITE_ADDRESS", address)
			config, warnings, err := caddyfile.Adapter{ServerType: httpcaddyfile.ServerType{}}.Adapt(text, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range warnings {
				t.Errorf("warning: %s", w) // also if it is not formatted
			}
			if err := validateJSON(t, config); err != nil {
				t.Error(err)
			}
		})
	}
}
