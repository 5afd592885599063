package caddymodule

import (
	"os/exec"
	"strings"
	"testing"
)

// Package pusherhub and those below it are libraries for programs that have never heard of Caddy.
func TestLayers(t *testing.T) {
	expectWithout(t, "github.com/onecharge/pusherhub/pusherhub/...", "caddyserver", "prometheus", "opentelemetry", "onecharge/pusherhub/caddymodule")
}

// Who keeps no apps in a database or behind an endpoint carries nothing of it.
func TestBuildWithoutAppSources(t *testing.T) {
	expectWithout(t, "github.com/onecharge/pusherhub/caddymodule/caddy", "modernc.org/sqlite", "caddymodule/sqlapps", "caddymodule/httpapps")
	expectWithout(t, "github.com/onecharge/pusherhub/caddymodule/httpapps", "modernc.org/sqlite", "caddymodule/sqlapps")
}

// Who needs no NATS carries nothing of it, a server least of all.
func TestBuildWithoutNATS(t *testing.T) {
	expectWithout(t, "github.com/onecharge/pusherhub/caddymodule/caddy", "nats-io", "natsbroker", "caddymodule/nats")
	expectWithout(t, "github.com/onecharge/pusherhub/pusherhub/natsbroker", "nats-server")
}

// expectWithout checks that a package depends on nothing with one of these in its path.
func expectWithout(t *testing.T, of string, foreign ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", of).CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 50 {
		t.Fatalf("found %d packages only", len(packages))
	}
	for _, pkg := range packages {
		for _, path := range foreign {
			if pkg != of && strings.Contains(pkg, path) {
				t.Errorf("%s depends on %s", of, pkg)
			}
		}
	}
}
