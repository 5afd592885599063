package integration

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// The webhooks of the checklist, from a client's frame to a receiver's SDK-like check of the request.
func TestWebhooks(t *testing.T) {
	t.Run("T57 signature over the exact bytes, exact headers, T61 string data", func(t *testing.T) {
		r := newReceiver(t)
		s := startWebhooks(t, r.URL+"/hook {\n header X-Tenant acme\n event_types client_event channel_occupied member_added subscription_count\n}")
		sender := s.site().Join(t, "presence-room", `{"user_id":"10","user_info":{"name":"Zoë </script> 東京"}}`)
		sender.Send(`{"event":"client-object","channel":"presence-room","data":{"a": 1,"b":"é<>&"}}`)
		sender.Send(hubtest.EventFrame("client-text", "presence-room", "plain"))

		if e := r.expect("client_event presence-room 10 client-text plain"); e.text("socket_id") == "" {
			t.Errorf("found %v, expected a socket_id", e)
		}
		for _, e := range r.events() { // the signature of each request was checked when it came
			for member, value := range e {
				if _, isText := value.(string); !isText && member != "subscription_count" {
					t.Errorf("found %s: %v of type %T, expected a string", member, value, value)
				}
			}
			if e.text("channel") != "presence-room" {
				t.Errorf("found %v, expected the channel", e)
			}
		}
		if data := find(r.events(), "client-object").text("data"); data != `{"a": 1,"b":"é<>&"}` {
			t.Errorf("found the data %q, expected the object's JSON as a string", data)
		}
		h := r.taken()[0]
		for name, expected := range map[string]string{"Content-Type": "application/json", "X-Pusher-Key": appKey, "X-Tenant": "acme"} {
			if got := h.header.Get(name); got != expected {
				t.Errorf("%s: found %q, expected %q", name, got, expected)
			}
		}
		if h.path != "/hook" {
			t.Errorf("found the path %q", h.path)
		}
	})

	t.Run("T58 a state that returns within the hold is not told", func(t *testing.T) {
		r := newReceiver(t)
		s := startWebhooks(t, r.URL)
		first := s.site().Dial(t)
		first.Subscribe("returns")
		first.Subscribe("ends")
		r.expect("channel_occupied ends")
		first.Close()
		second := s.site().Dial(t)
		second.Subscribe("returns")
		vacated := r.expect("channel_vacated ends")
		second.Subscribe("afterwards")
		r.expect("channel_occupied afterwards")
		r.expectNo("channel_vacated returns")
		if n := count(r.events(), "channel_occupied returns"); n != 1 {
			t.Errorf("channel_occupied was told %d times, expected once; vacated: %v", n, vacated)
		}
	})

	t.Run("T59 the same body is tried again, later ones wait", func(t *testing.T) {
		r := newReceiver(t)
		r.answers(func(hook) int { return http.StatusBadGateway })
		s := startWebhooks(t, r.URL, "batch_window off")
		c := s.site().Dial(t)
		c.Subscribe("first")
		r.await("a try", func() bool { return len(r.tried()) >= 1 })
		c.Subscribe("second")
		r.await("another try", func() bool { return len(r.tried()) >= 2 })
		r.answers(nil)
		r.expect("channel_occupied second")

		tries := r.tried()
		for _, try := range tries[:len(tries)-1] {
			if try.body != tries[0].body {
				t.Errorf("found the body %s, expected the first one again: %s", try.body, tries[0].body)
			}
			if try.header.Get("X-Pusher-Signature") != tries[0].header.Get("X-Pusher-Signature") {
				t.Error("found another signature for the same body")
			}
		}
		if taken := r.events(); len(taken) != 2 || taken[0].String() != "channel_occupied first" {
			t.Errorf("found %v, expected both once and in order", taken)
		}
	})

	t.Run("T60 batches, and filters that hold for each event", func(t *testing.T) {
		all, some := newReceiver(t), newReceiver(t)
		s := startWebhooks(t, all.URL, "batch_window 2s", "endpoint "+some.URL+" {\n channel_name_starts_with private-\n channel_name_ends_with -eu\n}")
		c := s.site().Dial(t)
		hub := s.site()
		for _, channel := range []string{"news", "private-one", "private-two-eu"} {
			if strings.HasPrefix(channel, "private-") {
				c.SubscribeWith(channel, hub.Auth(c, channel, ""), "")
			} else {
				c.Subscribe(channel)
			}
		}
		all.expect("channel_occupied private-two-eu")
		if hooks := all.taken(); len(hooks) != 1 || len(hooks[0].events) != 3 {
			t.Errorf("found %d requests, expected one with three events", len(hooks))
		}
		some.expect("channel_occupied private-two-eu")
		if events := some.events(); len(events) != 1 {
			t.Errorf("found %v, expected only what the filter lets through", events)
		}
	})

	t.Run("T38 one cache_miss for a burst", func(t *testing.T) {
		r := newReceiver(t)
		s := startWebhooks(t, r.URL)
		clients := make([]*hubtest.Client, 20)
		for i := range clients {
			clients[i] = s.site().Dial(t)
		}
		for _, c := range clients {
			c.Send(hubtest.SubscribeFrame("cache-prices", "", ""))
		}
		for _, c := range clients {
			c.Expect("pusher_internal:subscription_succeeded")
			c.Expect("pusher:cache_miss")
		}
		r.expect("cache_miss cache-prices")
		clients[0].Subscribe("end")
		r.expect("channel_occupied end")
		if n := count(r.events(), "cache_miss cache-prices"); n != 1 {
			t.Errorf("found %d cache_miss, expected one", n)
		}
	})
}

// What Pusher does not have.
func TestWebhooksBeyondPusher(t *testing.T) {
	r := newReceiver(t)
	s := startWebhooks(t, r.URL+" {\n event_types connected disconnected user_online user_offline undelivered\n}")
	hub := s.site()
	c := hub.Dial(t)
	hub.Signin(t, c, `{"id":"ada"}`)
	s.api().Publish("nobody-here", "news", `"hello"`)
	c.Close()
	for _, name := range []string{"connected", "user_online", "undelivered", "disconnected", "user_offline"} {
		r.await(name, func() bool {
			return slices.ContainsFunc(r.events(), func(e hookEvent) bool { return e.text("name") == name })
		})
	}
	if e := find(r.events(), "undelivered"); e.text("channel") != "nobody-here" || e.text("event") != "news" || e.text("data") != `"hello"` {
		t.Errorf("found %v, expected the event that nobody got", e)
	}
	if e := find(r.events(), "user_online"); e.text("user_id") != "ada" {
		t.Errorf("found %v, expected the user", e)
	}
}

// A receiver that is slow or gone does not hold up another, nor the hub.
func TestWebhooksSlowReceiver(t *testing.T) {
	slow, quick := newReceiver(t), newReceiver(t)
	release := make(chan struct{})
	slow.answers(func(hook) int { <-release; return http.StatusOK })
	s := startWebhooks(t, slow.URL, "batch_window off", "endpoint "+quick.URL)
	c := s.site().Dial(t)
	for _, channel := range []string{"a", "b", "c"} {
		c.Subscribe(channel)
	}
	quick.expect("channel_occupied c")
	close(release)
	slow.expect("channel_occupied c")
}

// find returns the first event whose short form holds part.
func find(events []hookEvent, part string) hookEvent {
	for _, e := range events {
		if strings.Contains(e.String(), part) {
			return e
		}
	}
	return nil
}

// count returns how many events read like this.
func count(events []hookEvent, event string) (n int) {
	for _, e := range events {
		if e.String() == event {
			n++
		}
	}
	return n
}
