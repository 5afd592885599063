package ratelimit_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"github.com/onecharge/pusherhub/pusherhub/ratelimit"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }

func bubble(test func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		synctest.Test(t, test)
	}
}

func later(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// serverOf is a server whose app has these limits. A request comes from the address in its X-From.
func serverOf(t *testing.T, c ratelimit.Config) *hubtest.Server {
	t.Helper()
	s := hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{appOf(t, pusherhub.AppConfig{}, c)}})
	s.Client = &http.Client{Transport: hubtest.Pipe{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Hub.Serve(w, r, pusherhub.Site{ClientIP: func(r *http.Request) string { return r.Header.Get("X-From") }})
	})}}
	return s
}

func appOf(t *testing.T, config pusherhub.AppConfig, limits ...ratelimit.Config) *pusherhub.App {
	t.Helper()
	config = hubtest.WithCredentials(config)
	for _, c := range limits {
		plugin, err := ratelimit.New(c)
		if err != nil {
			t.Fatal(err)
		}
		config.Plugins = append(config.Plugins, plugin)
	}
	app, err := pusherhub.NewApp(config)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func apply(t *testing.T, s *hubtest.Server, app *pusherhub.App) {
	t.Helper()
	settings, err := pusherhub.NewSettings(pusherhub.Config{Apps: []*pusherhub.App{app}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Hub.Apply(settings); err != nil {
		t.Fatal(err)
	}
}

// comesIn connects a client from an address.
func comesIn(t *testing.T, s *hubtest.Server, from string) *hubtest.Client {
	t.Helper()
	c := s.Open(t, s.App.Key, "", http.Header{"X-From": {from}})
	c.SocketID = socketIDOf(c.Expect("pusher:connection_established").Text())
	return c
}

func socketIDOf(established string) string {
	_, rest, _ := strings.Cut(established, `"socket_id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// isRefused shows that no client comes in from an address, and that the refusal lets it come back.
func isRefused(t *testing.T, s *hubtest.Server, from, reason string) {
	t.Helper()
	c := s.Open(t, s.App.Key, "", http.Header{"X-From": {from}})
	if text := c.ExpectError(4100); text != reason {
		t.Errorf("found %q, expected %q", text, reason)
	}
	if text := c.ExpectClose(4100); text != reason {
		t.Errorf("found close reason %q, expected %q", text, reason)
	}
}

const ping = `{"event":"pusher:ping","data":{}}`

// mayPing shows that so many pings are answered at once and one more is not.
func mayPing(t *testing.T, c *hubtest.Client, times int, reason string) {
	t.Helper()
	for range times {
		c.Send(ping)
		c.Expect("pusher:pong")
	}
	c.Send(ping)
	if text := c.ExpectError(4301); text != reason {
		t.Errorf("found %q, expected %q", text, reason)
	}
}

func TestHandshakes(t *testing.T) {
	t.Run("per IP", bubble(func(t *testing.T) {
		s := serverOf(t, ratelimit.Config{PerIP: ratelimit.Limits{Handshakes: ratelimit.Rate{Count: 30, Per: time.Minute, Burst: 3}}})
		const reason = "Too many connection attempts from your IP address: at most 30 a minute"
		for _, alike := range [][]string{
			{"192.0.2.7", "192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7"},
			{"192.0.2.8", "192.0.2.8", "192.0.2.8", "192.0.2.8"},
			{"2001:db8:1:2::1", "2001:db8:1:2:ffff::", "2001:db8:1:2::1%eth0", "2001:db8:1:2:0:1::"},
			{"2001:db8:1:3::1", "2001:db8:1:3::1", "2001:db8:1:3::1", "2001:db8:1:3::1"},
		} {
			for range 2 {
				for _, ip := range alike[:3] {
					comesIn(t, s, ip)
				}
				isRefused(t, s, alike[3], reason)
				later(2*time.Second - 1)
				isRefused(t, s, alike[3], reason)
				later(1)
				comesIn(t, s, alike[3])
				isRefused(t, s, alike[3], reason)
				later(time.Minute)
			}
		}
		for range 10 { // who has no address, as behind a Unix socket, is not one client
			comesIn(t, s, "@")
		}
	}))
	t.Run("per app, of which one address that is over its own limit takes nothing", bubble(func(t *testing.T) {
		s := serverOf(t, ratelimit.Config{
			PerApp: ratelimit.Limits{Handshakes: ratelimit.Rate{Count: 4}},
			PerIP:  ratelimit.Limits{Handshakes: ratelimit.Rate{Count: 2}},
		})
		comesIn(t, s, "192.0.2.7")
		comesIn(t, s, "192.0.2.7")
		for range 50 {
			isRefused(t, s, "192.0.2.7", "Too many connection attempts from your IP address: at most 2 a second")
		}
		comesIn(t, s, "192.0.2.8")
		comesIn(t, s, "192.0.2.9")
		isRefused(t, s, "192.0.2.10", "Too many connection attempts in this app: at most 4 a second")
	}))
}

func TestConnections(t *testing.T) {
	t.Run("per IP and per app", bubble(func(t *testing.T) {
		s := serverOf(t, ratelimit.Config{PerIP: ratelimit.Limits{Connections: 2}, PerApp: ratelimit.Limits{Connections: 3}})
		for range 3 {
			a, b := comesIn(t, s, "192.0.2.7"), comesIn(t, s, "192.0.2.7")
			isRefused(t, s, "192.0.2.7", "Too many connections from your IP address: at most 2")
			c := comesIn(t, s, "192.0.2.8")
			isRefused(t, s, "192.0.2.8", "Too many connections in this app: at most 3")
			a.Close()
			synctest.Wait()
			d := comesIn(t, s, "192.0.2.8") // the app's refusal has not taken the address's room
			for _, client := range []*hubtest.Client{b, c, d} {
				client.Close()
			}
			synctest.Wait()
		}
	}))
	t.Run("what somebody else refuses is not counted", bubble(func(t *testing.T) {
		limits := ratelimit.Config{PerIP: ratelimit.Limits{Connections: 2}}
		config := pusherhub.AppConfig{MaxConnections: 1}
		s := hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{appOf(t, config, limits)}})
		first := s.Dial(t)
		for range 5 {
			refused := s.Open(t, s.App.Key, "", nil)
			refused.ExpectError(4004)
			refused.ExpectClose(4004)
		}
		config.MaxConnections = 0
		apply(t, s, appOf(t, config, limits))
		first.ExpectQuiet()
		s.Dial(t)
		refused := s.Open(t, s.App.Key, "", nil)
		refused.ExpectClose(4100)
	}))
}

func TestMessages(t *testing.T) {
	t.Run("per socket", bubble(func(t *testing.T) {
		s := serverOf(t, ratelimit.Config{PerSocket: ratelimit.Limits{Messages: ratelimit.Rate{Count: 2, Burst: 4}}})
		const reason = "Too many messages on this connection: at most 2 a second"
		for range 2 {
			c := comesIn(t, s, "192.0.2.7")
			mayPing(t, c, 4, reason)
			later(500 * time.Millisecond)
			mayPing(t, c, 1, reason)
			later(time.Hour / 60)
			mayPing(t, c, 4, reason)
		}
	}))
	t.Run("per user over all connections", bubble(func(t *testing.T) {
		s := serverOf(t, ratelimit.Config{PerUser: ratelimit.Limits{Messages: ratelimit.Rate{Count: 3}}})
		const reason = "Too many messages by this user: at most 3 a second"
		a, b, other, nobody := comesIn(t, s, ""), comesIn(t, s, ""), comesIn(t, s, ""), comesIn(t, s, "")
		s.Signin(t, a, `{"id":"7"}`)
		s.Signin(t, b, `{"id":"7"}`)
		s.Signin(t, other, `{"id":"8"}`)
		a.Send(ping)
		a.Expect("pusher:pong")
		mayPing(t, b, 2, reason)
		mayPing(t, a, 0, reason)
		mayPing(t, other, 3, reason)
		for range 10 {
			nobody.Send(ping)
			nobody.Expect("pusher:pong")
		}
	}))
	t.Run("bytes, of which a large message takes all there is", bubble(func(t *testing.T) {
		s := serverOf(t, ratelimit.Config{PerIP: ratelimit.Limits{Bytes: ratelimit.Rate{Count: 100}}})
		c := comesIn(t, s, "192.0.2.7")
		large := `{"event":"pusher:ping","data":"` + strings.Repeat("x", 5000) + `"}`
		for range 3 {
			c.Send(large)
			c.Expect("pusher:pong")
			mayPing(t, c, 0, "Too many bytes from your IP address: at most 100 a second")
			later(time.Second / 2)
			c.Send(large)
			c.ExpectError(4301)
			mayPing(t, c, 1, "Too many bytes from your IP address: at most 100 a second")
			later(time.Second)
		}
		comesIn(t, s, "192.0.2.8").Send(large)
	}))
}

func TestClientEvents(t *testing.T) {
	rate := ratelimit.Rate{Count: 2}
	for _, c := range []struct {
		config ratelimit.Config
		where  string
	}{
		{ratelimit.Config{PerSocket: ratelimit.Limits{ClientEvents: rate}}, "on this connection"},
		{ratelimit.Config{PerUser: ratelimit.Limits{ClientEvents: rate}}, "by this user"},
		{ratelimit.Config{PerIP: ratelimit.Limits{ClientEvents: rate}}, "from your IP address"},
		{ratelimit.Config{PerApp: ratelimit.Limits{ClientEvents: rate}}, "in this app"},
	} {
		t.Run(c.where, bubble(func(t *testing.T) {
			s := serverOf(t, c.config)
			a, b := comesIn(t, s, "192.0.2.7"), comesIn(t, s, "192.0.2.8")
			for _, client := range []*hubtest.Client{a, b} {
				data := fmt.Sprintf(`{"user_id":%q}`, client.SocketID)
				client.SubscribeWith("presence-room", s.Auth(client, "presence-room", data), data)
			}
			a.Expect("pusher_internal:member_added")
			whisper := hubtest.EventFrame("client-typing", "presence-room", "x")
			for i := range 5 {
				a.Send(whisper)
				if i >= 2 {
					if text := a.ExpectError(4301); text != "Too many client events "+c.where+": at most 2 a second" {
						t.Errorf("found %q", text)
					}
				}
			}
			b.Expect("client-typing")
			b.Expect("client-typing")
			b.ExpectQuiet()
			b.Send(whisper)
			if c.where == "in this app" {
				b.ExpectError(4301)
			} else {
				a.Expect("client-typing")
			}
		}))
	}
}

func TestSubscriptions(t *testing.T) {
	t.Run("as a rate", bubble(func(t *testing.T) {
		s := serverOf(t, ratelimit.Config{PerSocket: ratelimit.Limits{Subscriptions: ratelimit.Rate{Count: 60, Per: time.Minute, Burst: 2}}})
		c := comesIn(t, s, "")
		const reason = "Too many subscriptions on this connection: at most 60 a minute"
		for range 3 {
			c.Subscribe("a")
			c.Subscribe("b")
			c.Send(hubtest.SubscribeFrame("c", "", ""))
			c.ExpectRaw(`{"event":"pusher:subscription_error","channel":"c","data":{"type":"LimitReached","error":"` + reason + `","status":429,"code":4301}}`)
			c.ExpectError(4301)
			later(2 * time.Second)
		}
	}))
}

func TestPublishes(t *testing.T) {
	t.Run("per app and per IP", bubble(func(t *testing.T) {
		s := serverOf(t, ratelimit.Config{
			PerApp: ratelimit.Limits{Publishes: ratelimit.Rate{Count: 6, Per: time.Minute, Burst: 5}},
			PerIP:  ratelimit.Limits{Publishes: ratelimit.Rate{Count: 1000}},
		})
		c := comesIn(t, s, "")
		c.Subscribe("a")
		publish := func(channels string, status int, answer, retryAfter string) {
			t.Helper()
			body := `{"name":"e","data":"1","channels":[` + channels + `]}`
			found, text, header := s.Do("POST", "/events", body, nil)
			if found != status || text != answer || header.Get("Retry-After") != retryAfter {
				t.Errorf("found %d %s, Retry-After %q, expected %d %s, %q", found, text, header.Get("Retry-After"), status, answer, retryAfter)
			}
		}
		const reason = "Too many published events in this app: at most 6 a minute"
		publish(`"a","b"`, 200, "{}", "") // counts as two
		publish(`"a","b"`, 200, "{}", "")
		publish(`"a"`, 200, "{}", "")
		later(100 * time.Millisecond)
		publish(`"a"`, 429, reason, "10") // 9.9 s
		later(9900 * time.Millisecond)
		publish(`"a"`, 200, "{}", "")
		publish(`"a"`, 429, reason, "10")
		for range 4 {
			c.Expect("e")
		}
		c.ExpectQuiet()
	}))
}

// Reverb's own limiter and the app's options hold beside the plugin, whichever is stricter.
func TestBesideTheAppsOwnLimits(t *testing.T) {
	t.Run("rate_limiting", bubble(func(t *testing.T) {
		limits := ratelimit.Config{PerSocket: ratelimit.Limits{Messages: ratelimit.Rate{Count: 10}}}
		config := pusherhub.AppConfig{RateLimiting: &pusherhub.RateLimiting{MaxAttempts: 5, Decay: pusherhub.Duration(10 * time.Second)}, MaxClientEventsPerSecond: 3}
		s := hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{appOf(t, config, limits)}})
		c := s.Dial(t)
		for i := range 7 {
			c.Send(hubtest.SubscribeFrame("news", "", ""))
			if i < 5 {
				c.Expect("pusher_internal:subscription_succeeded")
			} else if text := c.ExpectError(4301); text != "Rate limit exceeded" {
				t.Errorf("found %q", text)
			}
		}
		mayPing(t, c, 3, "Too many messages on this connection: at most 10 a second")
		later(10 * time.Second)
		for i := range 5 {
			c.Send(hubtest.EventFrame("client-x", "news", "y"))
			if i >= 3 {
				c.ExpectError(4301)
			}
		}
		c.ExpectQuiet()
	}))
}
