package caddymodule_test

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/onecharge/pusherhub/caddymodule/health"
)

// health asks a health check.
func (l *live) health(method, path string) (status int, body string) {
	l.t.Helper()
	r, err := http.NewRequest(method, l.url()+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	if status := res.StatusCode; status != http.StatusNotFound && res.Header.Get("Cache-Control") != "no-store" {
		l.t.Errorf("%s may be cached", path)
	}
	return res.StatusCode, string(text)
}

func (l *live) expectHealth(path string, status int, body string) {
	l.t.Helper()
	if foundStatus, found := l.health(http.MethodGet, path); foundStatus != status || found != body {
		l.t.Errorf("%s: found %d %s, expected %d %s", path, foundStatus, found, status, body)
	}
}

func TestHealth(t *testing.T) {
	const ready, alive = "/.well-known/pusher-hub/ready", "/.well-known/pusher-hub/live"
	l := newLive(t)
	l.mustLoad("http://:PORT {\n pusher_hub {\n" + appBlock("a") + "}\n respond application 404\n}\n")
	l.expectHealth(ready, 200, `{"ready":true}`+"\n")
	l.expectHealth(alive, 200, `{"live":true}`+"\n")
	if status, body := l.health(http.MethodHead, ready); status != 200 || body != "" {
		t.Errorf("HEAD: found %d %q, expected 200 and nothing", status, body)
	}
	if status, body := l.health(http.MethodPost, ready); status != 404 || body != "application" {
		t.Errorf("POST: found %d %q, expected it to be the application's", status, body)
	}

	t.Run("says what fails", func(t *testing.T) {
		var failing atomic.Bool
		unregister := health.Register("php-fpm", func() error {
			if failing.Load() {
				return errors.New("it does not answer")
			}
			return nil
		})
		defer unregister()
		l.expectHealth(ready, 200, `{"ready":true}`+"\n")
		failing.Store(true)
		l.expectHealth(ready, 503, `{"ready":false,"reasons":[{"name":"php-fpm","reason":"it does not answer"}]}`+"\n")
		l.expectHealth(alive, 200, `{"live":true}`+"\n")
	})
	t.Run("at other paths, and nowhere", func(t *testing.T) {
		l.mustLoad("http://:PORT {\n pusher_hub {\n ready /healthz\n live off\n" + appBlock("a") + "}\n respond application 404\n}\n")
		l.expectHealth("/healthz", 200, `{"ready":true}`+"\n")
		l.expectHealth(ready, 404, "application")
		l.expectHealth(alive, 404, "application")
	})
}
