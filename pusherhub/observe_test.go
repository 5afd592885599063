package pusherhub_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// observedServer is a server with an app whose observer is rec.
func observedServer(t *testing.T, config pusherhub.AppConfig) (*hubtest.Server, *hubtest.Recorder) {
	rec := hubtest.NewRecorder()
	config.Plugins = append(config.Plugins, rec)
	return hubtest.NewServer(t, config), rec
}

func TestObservations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := hubtest.NewRecorder()
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{SubscriptionCount: new(true), Plugins: []pusherhub.Plugin{rec}})
		expect := func(o pusherhub.Observation) {
			t.Helper()
			o.App = hubtest.AppID
			rec.Expect(t, o)
		}

		c := s.Dial(t)
		expect(pusherhub.Observation{Type: pusherhub.Connected, SocketID: c.SocketID, ClientIP: "192.0.2.1"})
		s.Signin(t, c, `{"id":7}`)
		expect(pusherhub.Observation{Type: pusherhub.SignedIn, SocketID: c.SocketID, UserID: "7"})
		expect(pusherhub.Observation{Type: pusherhub.UserOnline, UserID: "7"})
		s.Signin(t, c, `{"id":7}`) // again: nothing new
		c.Subscribe("#server-to-user-7")

		c.SubscribeWith("presence-x", s.Auth(c, "presence-x", `{"user_id":"8"}`), `{"user_id":"8"}`)
		expect(pusherhub.Observation{Type: pusherhub.ChannelOccupied, Channel: "presence-x"})
		expect(pusherhub.Observation{Type: pusherhub.MemberAdded, Channel: "presence-x", UserID: "8"})
		c.Send(hubtest.EventFrame("client-x", "presence-x", map[string]int{"a": 1}))
		expect(pusherhub.Observation{Type: pusherhub.ClientEvent, Channel: "presence-x", SocketID: c.SocketID, UserID: "8", Event: "client-x", Data: `{"a":1}`})

		c.Subscribe("cache-x")
		expect(pusherhub.Observation{Type: pusherhub.CacheMiss, Channel: "cache-x"})
		expect(pusherhub.Observation{Type: pusherhub.SubscriptionCount, Channel: "cache-x", Count: 1})
		expect(pusherhub.Observation{Type: pusherhub.ChannelOccupied, Channel: "cache-x"})
		c.Expect("pusher:cache_miss")
		c.Expect("pusher_internal:subscription_count")

		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-x"}}`)
		expect(pusherhub.Observation{Type: pusherhub.MemberRemoved, Channel: "presence-x", UserID: "8"})
		expect(pusherhub.Observation{Type: pusherhub.ChannelVacated, Channel: "presence-x"})
		c.Close()
		expect(pusherhub.Observation{Type: pusherhub.SubscriptionCount, Channel: "cache-x", Count: 0})
		expect(pusherhub.Observation{Type: pusherhub.ChannelVacated, Channel: "cache-x"})
		expect(pusherhub.Observation{Type: pusherhub.Disconnected, SocketID: c.SocketID, UserID: "7", ClientIP: "192.0.2.1"})
		later(3 * time.Second)
		expect(pusherhub.Observation{Type: pusherhub.UserOffline, UserID: "7"})
		if rest := rec.Rest(); len(rest) > 0 {
			t.Errorf("observed more: %+v", rest)
		}
	})
}

func TestObserveTabsOnce(t *testing.T) {
	s, rec := observedServer(t, pusherhub.AppConfig{})
	tabs := []*hubtest.Client{s.Join(t, "presence-x", `{"user_id":"1"}`), s.Join(t, "presence-x", `{"user_id":"1"}`)}
	for _, tab := range tabs {
		tab.Close()
	}
	counts := map[pusherhub.ObservationType]int{}
	for counts[pusherhub.Disconnected] < 2 {
		counts[rec.Next(t).Type]++
	}
	for _, once := range []pusherhub.ObservationType{pusherhub.ChannelOccupied, pusherhub.MemberAdded, pusherhub.MemberRemoved, pusherhub.ChannelVacated} {
		if counts[once] != 1 {
			t.Errorf("%s was observed %d times, expected once", once, counts[once])
		}
	}
}

// A refused client is nobody's observation.
func TestObserveRefused(t *testing.T) {
	s, rec := observedServer(t, pusherhub.AppConfig{MaxConnections: 1})
	s.Dial(t)
	rec.Next(t)
	hubtest.Open(t, s.URL, s.App.Key, "", nil).ExpectClose(4004)
	if rest := rec.Rest(); len(rest) > 0 {
		t.Errorf("observed %+v, expected nothing", rest)
	}
}

