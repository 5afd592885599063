package pusherhub_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func mustSettings(t testing.TB, config pusherhub.Config) *pusherhub.Settings {
	t.Helper()
	settings, err := pusherhub.NewSettings(config)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// applyApps gives the hub these apps and no others.
func applyApps(t testing.TB, s *hubtest.Server, apps ...*pusherhub.App) {
	t.Helper()
	if err := s.Hub.Apply(mustSettings(t, pusherhub.Config{Apps: apps})); err != nil {
		t.Fatal(err)
	}
}

func TestApply(t *testing.T) {
	other := func() *pusherhub.App { return mustApp(t, pusherhub.AppConfig{ID: "other", Key: "other"}) }
	two := func(t *testing.T) (s *hubtest.Server, c, onOther *rawClient) {
		s = hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{mustApp(t, pusherhub.AppConfig{}), other()}})
		onOther = openRaw(t, s, "other", "", nil)
		onOther.expectEstablished()
		return s, dialRaw(t, s, ""), onOther
	}
	t.Run("a removed app closes its sockets with 4001, others stay", bubble(func(t *testing.T) {
		s, c, onOther := two(t)
		applyApps(t, s, other())
		c.expectRefusal(4001, noSuchApp)
		openRaw(t, s, s.App.Key, "", nil).expectRefusal(4001, noSuchApp)
		onOther.expectQuiet()
		applyApps(t, s, other(), mustApp(t, pusherhub.AppConfig{})) // it comes back
		dialRaw(t, s, "").expectQuiet()
	}))
	t.Run("a disabled app closes its sockets with 4003, others stay", bubble(func(t *testing.T) {
		s, c, onOther := two(t)
		applyApps(t, s, other(), mustApp(t, pusherhub.AppConfig{Enabled: new(false)}))
		c.expectRefusal(4003, "Application disabled")
		openRaw(t, s, s.App.Key, "", nil).expectRefusal(4003, "Application disabled")
		onOther.expectQuiet()
		applyApps(t, s, other(), mustApp(t, pusherhub.AppConfig{}))
		dialRaw(t, s, "").expectQuiet()
	}))
	t.Run("what is checked when something new happens leaves open sockets alone", bubble(func(t *testing.T) {
		s, c, _ := two(t)
		long := strings.Repeat("c", 100)
		c.send(hubtest.SubscribeFrame(long, "", ""))
		c.expect("pusher_internal:subscription_succeeded")
		applyApps(t, s, other(), mustApp(t, pusherhub.AppConfig{
			MaxConnections: 1, AllowedOrigins: []string{"nowhere.example"}, TLSOnly: new(true), StrictProtocol: new(true), MaxChannelNameLength: 10,
		}))
		c.expectQuiet()
		c.send(hubtest.SubscribeFrame(strings.Repeat("d", 11), "", ""))
		c.expect("pusher:subscription_error")
		c.expect("pusher:error")
		openRaw(t, s, s.App.Key, "", nil).expectRefusal(4000, "Application only accepts SSL connections, reconnect using wss://")
	}))
	t.Run("open sockets have the new secrets and limits", bubble(func(t *testing.T) {
		s, c, _ := two(t)
		auth := func(secret, channel string) string {
			return s.App.Key + ":" + hubtest.Sign(secret, c.socketID+":"+channel)
		}
		applyApps(t, s, other(), mustApp(t, pusherhub.AppConfig{Secret: "new", PreviousSecrets: []string{s.App.Secret}, MaxMessageSize: 500}))
		for _, secret := range []string{"new", s.App.Secret} {
			c.send(hubtest.SubscribeFrame("private-"+secret, auth(secret, "private-"+secret), ""))
			c.expect("pusher_internal:subscription_succeeded")
		}
		applyApps(t, s, other(), mustApp(t, pusherhub.AppConfig{Secret: "new", MaxMessageSize: 500}))
		c.send(hubtest.SubscribeFrame("private-x", auth(s.App.Secret, "private-x"), ""))
		c.expectRaw(subscriptionRefused("private-x"))
		c.expectRaw(connectionUnauthorized)
		c.send(pingOf(501))
		c.expectClose(1009)
	}))
	t.Run("with an error the old settings stay", bubble(func(t *testing.T) {
		s, c, _ := two(t)
		broken := mustSettings(t, pusherhub.Config{Apps: []*pusherhub.App{other()}, Broker: new(brokenBroker)})
		if err := s.Hub.Apply(broken); err == nil || !strings.Contains(err.Error(), "opening the broker: no way") {
			t.Errorf("found %v", err)
		}
		c.expectQuiet()
		dialRaw(t, s, "").expectQuiet()
	}))
	t.Run("a request may come with settings that are not applied yet", bubble(func(t *testing.T) {
		s, _, _ := two(t)
		next := mustSettings(t, pusherhub.Config{Apps: []*pusherhub.App{mustApp(t, pusherhub.AppConfig{ID: "next", Key: "next"})}})
		site(s, pusherhub.Site{Settings: next})
		openRaw(t, s, "next", "", nil).expectEstablished()
		openRaw(t, s, "other", "", nil).expectRefusal(4001, noSuchApp)
	}))
}

// brokenBroker cannot be opened.
type brokenBroker struct{ pusherhub.MemoryBroker }

func (*brokenBroker) Open(context.Context, pusherhub.Node) error { return errors.New("no way") }

func TestHubWithoutSettings(t *testing.T) {
	hub := pusherhub.New()
	for _, path := range []string{"/app/" + hubtest.Key, "/apps/" + hubtest.AppID + "/events", "/up"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		upgradeHeaders(r)
		if hub.Serve(httptest.NewRecorder(), r, pusherhub.Site{ReverbUp: true}) {
			t.Errorf("%s is handled before there are settings", path)
		}
	}
	if err := hub.Close(); err != nil {
		t.Error(err)
	}
}

func TestClosedHub(t *testing.T) {
	t.Run("Close closes what is left with 4200 and waits for it", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c, silent := dialRaw(t, s, ""), dialRaw(t, s, "")
		closed := make(chan time.Duration)
		start := time.Now()
		go func() {
			if err := s.Hub.Close(); err != nil {
				t.Error(err)
			}
			closed <- time.Since(start)
		}()
		c.expectRefusal(4200, "Server restarting, please reconnect")
		if took := <-closed; took == 0 || took > 5*time.Second {
			t.Errorf("it took %s with a client that does not answer, expected some seconds", took)
		}
		silent.expectEnd()
	}))
	t.Run("a closed hub serves nothing", func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		for range 2 {
			if err := s.Hub.Close(); err != nil {
				t.Fatal(err)
			}
		}
		r := httptest.NewRequest(http.MethodGet, "/app/"+hubtest.Key, nil)
		upgradeHeaders(r)
		if handled, res := serveDirectly(s, r); !handled || res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("found handled %t with status %d, expected 503", handled, res.StatusCode)
		}
		if status, _, _ := s.Do(http.MethodPost, "/events", `{"name":"e","channel":"c","data":""}`, nil); status != http.StatusServiceUnavailable {
			t.Errorf("found status %d for a publish, expected 503", status)
		}
		settings := mustSettings(t, pusherhub.Config{Apps: []*pusherhub.App{mustApp(t, pusherhub.AppConfig{})}})
		if err := s.Hub.Apply(settings); !errors.Is(err, pusherhub.ErrHubClosed) {
			t.Errorf("found %v, expected ErrHubClosed", err)
		}
	})
}
