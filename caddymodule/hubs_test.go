package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// adapt turns a Caddyfile into JSON. The global options keep a test away from the machine's files and ports.
func adapt(t *testing.T, config string) ([]byte, error) {
	t.Helper()
	text := fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tgrace_period 1s\n\tstorage file_system %s\n}\n%s\n", t.TempDir(), config)
	out, _, err := caddyfile.Adapter{ServerType: httpcaddyfile.ServerType{}}.Adapt([]byte(text), nil)
	return out, err
}

// validate does what `caddy validate` does.
func validate(t *testing.T, config string) error {
	t.Helper()
	text, err := adapt(t, config)
	if err != nil {
		return err
	}
	return validateJSON(t, text)
}

func validateJSON(t *testing.T, text []byte) error {
	t.Helper()
	var cfg *caddy.Config
	if err := caddy.StrictUnmarshalJSON(text, &cfg); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(cfg)
}

// clearEnvironment unsets what a developer's shell may have set.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, names := range appVariables {
		for _, name := range names {
			t.Setenv(name, "")
		}
	}
	t.Setenv("REVERB_SERVER_PATH", "")
	t.Setenv("REVERB_SCALING_ENABLED", "")
}

func setTriple(t *testing.T) {
	t.Helper()
	for _, line := range triple {
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
	}
}

const oneApp = `
		app one {
			key key-one
			secret secret-one
		}
`

