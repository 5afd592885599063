package caddymodule_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// What follows is a plugin of somebody else that calls its site, and a handler of that site which misbehaves.

func init() {
	caddy.RegisterModule(Caller{})
	caddy.RegisterModule(Odd{})
	httpcaddyfile.RegisterHandlerDirective("odd", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) { return new(Odd), nil })
	httpcaddyfile.RegisterDirectiveOrder("odd", httpcaddyfile.Before, "respond")
}

// Caller keeps the transport into the site.
type Caller struct{ site http.RoundTripper }

// called is the Caller of the config that was loaded last.
var called atomic.Pointer[Caller]

func (Caller) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.plugins.caller", New: func() caddy.Module { return new(Caller) }}
}

func (c *Caller) Provision(ctx caddy.Context) (err error) {
	c.site, err = caddymodule.SiteTransport(ctx)
	called.Store(c)
	return err
}

func (*Caller) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (c *Caller) Plugin() (pusherhub.Plugin, error) { return c, nil }

func (*Caller) Name() string { return "caller" }

// Odd does what a handler should not do.
type Odd struct{}

// stuck holds requests to /stuck until the test lets them go.
type stuck struct {
	entered chan struct{}
	release chan struct{}
}

var stuckNow atomic.Pointer[stuck]

func (Odd) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.odd", New: func() caddy.Module { return new(Odd) }}
}

func (*Odd) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch r.URL.Path {
	case "/panic":
		panic("oh no")
	case "/stuck":
		s := stuckNow.Load()
		s.entered <- struct{}{}
		<-s.release
		_, _ = io.WriteString(w, "at last")
		return nil
	case "/large":
		for range 33 {
			if _, err := w.Write(make([]byte, 1<<15)); err != nil {
				return err
			}
		}
		return nil
	case "/again":
		sent, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "site:/hello", nil)
		if err != nil {
			return err
		}
		res, err := called.Load().site.RoundTrip(sent)
		if err != nil {
			_, _ = io.WriteString(w, err.Error())
			return nil
		}
		return res.Body.Close()
	case "/tls":
		_, _ = io.WriteString(w, r.TLS.ServerName)
		return nil
	}
	return next.ServeHTTP(w, r)
}

// callSite sends a request into the site of the config that was loaded last.
func callSite(t *testing.T, method, url, body string) (status int, text string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: called.Load().site}
	res, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, string(all), err
}

// inTime returns a context that ends when a test has waited for too long.
func inTime(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestSiteTransport(t *testing.T) {
	l := newLive(t)
	l.mustLoad(`http://app.example.com:PORT, http://other.example.com:PORT {
	log
	pusher_hub {
		caller
		` + appBlock("one") + `
	}
	@outside {
		path /webhook
		not vars pusher_hub_site true
	}
	error @outside 404
	odd
	respond /missing 404
	respond /silent/* 204
	abort /abort
	redir /moved /hello
	respond /hello "{method} {host} {remote_host} {scheme} {uri} {http.request.header.X-One} {http.request.header.Content-Length} {http.vars.pusher_hub_site} {http.vars.client_ip}"
	respond /webhook "{http.vars.pusher_hub_site}"
	@next {
		path /app/* /apps/* /.well-known/*
	}
	respond @next "not the hub"
}
http://third.example.com:PORT {
	respond "the third site"
}`)
	for _, tc := range []struct{ name, url, status, expected string }{
		{"path and query", "site:/hello?a=b%20c", "200 OK", "POST app.example.com 127.0.0.1 https /hello?a=b%20c  4 true 127.0.0.1"},
		{"host", "site://other.example.com/hello", "200 OK", "POST other.example.com 127.0.0.1 https /hello  4 true 127.0.0.1"},
		{"another site of the server", "site://third.example.com/hello", "200 OK", "the third site"},
		{"marked", "site:/webhook", "200 OK", "true"},
		{"redirects are for the client", "site:/moved", "200 OK", "GET app.example.com 127.0.0.1 https /hello  0 true 127.0.0.1"},
		{"status", "site:/missing", "404 Not Found", ""},
		{"no body", "site:/silent/x", "204 No Content", ""},
		{"not the hub's sockets", "site:/app/key-one", "200 OK", "not the hub"},
		{"not the hub's API", "site:/apps/one/events", "200 OK", "not the hub"},
		{"not the hub's health", "site:/.well-known/pusher-hub/live", "200 OK", "not the hub"},
		{"cannot cause itself", "site:/again", "200 OK", "site: a request that the hub sent into the site cannot send another one: it could go round for ever"},
		{"name of the certificate", "site:/tls", "200 OK", "app.example.com"},
		{"nobody there", "site:/nobody", "error", `nothing in the site answers POST /nobody for the host app.example.com`},
		{"wrong host", "site://stranger.example.com/hello", "error", `nothing in the site answers POST /hello for the host stranger.example.com`},
		{"abort", "site:/abort", "error", "the site aborted POST /abort"},
		{"panic", "site:/panic", "error", "a handler of the site panicked at POST /panic"},
		{"too large", "site:/large", "error", "the site's answer is larger than 1048576 bytes"},
		{"no path", "site://app.example.com", "error", `found the path "", expected one that begins with a slash`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, text, err := callSite(t, http.MethodPost, tc.url, "body")
			found := http.StatusText(status)
			if err != nil {
				if tc.status != "error" || !strings.Contains(err.Error(), tc.expected) {
					t.Errorf("found the error %v, expected %s %q", err, tc.status, tc.expected)
				}
				return
			}
			if _, expected, _ := strings.Cut(tc.status, " "); found != expected || text != tc.expected {
				t.Errorf("found %d %q, expected %s %q", status, text, tc.status, tc.expected)
			}
		})
	}

	t.Run("cannot be forged from outside", func(t *testing.T) {
		for _, header := range []string{"pusher_hub_site", "Pusher-Hub-Site", "X-Pusher-Hub-Site"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.url()+"/webhook", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "app.example.com"
			r.Header.Set(header, "true")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("with %s: found %d, expected 404", header, res.StatusCode)
			}
		}
	})
}

