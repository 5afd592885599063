package caddymodule_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Mirror is a plugin that refuses every client and tells it the address that the hub takes it for.
type Mirror struct{}

func init() {
	caddy.RegisterModule(Mirror{})
}

func (Mirror) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.pusher_hub.plugins.mirror",
		New: func() caddy.Module { return new(Mirror) },
	}
}

// UnmarshalCaddyfile takes no settings.
func (*Mirror) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the plugin's name
	return nil
}

// Plugin makes the plugin, here the module itself.
func (m Mirror) Plugin() (pusherhub.Plugin, error) { return m, nil }

func (Mirror) Name() string { return "mirror" }

// OnConnect refuses.
func (Mirror) OnConnect(_ context.Context, r *pusherhub.ConnectRequest) error {
	return &pusherhub.CloseError{Code: mirrorCode, Reason: r.ClientIP}
}

const mirrorCode = 4009

// loadExample runs Caddyfile.example, its hub with a mirror. What is of this machine, such as the admin port, is left out.
func (l *live) loadExample(environment map[string]string) {
	l.t.Helper()
	for _, name := range []string{"TRUSTED_PROXIES", "CLIENT_IP_HEADERS"} {
		l.t.Setenv(name, "")
	}
	for name, value := range environment {
		l.t.Setenv(name, value)
	}
	l.t.Setenv("REVERB_APP_ID", "one")
	l.t.Setenv("REVERB_APP_KEY", "key-one")
	l.t.Setenv("REVERB_APP_SECRET", "secret-one")
	l.t.Setenv("SITE_ADDRESS", "http://:"+l.port)
	l.t.Setenv("HUB_PUBLISH_PORT", freePort(l.t))
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		l.t.Fatal(err)
	}
	example := strings.Replace(string(text), "\tgrace_period 2s\n",
		"\tgrace_period 1s\n\tadmin off\n\tpersist_config off\n\tdefault_bind 127.0.0.1\n\tstorage file_system "+l.dir+"\n\tlog {\n output file "+l.logFile()+"\n}\n", 1)
	example = strings.Replace(example, "\tpusher_hub\n", "\tpusher_hub {\n mirror\n"+appBlock("one")+"}\n", 1)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(example), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		l.t.Fatal(err)
	}
}

// The address that the hub limits, logs and tells its plugins: a stranger must not be able to choose it.
func TestCaddyfileExampleTellsTheHubWhoItsClientsAre(t *testing.T) {
	const edge = "private_ranges 100.64.0.0/10"
	both := http.Header{"X-Real-Ip": {"203.0.113.9"}, "X-Forwarded-For": {"198.51.100.66, 203.0.113.10, 100.64.0.7"}}
	for _, tc := range []struct {
		name        string
		environment map[string]string
		header      http.Header
		address     string
	}{
		{"nobody is trusted", nil, both, "127.0.0.1"},
		{"headers alone do nothing", map[string]string{"CLIENT_IP_HEADERS": "X-Real-IP"}, both, "127.0.0.1"},
		{"an edge that sets X-Real-IP", map[string]string{"TRUSTED_PROXIES": edge, "CLIENT_IP_HEADERS": "X-Real-IP"}, both, "203.0.113.9"},
		{"an edge that adds to X-Forwarded-For", map[string]string{"TRUSTED_PROXIES": edge, "CLIENT_IP_HEADERS": "X-Forwarded-For"}, both, "203.0.113.10"},
		{"an edge that says nothing", map[string]string{"TRUSTED_PROXIES": edge, "CLIENT_IP_HEADERS": "X-Real-IP"}, nil, "127.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLive(t)
			l.loadExample(tc.environment)
			client := hubtest.Open(t, l.url(), "key-one", "", tc.header)
			if found := client.ExpectClose(mirrorCode); found != tc.address {
				t.Errorf("found %s, expected %s", found, tc.address)
			}
		})
	}
}
