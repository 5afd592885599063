package redis

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// password is in the configs of these tests; nothing may show it.
const password = "s3cret-pass-wOrd"

// variables of which the environment of whoever runs the tests could have some.
var variables = []string{"REVERB_SCALING_CHANNEL", "REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_SCHEME", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_PREFIX"}

// load makes the module of a Caddyfile as Caddy does.
func load(t *testing.T, words string, environment ...string) (*Redis, error) {
	t.Helper()
	for _, name := range variables {
		t.Setenv(name, "")
	}
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	r := new(Redis)
	if err := r.UnmarshalCaddyfile(caddyfile.NewTestDispenser("redis " + words)); err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	r = new(Redis)
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := r.Provision(ctx); err != nil {
		return nil, err
	}
	return r, r.Validate()
}

func TestCaddyfile(t *testing.T) {
	r, err := load(t, `{
		address a b:7000 c
		cluster
		username {env.TEST_USER}
		password `+password+`
		prefix x:
		tls {
			server_name redis.internal
			insecure
		}
		timeout 2s
		lease 20s
	}`, "TEST_USER=hub", "REDIS_PASSWORD=of-another", "REDIS_DB=7")
	if err != nil {
		t.Fatal(err)
	}
	on := true
	expected := Options{
		Address: []string{"a", "b:7000", "c"}, Cluster: &on, Username: "hub", Password: password, Prefix: "x:",
		TLS: &cluster.TLS{ServerName: "redis.internal", Insecure: true}, Timeout: pusherhub.Duration(2 * time.Second), Lease: pusherhub.Duration(20 * time.Second),
	}
	if !reflect.DeepEqual(r.Options, expected) {
		t.Errorf("found %+v, expected %+v", r.Options, expected)
	}
	if r, err = load(t, "{\n sentinel a b:1\n sentinel_master m\n sentinel_username u\n sentinel_password p\n db 2\n}"); err != nil || r.SentinelMaster != "m" || r.DB != "2" {
		t.Errorf("found %+v, %v", r, err)
	}
}

// The environment is Laravel's, and the config wins.
func TestEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		words       string
		environment []string
		expected    Options
	}{
		"nothing": {"", nil, Options{Address: []string{"127.0.0.1:6379"}, Prefix: "pusherhub:reverb:"}},
		"Laravel's": {
			"",
			[]string{
				"REDIS_HOST=redis.internal", "REDIS_PORT=6380", "REDIS_USERNAME=null", `REDIS_PASSWORD="p"`, "REDIS_DB=3",
				"REDIS_PREFIX=shop_", "REVERB_SCALING_CHANNEL=shop",
			},
			Options{Address: []string{"redis.internal:6380"}, Password: "p", DB: "3", Prefix: "shop_pusherhub:shop:"},
		},
		"null":               {"", []string{"REDIS_HOST=null", "REDIS_PASSWORD=null", "REDIS_USERNAME=hub", "REDIS_URL=(null)"}, Options{Address: []string{"127.0.0.1:6379"}, Prefix: "pusherhub:reverb:"}},
		"TLS by the host":    {"", []string{"REDIS_HOST=tls://h"}, Options{Address: []string{"h:6379"}, TLS: &cluster.TLS{}, Prefix: "pusherhub:reverb:"}},
		"TLS by scheme":      {"", []string{"REDIS_HOST=::1", "REDIS_SCHEME=tls"}, Options{Address: []string{"[::1]:6379"}, TLS: &cluster.TLS{}, Prefix: "pusherhub:reverb:"}},
		"blanks":             {"", []string{"REDIS_HOST=h ", "REDIS_PORT=6380 ", "REDIS_DB=1 ", "REDIS_PASSWORD=p "}, Options{Address: []string{"h:6380"}, Password: "p ", DB: "1", Prefix: "pusherhub:reverb:"}},
		"a URL's blanks":     {"", []string{"REDIS_URL= redis://h/1 "}, Options{URL: "redis://h/1", Prefix: "pusherhub:reverb:"}},
		"the host's port":    {"", []string{"REDIS_HOST=h:1", "REDIS_PORT=tcp://10.0.0.1:6379"}, Options{Address: []string{"h:1"}, Prefix: "pusherhub:reverb:"}},
		"a URL wins":         {"", []string{"REDIS_URL=redis://u:p@h/2", "REDIS_HOST=x", "REDIS_PASSWORD=y", "REDIS_DB=4"}, Options{URL: "redis://u:p@h/2", Prefix: "pusherhub:reverb:"}},
		"a URL without":      {"", []string{"REDIS_URL=redis://h", "REDIS_PASSWORD=y", "REDIS_DB=4"}, Options{URL: "redis://h", Password: "y", DB: "4", Prefix: "pusherhub:reverb:"}},
		"a URL's user":       {"", []string{"REDIS_URL=redis://hub@h", "REDIS_USERNAME=x", "REDIS_PASSWORD=y"}, Options{URL: "redis://hub@h", Password: "y", Prefix: "pusherhub:reverb:"}},
		"a cluster's tag":    {"", []string{"REDIS_HOST=h", "REDIS_PREFIX={shop}:", "REVERB_SCALING_CHANNEL={x}"}, Options{Address: []string{"h:6379"}, Prefix: "shop:pusherhub:x:"}},
		"the config wins":    {"{\npassword mine\ndb 0\n}", []string{"REDIS_HOST=h", "REDIS_PASSWORD=y", "REDIS_DB=4"}, Options{Address: []string{"h:6379"}, Password: "mine", DB: "0", Prefix: "pusherhub:reverb:"}},
		"the URL's password": {"", []string{"REDIS_URL=redis://:p@h", "REDIS_USERNAME=hub"}, Options{URL: "redis://:p@h", Username: "hub", Prefix: "pusherhub:reverb:"}},
		"a user's password":  {"{\npassword mine\n}", []string{"REDIS_HOST=h", "REDIS_USERNAME=hub"}, Options{Address: []string{"h:6379"}, Username: "hub", Password: "mine", Prefix: "pusherhub:reverb:"}},
		"another server's":   {"redis://h", []string{"REDIS_URL=redis://x", "REDIS_PASSWORD=y", "REDIS_DB=4"}, Options{URL: "redis://h", Prefix: "pusherhub:reverb:"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := load(t, c.words, c.environment...)
			if err != nil || !reflect.DeepEqual(r.Options, c.expected) {
				t.Errorf("found %+v, %v, expected %+v", r, err, c.expected)
			}
		})
	}
}