// A handler that does not listen to the context, as php_fastcgi, must not keep the caller; but it keeps its slot.
func TestSiteTransportStuckHandler(t *testing.T) {
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n caller\n" + appBlock("one") + "}\n odd\n respond /hello hello\n}")
	held := &stuck{entered: make(chan struct{}), release: make(chan struct{})}
	stuckNow.Store(held)
	site := called.Load().site
	send := func(ctx context.Context, url string) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := site.RoundTrip(r)
		if err == nil {
			err = res.Body.Close()
		}
		return err
	}

	impatient, giveUp := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			if err := send(impatient, "site:/stuck"); !errors.Is(err, context.Canceled) {
				t.Errorf("expected the caller to be let go, got %v", err)
			}
		})
		<-held.entered
	}
	giveUp()
	callers.Wait()

	late, cancel := context.WithCancel(t.Context())
	fifth := make(chan error)
	go func() { fifth <- send(late, "site:/hello") }()
	cancel()
	if err := <-fifth; err == nil || !strings.Contains(err.Error(), "waiting for one of 4 requests under way to end") {
		t.Errorf("expected no more than 4 requests at a time, got %v", err)
	}

	close(held.release)
	if err := send(inTime(t), "site:/hello"); err != nil {
		t.Errorf("after the handlers have ended: %v", err)
	}
}

func TestSiteTransportAfterReload(t *testing.T) {
	l := newLive(t)
	for _, word := range []string{"old", "new"} {
		l.mustLoad(":PORT {\n pusher_hub {\n caller\n" + appBlock("one") + "}\n respond " + word + "\n}")
		if _, text, err := callSite(t, http.MethodGet, "site:/", ""); err != nil || text != word {
			t.Errorf("found %q, %v, expected %q", text, err, word)
		}
	}
}

func TestSiteTransportIntoASiteOfPatterns(t *testing.T) {
	l := newLive(t)
	l.mustLoad("http://*.example.com:PORT {\n pusher_hub {\n caller\n" + appBlock("one") + "}\n respond {host}\n}")
	if _, _, err := callSite(t, http.MethodGet, "site:/", ""); err == nil || !strings.Contains(err.Error(), "all hosts of this site are patterns") {
		t.Errorf("expected to be asked for a host, got %v", err)
	}
	if _, text, err := callSite(t, http.MethodGet, "site://a.example.com/", ""); err != nil || text != "a.example.com" {
		t.Errorf("found %q, %v", text, err)
	}
}

func TestSiteTransportOutsideOfASite(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	if _, err := caddymodule.SiteTransport(ctx); err == nil || !strings.Contains(err.Error(), "expected the context of a guest") {
		t.Errorf("got %v", err)
	}
}
