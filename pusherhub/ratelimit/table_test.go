package ratelimit

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

func numbered(n int) (ip address) {
	binary.BigEndian.PutUint64(ip[:], uint64(n))
	return ip
}

// limiterOf is a plugin that works for the app "app".
func limiterOf(t testing.TB, c Config) *Limiter {
	t.Helper()
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "app", Key: "key", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	l.OnAttach(app, nil)
	return l
}

// Nobody who is over a limit is forgotten, and of those who are not only as many are remembered as there is use for.
func TestTableForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ips table[address]
		ips.limit(1600)
		r := &newRules(Config{PerIP: Limits{Connections: 5, Handshakes: Rate{Count: 1, Burst: 2}}}).scopes[perIP]
		handshake := func(n int) bool {
			_, _, ok := ips.take(numbered(n), r, time.Now(), demand{handshakes, 1})
			return ok
		}
		const open = 1_000_000
		ips.connect(numbered(open), r, time.Now())
		for round := range 200 { // 20 a second, each one once in 10 s
			for i := range 20 {
				if !handshake(round%10*20 + i) {
					t.Fatal("refused")
				}
			}
			time.Sleep(time.Second)
		}
		if n := ips.len(); n > 200 {
			t.Errorf("found %d entries, of which 21 are of use", n)
		}
		time.Sleep(time.Minute)
		for i := range 1000 {
			handshake(1000 + i%100)
			handshake(1000 + i%100)
		}
		for i := range 100 {
			if handshake(1000 + i) {
				t.Fatalf("address %d was forgotten", i)
			}
		}
		for i := range 100_000 { // a flood from everywhere
			handshake(10_000 + i)
		}
		if n := ips.len(); n > 1600 {
			t.Errorf("found %d entries, expected 1600 at most", n)
		}
		for range 4 {
			if !ips.connect(numbered(open), r, time.Now()) {
				t.Error("an open connection was counted twice")
			}
		}
		if ips.connect(numbered(open), r, time.Now()) {
			t.Error("an open connection was forgotten")
		}
	})
}

// The sockets that are known are those that are open.
func TestSocketsAreForgotten(t *testing.T) {
	l := limiterOf(t, Config{PerSocket: Limits{Messages: Rate{Count: 1, Per: time.Hour}}, PerApp: Limits{Connections: 1000}})
	for i := range 1000 {
		id := fmt.Sprintf("%d.%d", i, i)
		c := &pusherhub.ConnectRequest{App: "app", SocketID: id, ClientIP: "192.0.2.1"}
		if err := l.OnConnect(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		for want := range 2 {
			err := l.OnMessage(context.Background(), &pusherhub.MessageRequest{App: "app", SocketID: id})
			if (err != nil) != (want == 1) {
				t.Fatalf("message %d: %v", want, err)
			}
		}
		l.OnDisconnect(c)
		l.OnDisconnect(c)
	}
	s := l.state("app")
	if n := s.sockets.len(); n != 0 {
		t.Errorf("found %d sockets, expected none", n)
	}
	for i := range s.counted.shards {
		if n := len(s.counted.shards[i].ids); n != 0 {
			t.Errorf("found %d counted, expected none", n)
		}
	}
}

// What passes costs no garbage, however much there is to count.
func TestNoAllocations(t *testing.T) {
	rate := Rate{Count: 1e9}
	all := Limits{Messages: rate, ClientEvents: rate, Subscriptions: rate, Bytes: rate}
	ip := Limits{Handshakes: rate, Messages: rate, ClientEvents: rate, Publishes: rate, Subscriptions: rate, Bytes: rate}
	l := limiterOf(t, Config{PerSocket: all, PerUser: all, PerIP: ip, PerApp: ip})
	ctx := context.Background()
	message := &pusherhub.MessageRequest{App: "app", SocketID: "1.2", ClientIP: "2001:db8::1", UserID: "7", Size: 100}
	event := &pusherhub.ClientEventRequest{App: "app", SocketID: "1.2", ClientIP: "192.0.2.1", UserID: "7"}
	publish := &pusherhub.PublishRequest{App: "app", ClientIP: "192.0.2.1"}
	handshake := &pusherhub.ConnectRequest{App: "app", SocketID: "1.2", ClientIP: "192.0.2.1"}
	for name, ask := range map[string]func() error{
		"message":      func() error { return l.OnMessage(ctx, message) },
		"client event": func() error { return l.OnClientEvent(ctx, event) },
		"publish":      func() error { return l.OnPublish(ctx, publish) },
		"handshake":    func() error { return l.OnConnect(ctx, handshake) },
	} {
		if n := testing.AllocsPerRun(1000, func() {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: found %v allocations, expected none", name, n)
		}
	}
}

// Whoever comes when: no more pass than may, none is lost, and the counts end at nothing.
func TestConcurrently(t *testing.T) {
	config := func(n int) Config {
		rate := Rate{Count: 1, Per: time.Hour, Burst: 1000}
		return Config{PerIP: Limits{Connections: n, Messages: rate}, PerApp: Limits{Messages: rate}}
	}
	first := limiterOf(t, config(10))
	second := limiterOf(t, config(20))
	app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "app", Key: "key", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	second.OnDetach(t.Context(), app)
	var work sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	shared := first.state("app")
	for g := range 8 {
		work.Go(func() {
			for i := range 2000 {
				c := &pusherhub.ConnectRequest{App: "app", SocketID: fmt.Sprintf("%d.%d", g, i), ClientIP: "192.0.2.1"}
				l := first
				if i%2 == 1 {
					l = second
				}
				connected := l.OnConnect(context.Background(), c) == nil
				if l.state("app") != nil && shared.allow(who{ip: "192.0.2.1"}, demand{messages, 1}) == nil {
					mu.Lock()
					passed++
					mu.Unlock()
				}
				if connected {
					first.OnDisconnect(c)
					second.OnDisconnect(c)
				}
				if g == 0 && i == 1000 {
					second.OnAttach(app, first)
				}
			}
		})
	}
	work.Wait()
	if passed != 1000 {
		t.Errorf("found %d messages passed, expected 1000", passed)
	}
	if second.state("app") != shared {
		t.Fatal("the counts were not taken over")
	}
	if e := shared.app.shardOf(struct{}{}).entries[struct{}{}]; e.open != 0 {
		t.Errorf("found %d open, expected 0", e.open)
	}
	for i := range 21 {
		c := &pusherhub.ConnectRequest{App: "app", SocketID: fmt.Sprintf("last.%d", i), ClientIP: "192.0.2.1"}
		if err := second.OnConnect(context.Background(), c); (err == nil) != (i < 20) {
			t.Errorf("connection %d: %v", i, err)
		}
	}
}
