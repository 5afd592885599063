package integration

import (
	"net/http"
	"syscall"
	"testing"
)

// Where events wait, with and without a spool.
var spools = []struct{ name, line string }{
	{"memory", ""},
	{"spool", "spool {$DIR}/webhooks"},
	{"spool in Caddy's data directory", "spool webhooks"},
}

// What could not be delivered before a reload is delivered after it, before what happens then.
func TestWebhooksReload(t *testing.T) {
	for _, tc := range spools {
		t.Run(tc.name, func(t *testing.T) {
			r := newReceiver(t)
			r.answers(func(hook) int { return http.StatusServiceUnavailable })
			s := startWebhooks(t, r.URL, "batch_window off", tc.line)
			c := s.site().Dial(t)
			c.Subscribe("one")
			r.await("a try", func() bool { return len(r.tried()) > 0 })
			c.Subscribe("two")
			for _, line := range []string{"batch off", "batch_size 2"} { // another plugin each time
				if said, err := s.reload(sitesWithWebhooks(r.URL, "batch_window off", tc.line, line)); err != nil {
					t.Fatalf("%v\n%s", err, said)
				}
			}
			c.Subscribe("three")
			r.answers(nil)
			r.expect("channel_occupied three")
			expectEvents(t, r, "channel_occupied one", "channel_occupied two", "channel_occupied three")
		})
	}
}

// An exit tells what is over without waiting for the hold.
func TestWebhooksExit(t *testing.T) {
	for _, tc := range spools {
		t.Run(tc.name, func(t *testing.T) {
			r := newReceiver(t)
			s := startWebhooks(t, r.URL, tc.line)
			c := s.site().Join(t, "presence-room", `{"user_id":"ada"}`)
			r.expect("member_added presence-room ada")
			go func() { readToTheEnd(t, c) }()
			s.signal(syscall.SIGTERM)
			if code := s.wait(); code != 0 {
				t.Errorf("Caddy ended with %d, expected 0", code)
			}
			if count(r.events(), "channel_vacated presence-room") != 1 || count(r.events(), "member_removed presence-room ada") != 1 {
				t.Errorf("found %v, expected the end of the channel and its member", r.events())
			}
		})
	}
}

// With a spool, what an exit could not deliver is delivered by the next process, first.
func TestWebhooksWaitInTheSpoolForTheNextProcess(t *testing.T) {
	r := newReceiver(t)
	r.answers(func(hook) int { return http.StatusServiceUnavailable })
	s := startWebhooks(t, r.URL, "spool webhooks")
	c := s.site().Dial(t)
	c.Subscribe("before")
	r.await("a try", func() bool { return len(r.tried()) > 0 })
	go func() { readToTheEnd(t, c) }()
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
	r.answers(nil)
	s.start(sitesWithWebhooks(r.URL, "spool webhooks"))
	s.site().Dial(t).Subscribe("after")
	r.expect("channel_occupied after")
	expectEvents(t, r, "channel_occupied before", "channel_vacated before", "channel_occupied after")
}

// expectEvents makes sure that these events were taken, in this order and once.
func expectEvents(t *testing.T, r *receiver, expected ...string) {
	t.Helper()
	events := r.events()
	for i, e := range events {
		if i >= len(expected) || e.String() != expected[i] {
			t.Fatalf("found %v, expected %q", events, expected)
		}
	}
	if len(events) < len(expected) {
		t.Errorf("found %v, expected %q", events, expected)
	}
}
