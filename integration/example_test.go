package integration

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCaddyfileExampleIsFormattedAndValid(t *testing.T) {
	example, err := filepath.Abs("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		env  []string
	}{
		{"local", environmentApp},
		{"domain", append([]string{"SITE_ADDRESS=app.example.com"}, environmentApp...)},
	} {
		s := newServer(t)
		s.Env = tc.env
		if said, err := s.command("validate", "--config", example); err != nil {
			t.Errorf("%s: caddy validate: %v\n%s", tc.name, err, said)
		}
	}
	// with --diff, fmt marks the lines that it would change and ends with an error
	s := newServer(t)
	if said, err := s.command("fmt", "--diff", example); err != nil {
		t.Errorf("caddy fmt --diff: %v\n%s", err, said)
	}
	if after, err := os.ReadFile(example); err != nil || string(after) != string(text) {
		t.Errorf("the example has changed: %v", err)
	}
}
