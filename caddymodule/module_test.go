package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// request is one as it comes out of Caddy's server.
func request(vars map[string]any, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/app/k", http.NoBody)
	r.Header = header
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
}

func TestSecure(t *testing.T) {
	https := http.Header{"X-Forwarded-Proto": {"https"}}
	trusted := map[string]any{caddyhttp.TrustedProxyVarKey: true}
	for i, tc := range []struct {
		r        *http.Request
		tls      bool
		expected bool
	}{
		{request(nil, http.Header{}), false, false},
		{request(nil, http.Header{}), true, true},
		{request(nil, https), false, false}, // anybody can send the header
		{request(map[string]any{caddyhttp.TrustedProxyVarKey: false}, https), false, false},
		{request(trusted, https), false, true},
		{request(trusted, http.Header{"X-Forwarded-Proto": {"http"}}), false, false},
	} {
		if tc.tls {
			tc.r.TLS = new(tls.ConnectionState)
		}
		if got := secure(tc.r); got != tc.expected {
			t.Errorf("%d: got %v", i, got)
		}
	}
}

func TestClientIP(t *testing.T) {
	r := request(map[string]any{caddyhttp.ClientIPVarKey: "203.0.113.9"}, http.Header{})
	if got := clientIP(r); got != "203.0.113.9" {
		t.Errorf("got %q", got)
	}
}

// Listeners accept before Caddy says `started`: a new hub is live with its first request, one that
// serves already keeps its settings.
func TestFirstRequest(t *testing.T) {
	settings := func(key string) *pusherhub.Settings {
		app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "id", Key: key, Secret: "s"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := pusherhub.NewSettings(pusherhub.Config{Apps: []*pusherhub.App{app}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	pooled, err := acquire(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := release(t.Name()); err != nil {
			t.Error(err)
		}
	}()
	status := func(hub *configuredHub, key string) int {
		t.Helper()
		w := httptest.NewRecorder()
		next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusTeapot)
			return nil
		})
		if err := (&Handler{hub: hub}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/app/"+key, http.NoBody), next); err != nil {
			t.Fatal(err)
		}
		return w.Code
	}

	first := &configuredHub{pooled: pooled, settings: settings("first")}
	if got := status(first, "first"); got != http.StatusUpgradeRequired || !pooled.live.Load() {
		t.Errorf("a new hub answers %d, live: %v", got, pooled.live.Load())
	}
	if got := status(first, "other"); got != http.StatusTeapot {
		t.Errorf("an unknown key gets %d, expected the next handler", got)
	}

	// a second config that is not live yet sees its own settings, and the first goes on with its own
	second := &configuredHub{pooled: pooled, settings: settings("second")}
	for key, hub := range map[string]*configuredHub{"first": first, "second": second} {
		if got := status(hub, key); got != http.StatusUpgradeRequired {
			t.Errorf("%s: got %d", key, got)
		}
	}
	w := httptest.NewRecorder()
	if !pooled.Serve(w, httptest.NewRequest(http.MethodGet, "/app/first", http.NoBody), pusherhub.Site{}) {
		t.Error("the second config's request changed the hub's settings")
	}
}

func TestApplyFails(t *testing.T) {
	app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "id", Key: "k", Secret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := pusherhub.NewSettings(pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: brokenBroker{}})
	if err != nil {
		t.Fatal(err)
	}
	hub := &configuredHub{name: "x", pooled: &pooledHub{Hub: pusherhub.New()}, settings: s}
	for range 2 {
		err := (&Handler{hub: hub}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody), nil)
		var status caddyhttp.HandlerError
		if !errors.As(err, &status) || status.StatusCode != http.StatusServiceUnavailable || !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	}
	for path, want := range map[string]string{
		defaultLive:  `200 {"live":true}`,
		defaultReady: `503 {"ready":false,"reasons":[{"name":"hub x","reason":"applying the settings of hub \"x\": opening the broker: broken"}]}`,
	} {
		w := httptest.NewRecorder()
		err := (&Handler{hub: hub}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody), nil)
		if got := fmt.Sprintf("%d %s", w.Code, w.Body); err != nil || got != want+"\n" {
			t.Errorf("%s: found %s and %v, expected %s", path, got, err, want)
		}
	}
}

var errBroken = errors.New("broken")

type brokenBroker struct{ pusherhub.Broker }

func (brokenBroker) Open(context.Context, pusherhub.Node) error { return errBroken }
