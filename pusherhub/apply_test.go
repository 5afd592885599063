package pusherhub_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// settingsOf builds the settings of a hub with these apps; what an app leaves empty of id, key and secret is filled in.
func settingsOf(t *testing.T, config pusherhub.Config, apps ...pusherhub.AppConfig) *pusherhub.Settings {
	t.Helper()
	for _, c := range apps {
		app, err := pusherhub.NewApp(hubtest.WithCredentials(c))
		if err != nil {
			t.Fatal(err)
		}
		config.Apps = append(config.Apps, app)
	}
	settings, err := pusherhub.NewSettings(config)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func apply(t *testing.T, s *hubtest.Server, config pusherhub.Config, apps ...pusherhub.AppConfig) {
	t.Helper()
	if err := s.Hub.Apply(settingsOf(t, config, apps...)); err != nil {
		t.Fatal(err)
	}
}

var otherApp = pusherhub.AppConfig{ID: "other", Key: "other-key", Secret: "other-secret"}

func TestApplyKeepsSockets(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{MaxConnections: 5})
	a, b := s.Dial(t), s.Join(t, "presence-x", `{"user_id":"1"}`)
	s.Signin(t, b, `{"id":"7"}`)
	a.Subscribe("public")
	s.Publish("cache-x", "e", "kept")

	apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Secret: "new", PreviousSecrets: []string{"app-secret"}, MaxConnections: 1, MaxMessageSize: 200, CacheTTL: 1e9}, otherApp)
	s.App.Secret = "new"

	s.Publish("public", "e", "1") // everything is where it was
	a.ExpectRaw(`{"event":"e","channel":"public","data":"1"}`)
	get("", "/channels/presence-x/users", "-", 200, `{"users":[{"id":"1"}]}`).expect(t, s)
	a.Subscribe("cache-x")
	a.ExpectRaw(`{"event":"e","channel":"cache-x","data":"kept"}`)
	b.Subscribe("#server-to-user-7")

	a.SubscribeWith("private-new", s.Auth(a, "private-new", ""), "") // new secret
	a.SubscribeWith("private-old", "app-key:"+hubtest.Sign("app-secret", a.SocketID+":private-old"), "")
	hubtest.Open(t, s.URL, s.App.Key, "", nil).ExpectClose(4004) // new limit, for who comes now
	hubtest.Dial(t, s.URL, "other-key", "")                      // new app

	apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Secret: "new", MaxMessageSize: 200})
	a.Send(hubtest.SubscribeFrame("private-old-2", "app-key:"+hubtest.Sign("app-secret", a.SocketID+":private-old-2"), ""))
	a.Expect("pusher:subscription_error") // the old secret is gone
	a.ExpectError(4009)
	a.Send(hubtest.EventFrame("client-x", "public", strings.Repeat("x", 200)))
	a.ExpectClose(1009) // limits of messages hold for open sockets, too
	b.ExpectQuiet()
}

func TestApplyRemovesApp(t *testing.T) {
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: appsOf(t, pusherhub.AppConfig{}, otherApp)})
	gone, stays := hubtest.Dial(t, s.URL, "other-key", ""), s.Dial(t)
	gone.Subscribe("c")
	apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{})
	gone.ExpectRaw(`{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist"}}`)
	if reason := gone.ExpectClose(4001); reason != "Application does not exist" {
		t.Errorf("found reason %q", reason)
	}
	stays.ExpectQuiet()
	hubtest.Open(t, s.URL, "other-key", "", nil).ExpectClose(4001)
	other := *s
	other.App = otherApp
	call{method: "GET", path: "/channels", status: 404, answer: "No matching application for ID [other]."}.expect(t, &other)

	apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{}, otherApp) // and back, with nothing of its past
	hubtest.Dial(t, s.URL, "other-key", "")
	call{method: "GET", path: "/channels", status: 200, answer: `{"channels":{}}`}.expect(t, &other)
}

func appsOf(t *testing.T, configs ...pusherhub.AppConfig) (apps []*pusherhub.App) {
	t.Helper()
	for _, c := range configs {
		app, err := pusherhub.NewApp(hubtest.WithCredentials(c))
		if err != nil {
			t.Fatal(err)
		}
		apps = append(apps, app)
	}
	return apps
}

func TestApplyDisablesApp(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Enabled: new(false)})
	c.ExpectRaw(`{"event":"pusher:error","data":{"code":4003,"message":"Application disabled"}}`)
	c.ExpectClose(4003)
	refused := s.Open(t, s.App.Key, "", nil)
	refused.ExpectRaw(`{"event":"pusher:error","data":{"code":4003,"message":"Application disabled"}}`)
	refused.ExpectClose(4003)
	call{method: "GET", path: "/channels", status: 403, answer: "Application disabled"}.expect(t, s)

	apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{})
	s.Dial(t).Subscribe("c")
	call{method: "GET", path: "/channels", status: 200, answer: `{"channels":{"c":{}}}`}.expect(t, s)
}

// Without settings there is nothing that could be the hub's.
func TestHubBeforeApply(t *testing.T) {
	hub := pusherhub.New()
	for _, path := range []string{"/app/app-key", "/apps/app-id/channels?auth_key=k&auth_signature=s", "/up"} {
		r, err := http.NewRequest(http.MethodGet, path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, handled := serve(hub, r, pusherhub.Site{ReverbUp: true}); handled {
			t.Errorf("%s was served", path)
		}
	}
	if err := hub.Drain(t.Context()); err != nil {
		t.Errorf("draining: %v", err)
	}
	for range 2 {
		if err := hub.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
	if err := hub.Apply(settingsOf(t, pusherhub.Config{}, pusherhub.AppConfig{})); !errors.Is(err, pusherhub.ErrHubClosed) {
		t.Errorf("Apply after Close: found %v, expected ErrHubClosed", err)
	}
}

// A server may take requests with a new configuration a moment before it is applied.
func TestSiteSettings(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	next := settingsOf(t, pusherhub.Config{}, pusherhub.AppConfig{MaxMessageSize: 100}, otherApp)
	s.Client = &http.Client{Transport: hubtest.Pipe{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Hub.Serve(w, r, pusherhub.Site{Settings: next})
	})}}
	early := s.Open(t, "other-key", "", nil)
	early.Expect("pusher:connection_established")
	if err := s.Hub.Apply(next); err != nil {
		t.Fatal(err)
	}
	early.ExpectQuiet()
}

// Settings change under full load; nobody loses a socket or an event.
func TestApplyUnderLoad(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	c.Subscribe("c")
	const n = 200
	var others sync.WaitGroup
	stop := make(chan struct{})
	others.Go(func() {
		for range n {
			s.Publish("c", "e", "1")
		}
	})
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.Dial(t).Close()
			}
		}
	})
	for i := range 50 {
		apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{MaxMessageSize: pusherhub.Size(1000 + i)}, otherApp)
		apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{})
	}
	for range n {
		c.ExpectRaw(`{"event":"e","channel":"c","data":"1"}`)
	}
	close(stop)
	others.Wait()
	c.ExpectQuiet()
}
