package pusherhub_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestStaticAppsTwice(t *testing.T) {
	for _, c := range []struct {
		name   string
		second pusherhub.AppConfig
		want   string
	}{
		{"same id", pusherhub.AppConfig{Key: "k2"}, `two apps have the id "app-id"`},
		{"same key", pusherhub.AppConfig{ID: "second"}, `apps "app-id" and "second" have the same key "app-key"`},
		{"different", pusherhub.AppConfig{ID: "second", Key: "k2"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			apps := appsOf(t, pusherhub.AppConfig{}, c.second)
			_, err := pusherhub.NewSettings(pusherhub.Config{Apps: apps})
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("found %v, expected %q", err, c.want)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		if _, err := pusherhub.NewSettings(pusherhub.Config{}); err == nil || !strings.HasPrefix(err.Error(), "no app: ") {
			t.Errorf("found %v", err)
		}
	})
}

func TestStaticAppsFind(t *testing.T) {
	apps := appsOf(t, pusherhub.AppConfig{}, otherApp)
	s, err := pusherhub.NewStaticApps(apps...)
	if err != nil {
		t.Fatal(err)
	}
	if byID, err := s.AppByID(t.Context(), "other"); byID != apps[1] || err != nil {
		t.Errorf("found %v %v", byID, err)
	}
	if byKey, err := s.AppByKey(t.Context(), "app-key"); byKey != apps[0] || err != nil {
		t.Errorf("found %v %v", byKey, err)
	}
	for _, nobody := range []string{"", "app-key ", "App-id"} {
		if app, err := s.AppByID(t.Context(), nobody); app != nil || !errors.Is(err, pusherhub.ErrAppNotFound) {
			t.Errorf("%q: found %v %v", nobody, app, err)
		}
		if app, err := s.AppByKey(t.Context(), nobody); app != nil || !errors.Is(err, pusherhub.ErrAppNotFound) {
			t.Errorf("%q: found %v %v", nobody, app, err)
		}
	}
}

// database is an app source that has to ask somebody, who may be away.
type database struct {
	mu    sync.Mutex
	app   *pusherhub.App // guarded by mu: nil if there is none
	err   error          // guarded by mu
	asked int            // guarded by mu
}

func (d *database) AppByID(_ context.Context, id string) (*pusherhub.App, error) {
	return d.find(func(a *pusherhub.App) bool { return a.ID() == id })
}

func (d *database) AppByKey(_ context.Context, key string) (*pusherhub.App, error) {
	return d.find(func(a *pusherhub.App) bool { return a.Key() == key })
}

func (d *database) find(match func(*pusherhub.App) bool) (*pusherhub.App, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if d.err != nil {
		return nil, d.err
	}
	if d.app == nil || !match(d.app) {
		return nil, pusherhub.ErrAppNotFound
	}
	return d.app, nil
}

func (d *database) set(app *pusherhub.App, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.app, d.err, d.asked = app, err, 0
}

func (d *database) wasAsked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

func TestAppSource(t *testing.T) {
	core, log := observer.New(zap.DebugLevel)
	source := new(database)
	source.set(appsOf(t, otherApp)[0], nil)
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: appsOf(t, pusherhub.AppConfig{}), AppSource: source, Logger: zap.New(core)})
	other := *s
	other.App = otherApp

	t.Run("listed apps first", func(t *testing.T) {
		source.set(appsOf(t, otherApp)[0], nil)
		s.Dial(t)
		call{method: "GET", path: "/channels", status: 200, answer: `{"channels":{}}`}.expect(t, s)
		if n := source.wasAsked(); n != 0 {
			t.Errorf("the source was asked %d times about an app that is listed", n)
		}
	})

	t.Run("found", func(t *testing.T) {
		c := hubtest.Dial(t, s.URL, "other-key", "")
		c.Subscribe("c")
		other.Publish("c", "e", "1")
		c.Expect("e")
	})

	t.Run("new settings of an app reach its sockets", func(t *testing.T) {
		c := hubtest.Dial(t, s.URL, "other-key", "")
		changed := otherApp
		changed.AcceptClientEventsFrom = "none"
		source.set(appsOf(t, changed)[0], nil)
		hubtest.Dial(t, s.URL, "other-key", "")
		c.Send(hubtest.EventFrame("client-x", "c", "1"))
		c.ExpectError(4301)
	})

	t.Run("not found", func(t *testing.T) {
		source.set(nil, nil)
		hubtest.Open(t, s.URL, "other-key", "", nil).ExpectClose(4001)
		call{method: "GET", path: "/channels", status: 404, answer: "No matching application for ID [other]."}.expect(t, &other)
	})

	t.Run("error", func(t *testing.T) {
		source.set(nil, errors.New("no route to db.internal"))
		c := hubtest.Open(t, s.URL, "other-key", "", nil)
		c.ExpectRaw(`{"event":"pusher:error","data":{"code":4100,"message":"Over capacity"}}`)
		c.ExpectClose(4100) // it may come back
		header := call{method: "GET", path: "/channels", status: 503, answer: "The app cannot be looked up at the moment."}.expect(t, &other)
		if after := header.Get("Retry-After"); after != "1" {
			t.Errorf("found Retry-After %q, expected 1", after)
		}
		if n := log.FilterField(zap.Error(source.err)).Len(); n != 1 {
			t.Errorf("found the error %d times in the log, expected it once in some seconds: %v", n, log.All())
		}
	})

	t.Run("not asked about what may be somebody else's", func(t *testing.T) {
		source.set(appsOf(t, otherApp)[0], nil)
		for _, path := range []string{"/app/settings", "/app/other-key", "/apps/other/channels"} {
			r, err := http.NewRequest(http.MethodGet, path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, handled := serve(s.Hub, r, pusherhub.Site{}); handled {
				t.Errorf("%s was taken", path)
			}
		}
		if n := source.wasAsked(); n != 0 {
			t.Errorf("the source was asked %d times", n)
		}
	})

	t.Run("Python's terminate", func(t *testing.T) {
		source.set(appsOf(t, otherApp)[0], nil)
		target := other.SignedURL("POST", "/users/7/terminate_connections", "{}", nil)
		if status, answer := send(t, s, "POST", target, "{}"); status != 200 || answer != "{}" {
			t.Errorf("found %d %s", status, answer)
		}
	})
}

// A source that knows its apps without asking is like a list: what is not in it any more is gone.
func TestAppLister(t *testing.T) {
	lister, err := pusherhub.NewStaticApps(appsOf(t, otherApp)...)
	if err != nil {
		t.Fatal(err)
	}
	s := hubtest.NewServerWith(t, pusherhub.Config{AppSource: lister})
	c := hubtest.Dial(t, s.URL, "other-key", "")
	r, err := http.NewRequest(http.MethodGet, "/app/other-key", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, handled := serve(s.Hub, r, pusherhub.Site{}); !handled || status != 426 {
		t.Errorf("found handled %v with status %d, expected 426", handled, status)
	}
	empty, err := pusherhub.NewStaticApps()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, pusherhub.Config{AppSource: empty})
	c.ExpectClose(4001)
}