// Whatever happens at the same time, what observers hear last of a channel is how it is.
func TestObserveInOrder(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8)) // a small machine interrupts too seldom
	s, rec := observedServer(t, pusherhub.AppConfig{})
	const sockets, rounds = 4, 200
	var crowd sync.WaitGroup
	for range sockets {
		c := s.Dial(t)
		frame := hubtest.SubscribeFrame("presence-x", s.Auth(c, "presence-x", `{"user_id":"1"}`), `{"user_id":"1"}`)
		crowd.Go(func() {
			for range rounds {
				c.Send(frame)
				c.Expect("pusher_internal:subscription_succeeded")
				c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-x"}}`)
			}
			c.Close()
		})
	}
	crowd.Wait()
	next := map[pusherhub.ObservationType]pusherhub.ObservationType{
		pusherhub.ChannelOccupied: pusherhub.MemberAdded, pusherhub.MemberAdded: pusherhub.MemberRemoved,
		pusherhub.MemberRemoved: pusherhub.ChannelVacated, pusherhub.ChannelVacated: pusherhub.ChannelOccupied,
	}
	want := pusherhub.ChannelOccupied
	for gone, n := 0, 0; gone < sockets; n++ {
		o := rec.Next(t)
		switch o.Type {
		case pusherhub.Connected:
		case pusherhub.Disconnected:
			gone++
		default:
			if o.Type != want {
				t.Fatalf("observation %d is %s, expected %s", n, o.Type, want)
			}
			want = next[want]
		}
	}
	if want != pusherhub.ChannelOccupied {
		t.Errorf("all are gone and %s was not observed", want)
	}
}

// gate is an observer that stands still until it is opened.
type gate struct {
	entered chan struct{} // closed by the first observation
	open    chan struct{}
	once    sync.Once
	told    int // owned by the feed until the hub is closed
}

func newGate() *gate { return &gate{entered: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) Name() string { return "gate" }

func (g *gate) Observe(pusherhub.Observation) {
	g.once.Do(func() { close(g.entered) })
	<-g.open
	g.told++
}

// An observer that stands still costs observations, and nobody else's time.
func TestObserverQueueIsBounded(t *testing.T) {
	g := newGate()
	s := hubtest.NewServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{g}})
	c := s.Dial(t)
	<-g.entered
	c.Subscribe("x")
	const events = 5000
	for range events {
		c.Send(`{"event":"client-x","channel":"x"}`)
	}
	c.ExpectQuiet()

	const queue = 4096
	happened := 1 + 1 + events // connected, occupied
	dropped := happened - 1 - queue
	if n := s.Hub.Stats().ObservationsDropped; n != uint64(dropped) {
		t.Errorf("found ObservationsDropped %d, expected %d", n, dropped)
	}
	c.Close()
	close(g.open)
	if err := s.Hub.Close(); err != nil {
		t.Fatal(err)
	}
	// Close brings two more, which may or may not find room.
	if least := happened - dropped; g.told < least || g.told > least+2 {
		t.Errorf("told %d observations by the end of Close, expected the %d that were queued and at most 2 more", g.told, least)
	}
}

// Close returns when the observers know everything.
func TestCloseFlushesObservers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := hubtest.NewRecorder()
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{rec}})
		const sockets = 50
		for range sockets {
			s.Dial(t).Subscribe("x")
		}
		if err := s.Hub.Close(); err != nil {
			t.Fatal(err)
		}
		counts := map[pusherhub.ObservationType]int{}
		for _, o := range rec.Rest() {
			counts[o.Type]++
		}
		if counts[pusherhub.Connected] != sockets || counts[pusherhub.Disconnected] != sockets || counts[pusherhub.ChannelVacated] != 1 {
			t.Errorf("found %v, expected everything of %d sockets", counts, sockets)
		}
	})
}

// An observer that new settings leave out is told what happened before them and no more.
func TestApplyRetiresObserver(t *testing.T) {
	g := newGate()
	s := hubtest.NewServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{g}})
	c := s.Dial(t)
	<-g.entered
	c.Subscribe("x") // queued behind the first
	c.ExpectQuiet()
	rec := hubtest.NewRecorder()
	apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{rec}})
	c.Subscribe("y")
	rec.Expect(t, pusherhub.Observation{Type: pusherhub.ChannelOccupied, App: hubtest.AppID, Channel: "y"})
	c.Close()
	close(g.open)
	if err := s.Hub.Close(); err != nil { // waits for the retired one, too
		t.Fatal(err)
	}
	if g.told != 2 {
		t.Errorf("told %d observations, expected 2", g.told)
	}
}
