package pusherhub_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestDrainSpreads(t *testing.T) {
	t.Run("T72 drain spreads closes", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: appsOf(t, pusherhub.AppConfig{}), Drain: pusherhub.Duration(3 * time.Second)})
		const sockets = 120 // two for each 50 ms
		var mu sync.Mutex
		perSlice := make(map[time.Duration]int)
		var clients sync.WaitGroup
		from := time.Now()
		for range sockets {
			c := s.Dial(t)
			clients.Go(func() {
				if reason := c.ExpectClose(4200); reason != "Server restarting, please reconnect" {
					t.Errorf("found reason %q", reason)
				}
				mu.Lock()
				defer mu.Unlock()
				perSlice[time.Since(from)]++
			})
		}
		if err := s.Hub.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(from); took != 2950*time.Millisecond {
			t.Errorf("Drain took %s, expected 2.95s", took)
		}
		clients.Wait()
		for at := time.Duration(0); at < 3*time.Second; at += 50 * time.Millisecond {
			if perSlice[at] != 2 {
				t.Errorf("%d sockets were closed at %s, expected 2", perSlice[at], at)
			}
		}
	}))
}

func TestDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		a, b := s.Dial(t), s.Dial(t)
		a.Subscribe("c")
		b.Subscribe("c")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Hub.Drain(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("found %v, expected that the drain was cancelled after its first slice", err)
		}

		fresh := s.Open(t, s.App.Key, "", nil)
		fresh.ExpectRaw(`{"event":"pusher:error","data":{"code":4100,"message":"Server restarting, please reconnect"}}`)
		fresh.ExpectClose(4100)
		unknown := s.Open(t, "unknown", "", nil)
		unknown.ExpectClose(4100) // whoever it is

		s.Publish("c", "e", "1") // the API goes on, and so do those that are not closed yet
		call{method: "POST", path: "/batch_events", body: `{"batch":[` + oneEvent + `]}`, status: 200, answer: "{}"}.expect(t, s)
		events := 0
		for _, c := range []*hubtest.Client{a, b} {
			if c.Next().Event == "e" {
				events++
				c.Expect("e")
				c.ExpectQuiet()
			} else {
				c.ExpectClose(4200)
			}
		}
		if events != 1 {
			t.Errorf("%d sockets got the event, expected the one that was not closed", events)
		}
		if err := s.Hub.Drain(t.Context()); err != nil {
			t.Errorf("draining again: %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	var clients sync.WaitGroup
	for range 10 {
		c := s.Dial(t)
		c.Subscribe("c")
		clients.Go(func() { c.ExpectClose(4200) })
	}
	if err := s.Hub.Close(); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	if stats := s.Hub.Stats(); stats.Connections != 0 || stats.Subscriptions != 0 || stats.Channels != 0 {
		t.Errorf("found %+v, expected nothing to be left", stats)
	}
	call{method: "POST", path: "/events", body: oneEvent, status: 503, answer: "The server is shutting down."}.expect(t, s)
	if err := s.Hub.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if err := s.Hub.Drain(t.Context()); err != nil {
		t.Errorf("draining after Close: %v", err)
	}
	if err := s.Hub.Apply(settingsOf(t, pusherhub.Config{}, pusherhub.AppConfig{})); !errors.Is(err, pusherhub.ErrHubClosed) {
		t.Errorf("Apply after Close: found %v, expected ErrHubClosed", err)
	}
}

// Timers of a hub that is closed do nothing, and nothing waits for them.
func TestCloseWithTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		s.Publish("cache-c", "e", "1")
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		c.Close() // held online for 3 s
		from := time.Now()
		if err := s.Hub.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(from); took != 0 {
			t.Errorf("Close took %s", took)
		}
		later(time.Hour)
	})
}
