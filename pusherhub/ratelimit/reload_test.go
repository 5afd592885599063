package ratelimit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"github.com/onecharge/pusherhub/pusherhub/ratelimit"
)

func TestReload(t *testing.T) {
	handshakes := func(count float64, burst int) ratelimit.Config {
		return ratelimit.Config{PerIP: ratelimit.Limits{Handshakes: ratelimit.Rate{Count: count, Burst: burst}}}
	}
	t.Run("what was used up stays so, and new limits hold at once", bubble(func(t *testing.T) {
		s := serverOf(t, handshakes(1, 2))
		const one, two = "192.0.2.1", "192.0.2.2"
		comesIn(t, s, one)
		comesIn(t, s, one)
		for range 3 {
			apply(t, s, appOf(t, pusherhub.AppConfig{}, handshakes(1, 2)))
			isRefused(t, s, one, "Too many connection attempts from your IP address: at most 1 a second")
		}
		apply(t, s, appOf(t, pusherhub.AppConfig{}, handshakes(10, 20)))
		isRefused(t, s, one, "Too many connection attempts from your IP address: at most 10 a second")
		later(100 * time.Millisecond) // at the new rate
		comesIn(t, s, one)
		isRefused(t, s, one, "Too many connection attempts from your IP address: at most 10 a second")
		for range 20 {
			comesIn(t, s, two)
		}
		apply(t, s, appOf(t, pusherhub.AppConfig{}, handshakes(1, 5)))
		later(time.Minute)
		for range 5 {
			comesIn(t, s, two)
		}
		isRefused(t, s, two, "Too many connection attempts from your IP address: at most 1 a second")
		apply(t, s, appOf(t, pusherhub.AppConfig{})) // without the plugin
		comesIn(t, s, two)
		apply(t, s, appOf(t, pusherhub.AppConfig{}, handshakes(1, 5))) // which begins anew
		comesIn(t, s, two)
	}))
	t.Run("open connections stay counted", bubble(func(t *testing.T) {
		connections := func(n int) *pusherhub.App {
			return appOf(t, pusherhub.AppConfig{}, ratelimit.Config{PerIP: ratelimit.Limits{Connections: n}})
		}
		s := serverOf(t, ratelimit.Config{PerSocket: ratelimit.Limits{Messages: ratelimit.Rate{Count: 9}}})
		const ip = "192.0.2.1"
		early := []*hubtest.Client{comesIn(t, s, ip), comesIn(t, s, ip)}
		apply(t, s, connections(2)) // the first two do not count, neither when they come nor when they go
		a, b := comesIn(t, s, ip), comesIn(t, s, ip)
		isRefused(t, s, ip, "Too many connections from your IP address: at most 2")
		for _, c := range early {
			c.Close()
		}
		synctest.Wait()
		isRefused(t, s, ip, "Too many connections from your IP address: at most 2")
		apply(t, s, connections(3))
		c := comesIn(t, s, ip)
		apply(t, s, connections(1)) // closes nobody
		for _, client := range []*hubtest.Client{a, b, c} {
			client.ExpectQuiet()
			isRefused(t, s, ip, "Too many connections from your IP address: at most 1")
			client.Close()
			synctest.Wait()
		}
		comesIn(t, s, ip)
		isRefused(t, s, ip, "Too many connections from your IP address: at most 1")
	}))
	t.Run("two of an app", bubble(func(t *testing.T) {
		both := func() *pusherhub.App { return appOf(t, pusherhub.AppConfig{}, handshakes(1, 3), handshakes(2, 2)) }
		s := serverOf(t, handshakes(1, 3))
		apply(t, s, both())
		const ip = "192.0.2.1"
		comesIn(t, s, ip)
		comesIn(t, s, ip)
		isRefused(t, s, ip, "Too many connection attempts from your IP address: at most 2 a second")
		apply(t, s, both())
		isRefused(t, s, ip, "Too many connection attempts from your IP address: at most 1 a second")
		later(500 * time.Millisecond)
		isRefused(t, s, ip, "Too many connection attempts from your IP address: at most 1 a second")
		later(500 * time.Millisecond)
		comesIn(t, s, ip)
	}))
}

// A plugin of a hub works for all of its apps, each of which has its own counts.
func TestApps(t *testing.T) {
	limiter, err := ratelimit.New(ratelimit.Config{
		PerApp: ratelimit.Limits{Publishes: ratelimit.Rate{Count: 2}},
		PerIP:  ratelimit.Limits{Publishes: ratelimit.Rate{Count: 100}, Handshakes: ratelimit.Rate{Count: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(app string) error {
		return limiter.OnPublish(context.Background(), &pusherhub.PublishRequest{App: app, ClientIP: "192.0.2.1"})
	}
	apps := make(map[string]*pusherhub.App)
	for _, id := range []string{"a", "b"} {
		app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: id, Key: id, Secret: id})
		if err != nil {
			t.Fatal(err)
		}
		apps[id] = app
	}
	for range 10 { // an app that it does not work for
		if err := publish("a"); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		for range 3 {
			for _, app := range apps {
				limiter.OnAttach(app, nil)
			}
			for id := range apps {
				for i := range 4 {
					if err := publish(id); (err == nil) != (i < 2) {
						t.Errorf("app %s, publish %d: %v", id, i, err)
					}
				}
			}
			limiter.OnAttach(apps["a"], limiter) // its settings changed
			if publish("a") == nil {
				t.Error("what was used up is forgotten")
			}
			found := make(map[string]float64)
			for _, m := range limiter.Measures() {
				if m.Help == "" || m.Counter != (m.Name != "keys") {
					t.Errorf("found %+v", m)
				}
				found[m.App+" "+m.Name] = m.Value
			}
			for name, want := range map[string]float64{
				"a per_app_publishes_refused_total": 3, "b per_app_publishes_refused_total": 2,
				"a per_ip_publishes_refused_total": 0, "a per_ip_handshakes_refused_total": 0, "a keys": 1, "b keys": 1,
			} {
				if value, is := found[name]; !is || value != want {
					t.Errorf("%s: found %v %v, expected %v", name, value, is, want)
				}
			}
			for _, app := range apps {
				limiter.OnDetach(t.Context(), app)
			}
			if left := limiter.Measures(); len(left) != 0 {
				t.Errorf("found %v of apps that are gone", left)
			}
		}
	})
}

// A socket may end while its plugin is being replaced; what it held is free nevertheless.
func TestDisconnectDuringReload(t *testing.T) {
	one := ratelimit.Config{PerApp: ratelimit.Limits{Connections: 1}}
	old, err := ratelimit.New(one)
	if err != nil {
		t.Fatal(err)
	}
	next, err := ratelimit.New(one)
	if err != nil {
		t.Fatal(err)
	}
	app := appOf(t, pusherhub.AppConfig{}, one)
	old.OnAttach(app, nil)
	first := &pusherhub.ConnectRequest{App: app.ID(), SocketID: "1.1", ClientIP: "192.0.2.1"}
	if err := old.OnConnect(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	next.OnAttach(app, old)
	old.OnDisconnect(first) // the hub has not put next in its place yet
	if err := next.OnConnect(t.Context(), &pusherhub.ConnectRequest{App: app.ID(), SocketID: "1.2", ClientIP: "192.0.2.1"}); err != nil {
		t.Error(err)
	}
}