// What is wrong in the environment is named by the variable: nobody has written the option.
func TestEnvironmentErrors(t *testing.T) {
	const cluster = "{\n cluster\n}"
	for variable, c := range map[string]struct{ words, expected string }{
		"REDIS_URL=http://u:" + password + "@h":    {"", "REDIS_URL: url: expected redis://"},
		"REDIS_URL=redis://u:" + password + "@h:0": {"", "REDIS_URL: address: expected a host"},
		"REDIS_URL=redis://h/1":                    {cluster, "REDIS_URL: db: found 1, expected 0"},
		"REDIS_HOST=/run/redis.sock":               {"", "REDIS_HOST and REDIS_PORT: address: expected a host"},
		"REDIS_PORT=x":                             {"", "REDIS_PORT: found no number"},
		"REDIS_PORT=tcp://10.0.0.1:6379":           {"", "REDIS_PORT: found no number"},
		"REDIS_DB=x":                               {"", `REDIS_DB: db: found "x"`},
		"REDIS_DB=1":                               {cluster, "REDIS_DB: db: found 1, expected 0"},
		"REDIS_DB=2":                               {"{\n db x\n}", `db: found "x"`},
	} {
		_, err := load(t, c.words, variable)
		if err == nil || !strings.HasPrefix(err.Error(), c.expected) {
			t.Errorf("%q: found %v, expected %q", variable, err, c.expected)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("the password is in %v", err)
		}
	}
}

// What is wrong is named by its word, without the password.
func TestErrors(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for words, expected := range map[string]string{
		"redis://u:" + password + "@h x":                        "found another word after the URL",
		"redis://u:" + password + "@h {\n url redis://h\n}":     "url: found it twice",
		"{\n password my " + password + "\n}":                   "password: found 2 values, expected one value",
		"{\n url redis://u:" + password + "@h x\n}":             "url: found 2 values, expected one value",
		"http://u:" + password + "@h":                           "url: expected redis://",
		"redis://u:" + password + "@h {\n address x\n}":         "address: found it beside url",
		"{\n server x\n}":                                       "server",
		"{\n address redis://u:" + password + "@h\n}":           "address: expected a host",
		"{\n address a b\n}":                                    "address: found 2 of them, expected one; or the option cluster",
		"{\n sentinel a\n cluster\n}":                           "sentinel: found it beside",
		"{\n sentinel_master a\n}":                              "sentinel: found no address",
		"{\n db x\n}":                                           `db: found "x"`,
		"{\n db -1\n}":                                          "db: found -1",
		"{\n cluster\n db 1\n}":                                 "db: found 1, expected 0",
		"{\n username hub\n}":                                   "password: found none",
		"{\n password {env.TEST_UNSET_PASSWORD}\n}":             "password: {env.TEST_UNSET_PASSWORD} is empty",
		"{\n prefix {{x}}\n}":                                   "prefix: found",
		"{\n lease 1ms\n}":                                      "lease: found 1ms",
		"{\n tls {\n ca_file " + text + "\n}\n}":                "tls: ca_file: found no certificate in",
		"{\n tls {\n ca_file " + text + "x\n}\n}":               "tls: ca_file:",
		"{\n tls {\n cert_file " + text + "\n}\n}":              "tls: found one of cert_file and key_file",
		"{\n tls {\n cert_file x\n key_file x\n insecure\n}\n}": "tls: cert_file:",
	} {
		_, err := load(t, words)
		if err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%q: found %v, expected %q", words, err, expected)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("the password is in %v", err)
		}
	}
}