func TestProvisioning(t *testing.T) {
	for name, tc := range map[string]struct {
		config string
		env    bool
		err    string // empty: valid
	}{
		"the environment": {
			config: ":8001 {\n pusher_hub\n}",
			env:    true,
		},
		"nothing": {
			config: ":8001 {\n pusher_hub\n}",
			err:    "REVERB_APP_ID=",
		},
		"a site's options do not configure": {
			config: ":8001 {\n pusher_hub {\n path /x\n reverb_up\n }\n}",
			err:    "REVERB_APP_ID=",
		},
		"options without an app take the environment's": {
			config: ":8001 {\n pusher_hub {\n watchlist\n }\n}",
			env:    true,
		},
		"a block and one that joins": {
			config: ":8001 {\n pusher_hub\n}\n:8002 {\n pusher_hub {" + oneApp + "}\n}",
		},
		"the same block twice": {
			config: "(hub) {\n pusher_hub {" + oneApp + "}\n}\n:8001 {\n import hub\n}\n:8002 {\n import hub\n}",
		},
		"blocks that differ in what belongs to the site": {
			config: ":8001 {\n pusher_hub {" + oneApp + "}\n}\n:8002 {\n pusher_hub {\n path /x" + oneApp + "}\n}",
		},
		"two blocks": {
			config: ":8001 {\n pusher_hub {" + oneApp + "}\n}\n:8002 {\n pusher_hub {\n watchlist" + oneApp + "}\n}",
			err:    `hub "default" is configured twice, with different options: at Caddyfile:9; and at Caddyfile:17; keep one block, and write 'pusher_hub' without a block in the other place to join it`,
		},
		"two hubs": {
			config: ":8001 {\n pusher_hub a {" + oneApp + "}\n}\n:8002 {\n pusher_hub b {\n watchlist" + oneApp + "}\n}\n:8003 {\n pusher_hub a\n}",
		},
		"a hub that nobody configures": {
			config: ":8001 {\n pusher_hub chta\n}\n:8002 {\n pusher_hub chat {" + oneApp + "}\n}",
			env:    true,
			err:    `hub "chta" is not configured: no pusher_hub block of this config has that name; configured: chat`,
		},
		"a hub that nobody configures, alone": {
			config: ":8001 {\n pusher_hub chat\n}",
			env:    true,
			err:    `hub "chat" is not configured: no pusher_hub block of this config has that name`,
		},
		"deep inside a site": {
			config: ":8001 {\n handle_path /ws/* {\n route {\n pusher_hub chat\n }\n }\n}\n:8002 {\n handle_errors {\n pusher_hub chat {" + oneApp + "}\n }\n}",
		},
		"in a named route": {
			config: "&(hub) {\n pusher_hub chat {" + oneApp + "}\n}\n:8001 {\n pusher_hub chat\n}\n:8002 {\n invoke hub\n}",
		},
		"in a named route and elsewhere": {
			config: "&(hub) {\n pusher_hub chat {" + oneApp + "}\n}\n:8001 {\n pusher_hub chat {\n watchlist" + oneApp + "}\n invoke hub\n}",
			err:    `hub "chat" is configured twice, with different options: at http://localhost:8001, server srv0; and at http://localhost:8001, server srv0, named route hub;`,
		},
		"a path that is none": {
			config: ":8001 {\n pusher_hub {\n path /a?b\n" + oneApp + "}\n}",
			err:    `path: found "/a?b", expected a prefix such as /reverb`,
		},
		"a health check that is none": {
			config: ":8001 {\n pusher_hub {\n ready healthz\n" + oneApp + "}\n}",
			err:    `ready: found "healthz", expected a path such as /healthz, or off`,
		},
		"a secret that is not there": {
			config: ":8001 {\n pusher_hub {\n app x {\n key k\n secret {env.TEST_HUB_UNSET}\n }\n }\n}",
			err:    `hub "default": app "x": secret: {env.TEST_HUB_UNSET} is empty`,
		},
		"two apps with one key": {
			config: ":8001 {\n pusher_hub {" + oneApp + strings.ReplaceAll(oneApp, "app one", "app two") + "}\n}",
			err:    `apps "one" and "two" have the same key "key-one"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			if tc.env {
				setTriple(t)
			}
			for range 8 { // Caddy provisions servers in random order
				err := validate(t, tc.config)
				switch {
				case tc.err == "" && err != nil:
					t.Fatal(err)
				case tc.err != "" && err == nil:
					t.Fatal("no error")
				case tc.err != "" && !strings.Contains(err.Error(), tc.err):
					t.Fatalf("expected %q\ngot %q", tc.err, err)
				}
			}
			pool.Range(func(key, _ any) bool {
				t.Errorf("hub %v is left in the pool", key)
				return true
			})
		})
	}
}

func TestConflictsInJSON(t *testing.T) {
	clearEnvironment(t)
	server := `{"listen":["127.0.0.1:%d"],"routes":[{"match":[{"host":["%s"]}],"handle":[{"handler":"pusher_hub","apps":[{"id":"a","key":"%s","secret":"topsecret"}]}]}]}`
	err := validateJSON(t, fmt.Appendf(nil, `{"admin":{"disabled":true},"apps":{"http":{"servers":{"x":`+server+`,"y":`+server+`}}}}`,
		8001, "one.localhost", "k", 8002, "two.localhost", "l"))
	if err == nil {
		t.Fatal("no error")
	}
	const expected = `hub "default" is configured twice, with different options: at https://one.localhost:8001, server x; and at https://two.localhost:8002, server y;`
	if !strings.Contains(err.Error(), expected) {
		t.Errorf("expected %s\ngot %s", expected, err)
	}
	if strings.Contains(err.Error(), "topsecret") {
		t.Errorf("the secret is in %q", err)
	}
}

func TestUnknownFieldsInJSON(t *testing.T) {
	err := validateJSON(t, []byte(`{"admin":{"disabled":true},"apps":{"http":{"servers":{"x":{"listen":[":8001"],"routes":[
		{"handle":[{"handler":"pusher_hub","activty_timeout":"5s"}]}]}}}}}`))
	if err == nil || !strings.Contains(err.Error(), `unknown field "activty_timeout"`) {
		t.Error(err)
	}
}

// Handlers of one hub get the very same settings, and the stored config keeps its placeholders.
func TestSharing(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("TEST_HUB_SECRET", "topsecret")
	text, err := adapt(t, ":8001 {\n pusher_hub\n}\n:8002 {\n pusher_hub {\n app x {\n key k\n secret {env.TEST_HUB_SECRET}\n }\n }\n}")
	if err != nil {
		t.Fatal(err)
	}
	var cfg *caddy.Config
	if err := json.Unmarshal(text, &cfg); err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { // the only module here that holds anything
		hubs, err := ctx.App(hubsID)
		if err != nil {
			t.Fatal(err)
		}
		if err := hubs.(*Hubs).Cleanup(); err != nil {
			t.Error(err)
		}
	}()
	httpApp, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	var handlers []*Handler
	for _, srv := range httpApp.(*caddyhttp.App).Servers {
		for _, route := range srv.Routes {
			for _, h := range route.Handlers {
				if h, ok := h.(*Handler); ok {
					handlers = append(handlers, h)
				}
			}
		}
	}
	if len(handlers) != 2 || handlers[0].hub != handlers[1].hub || handlers[0].hub.settings == nil {
		t.Fatalf("got %d handlers: %+v", len(handlers), handlers)
	}
	if app := handlers[0].hub.apps[0].Config(); app.Secret != "topsecret" {
		t.Errorf("the app has the secret %q", app.Secret)
	}
	for _, h := range handlers {
		for _, app := range h.Apps {
			if app.Secret != "{env.TEST_HUB_SECRET}" {
				t.Errorf("the handler's config has the secret %q", app.Secret)
			}
		}
	}
	if refs, _ := pool.References("default"); refs != 1 {
		t.Errorf("one config has %d references", refs)
	}
}
