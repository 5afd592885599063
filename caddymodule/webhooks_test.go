package caddymodule_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// hookServer is an endpoint that hands on its requests.
func hookServer(t *testing.T) (url string, requests <-chan *http.Request) {
	t.Helper()
	seen := make(chan *http.Request, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r }))
	t.Cleanup(server.Close)
	return server.URL, seen
}

// expectHook waits for a request.
func expectHook(t *testing.T, requests <-chan *http.Request) *http.Request {
	t.Helper()
	select {
	case r := <-requests:
		return r
	case <-inTime(t).Done():
		t.Fatal("no webhook came")
		return nil
	}
}

func webhooksSite(lines ...string) string {
	return ":PORT {\n pusher_hub {\n" + appBlock("one") + "webhooks {\n" + strings.Join(lines, "\n") + "\n}\n}\n}"
}

func TestWebhooksPlaceholders(t *testing.T) {
	url, requests := hookServer(t)
	t.Setenv("HOOK_HOST", strings.TrimPrefix(url, "http://"))
	t.Setenv("HOOK_TOKEN", "token-7bQ2")
	t.Setenv("HOOK_NETWORK", "127.0.0.0/8")
	t.Setenv("SPOOL", "of-the-test")
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	l := newLive(t)
	l.mustLoad(webhooksSite(
		"endpoint http://{env.HOOK_HOST}/hook {", `header Authorization "Bearer {env.HOOK_TOKEN}"`, "}",
		"allow_private {env.HOOK_NETWORK}", "spool {env.SPOOL}"))
	hubtest.Dial(t, l.url(), "key-one", "").Subscribe("news")
	r := expectHook(t, requests)
	if r.URL.Path != "/hook" || r.Header.Get("Authorization") != "Bearer token-7bQ2" {
		t.Errorf("found %s with Authorization %q", r.URL, r.Header.Get("Authorization"))
	}
	if files, err := os.ReadDir(filepath.Join(caddy.AppDataDir(), "pusher_hub", "of-the-test")); err != nil || len(files) == 0 {
		t.Errorf("the spool below Caddy's data directory: found %v, %v, expected a file", files, err)
	}
	log, err := os.ReadFile(l.logFile())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "token-7bQ2") {
		t.Error("the log holds the secret header")
	}
}

func TestWebhooksConfigErrors(t *testing.T) {
	t.Setenv("EMPTY", "")
	l := newLive(t)
	for _, tc := range []struct{ lines, expected string }{
		{"endpoint ftp://example.com", "endpoint 1: url: found"},
		{"endpoint https://{env.EMPTY}", `url: found "https:"`},
		{"endpoint {env.EMPTY}", "url: {env.EMPTY} is empty"},
		{"endpoint https://example.com {\n header X-Token {env.EMPTY}\n}", "header X-Token: {env.EMPTY} is empty"},
		{"endpoint https://example.com {\n event_types channel_ocupied\n}", `event_types: found "channel_ocupied"`},
		{"endpoint https://example.com\nallow_private 10.0.0", `allow_private: found "10.0.0", expected a host`},
		{"endpoint https://example.com\nspool /spool\n}\nwebhooks {\nendpoint https://example.com\nspool /spool/", "spool: found /spool, which is already the spool of other webhooks"},
	} {
		err := l.load(webhooksSite(tc.lines))
		if err == nil || !strings.Contains(err.Error(), tc.expected) {
			t.Errorf("%s: found %v, expected %q", tc.lines, err, tc.expected)
		}
	}
	if err := l.load("http://*.example.com:PORT {\n pusher_hub {\n" + appBlock("one") + "webhooks site /hook\n}\n}"); err == nil ||
		!strings.Contains(err.Error(), "expected a line site_host <host>") {
		t.Errorf("a site of patterns: %v", err)
	}
}

func TestWebhooksSiteHost(t *testing.T) {
	url, requests := hookServer(t)
	l := newLive(t)
	l.mustLoad("http://*.example.com:PORT, http://127.0.0.1:PORT {\n pusher_hub {\n" + appBlock("one") +
		"webhooks {\n endpoint site /hook\n site_host tenant.example.com\n}\n}\n reverse_proxy " + strings.TrimPrefix(url, "http://") + "\n}")
	hubtest.Dial(t, l.url(), "key-one", "").Subscribe("news")
	if r := expectHook(t, requests); r.Host != "tenant.example.com" || r.Header.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("found the host %q and the scheme %q", r.Host, r.Header.Get("X-Forwarded-Proto"))
	}
}

// Rows is an app source with one app, whose plugin the test chooses.
type Rows struct{ build caddymodule.AppBuilder }

// row is the plugin of the source's app.
var row atomic.Pointer[string]

func init() {
	caddy.RegisterModule(Rows{})
}

func (Rows) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.apps.rows", New: func() caddy.Module { return new(Rows) }}
}

func (*Rows) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

// rowsInUse is the source of the config that was loaded last.
var rowsInUse atomic.Pointer[Rows]

func (s *Rows) AppSource(build caddymodule.AppBuilder) (pusherhub.AppSource, error) {
	s.build = build
	rowsInUse.Store(s)
	return s, nil
}

func (s *Rows) AppByID(context.Context, string) (*pusherhub.App, error) {
	return s.build(caddymodule.App{AppConfig: appOf("row"), PluginsRaw: []json.RawMessage{json.RawMessage(*row.Load())}})
}

func (s *Rows) AppByKey(ctx context.Context, _ string) (*pusherhub.App, error) {
	return s.AppByID(ctx, "")
}

// Who can write a row need not be who runs the machine.
func TestWebhooksOfARow(t *testing.T) {
	t.Setenv("SECRET_HOST", "secret.example.com")
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n apps rows\n}\n}")
	for plugin, expected := range map[string]string{
		`"endpoints":[{"url":"https://example.com"}]`:                               "",
		`"endpoints":[{"url":"https://example.com","headers":{"X":"{env.HOME}"}}]`:  "", // goes out as it is
		`"endpoints":[{"url":"https://{env.SECRET_HOST}/"}]`:                        "url: found",
		`"endpoints":[{"url":"https://example.com"}],"spool":"/etc"`:                "expected them in the config only",
		`"endpoints":[{"url":"https://example.com"}],"allow_private":["0.0.0.0/0"]`: "expected them in the config only",
		`"endpoints":[{"url":"site:/admin"}]`:                                       "expected them in the config only",
	} {
		row.Store(new(fmt.Sprintf(`{"plugin":"webhooks",%s}`, plugin)))
		_, err := rowsInUse.Load().AppByID(t.Context(), "row")
		if expected == "" && err != nil || expected != "" && (err == nil || !strings.Contains(err.Error(), expected)) {
			t.Errorf("%s: found %v, expected %q", plugin, err, expected)
		}
		if err != nil && strings.Contains(err.Error(), "secret.example.com") {
			t.Errorf("%s: the error shows the environment: %v", plugin, err)
		}
	}
}
