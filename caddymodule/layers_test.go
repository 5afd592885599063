package caddymodule

import (
	"os/exec"
	"strings"
	"testing"
)

// Package pusherhub is a library for programs that have never heard of Caddy.
func TestLayers(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/onecharge/pusherhub/pusherhub").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 50 {
		t.Fatalf("found %d packages only", len(packages))
	}
	for _, pkg := range packages {
		for _, foreign := range []string{"caddyserver", "prometheus", "onecharge/pusherhub/caddymodule"} {
			if strings.Contains(pkg, foreign) {
				t.Errorf("pusherhub depends on %s", pkg)
			}
		}
	}
}
