package integration

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// entrypoint returns the environment that the image's entrypoint hands on when it gets this one.
func entrypoint(t *testing.T, environment ...string) map[string]string {
	t.Helper()
	cmd := exec.Command("sh", "../caddymodule/image/entrypoint.sh", "env")
	cmd.Env = append(environment, "PATH=/usr/bin:/bin")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the entrypoint: %v\n%s", err, said)
	}
	result := make(map[string]string)
	for line := range strings.Lines(string(said)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		result[name] = value
	}
	return result
}

func TestEntrypointTurnsPORTIntoTheSite(t *testing.T) {
	const networks, headers = "private_ranges 100.64.0.0/10", "X-Real-IP X-Forwarded-For"
	for _, tc := range []struct {
		name        string
		environment []string
		expected    [3]string // SITE_ADDRESS, TRUSTED_PROXIES, CLIENT_IP_HEADERS
	}{
		{"nothing set", nil, [3]string{}},
		{"a platform", []string{"PORT=3000"}, [3]string{"http://:3000", networks, headers}},
		{"a platform that leaves it empty", []string{"PORT=3000", "SITE_ADDRESS="}, [3]string{"http://:3000", networks, headers}},
		{"Fly", []string{"PORT=3000", "FLY_APP_NAME=app"}, [3]string{"http://:3000", networks, "Fly-Client-IP"}},
		{"Render", []string{"PORT=3000", "RENDER=true"}, [3]string{"http://:3000", networks, "X-Forwarded-For"}},
		{"Cloud Run", []string{"PORT=3000", "K_SERVICE=app"}, [3]string{"http://:3000", networks, "X-Forwarded-For"}},
		{"a server", []string{"SITE_ADDRESS=app.example.com"}, [3]string{"app.example.com"}},
		{"a server with a PORT about", []string{"PORT=3000", "SITE_ADDRESS=app.example.com"}, [3]string{"app.example.com"}},
		{"nobody is trusted", []string{"PORT=3000", "TRUSTED_PROXIES="}, [3]string{"http://:3000", "", headers}},
		{"others are trusted", []string{"PORT=3000", "TRUSTED_PROXIES=10.0.0.0/8", "CLIENT_IP_HEADERS=Fly-Client-IP"}, [3]string{"http://:3000", "10.0.0.0/8", "Fly-Client-IP"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := entrypoint(t, append(tc.environment, "APP_ROOT=/app/public")...)
			if found := [3]string{e["SITE_ADDRESS"], e["TRUSTED_PROXIES"], e["CLIENT_IP_HEADERS"]}; found != tc.expected {
				t.Errorf("found %q, expected %q", found, tc.expected)
			}
		})
	}
}

// Without an app the image serves its demo. What credentials that has is nobody's to guess.
func TestEntrypointGivesTheDemoCredentials(t *testing.T) {
	names := []string{"REVERB_APP_ID", "REVERB_APP_KEY", "REVERB_APP_SECRET"}
	one, other := entrypoint(t), entrypoint(t)
	for _, name := range names {
		if one[name] == "" {
			t.Errorf("found no %s", name)
		}
	}
	if one["REVERB_APP_SECRET"] == other["REVERB_APP_SECRET"] {
		t.Error("found the same secret twice, expected a random one each time")
	}
	if own := entrypoint(t, environmentApp...); own["REVERB_APP_SECRET"] != appSecret {
		t.Errorf("found the secret %q, expected the one that was set", own["REVERB_APP_SECRET"])
	}
	e := entrypoint(t, "APP_ROOT=/app/public")
	if slices.ContainsFunc(names, func(name string) bool { return e[name] != "" }) {
		t.Errorf("found %v, expected no made-up credentials for an app", e)
	}
}
