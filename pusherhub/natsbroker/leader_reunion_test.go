package natsbroker

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// TestStoodStill expects that a node that stood still, so that the other servers have given up its own, sends nothing until they have found each other again.
func TestStoodStill(t *testing.T) {
	one, two, route := cluster2(t)
	a, b := newMember(t, one.broker("still"), nil, "a"), newMember(t, two.broker("still"), nil, "b")
	b.subscribe("x")
	hubtest.Eventually(t, "they have met", func() bool { return a.claim().Standby == b.id() })
	send := func() error {
		_, err := a.engine.Send(t.Context(), []cluster.Post{{Topic: channel("x"), Data: []byte("1")}})
		return err
	}
	standStill := func() {
		route.Cut()
		hubtest.Eventually(t, "the route is lost", func() bool { return one.server.NumRoutes() == 0 })
		a.engine.council.reunion.see(time.Now().Add(-time.Minute), time.Hour)
	}
	standStill()
	if err := send(); !errors.Is(err, errApart) {
		t.Fatalf("found %v, expected %v", err, errApart)
	}
	route.Restore()
	hubtest.Eventually(t, "it is sent", func() bool { return send() == nil })
	hubtest.Eventually(t, "it is received", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.received) == 1 })

	standStill() // and the other one does not come back
	hubtest.Eventually(t, "it is sent although somebody is missing", func() bool { return send() == nil })
}

// TestLeaderStoodStill has a leader stand still until another one has taken its place, and go on when it cannot be reached yet: it does not lead again.
func TestLeaderStoodStill(t *testing.T) {
	one, two, route := cluster2(t)
	leader := newMember(t, one.broker("stood"), nil, "a")
	leader.enter()
	standby, other := newMember(t, two.broker("stood"), nil, "b"), newMember(t, two.broker("stood"), nil, "c")
	agree := func(on, heir *member) {
		t.Helper()
		hubtest.Eventually(t, "all agree on who leads and who stands by", func() bool {
			for _, m := range []*member{leader, standby, other} {
				if c := m.claim(); c.Leader != on.id() || c.Standby != heir.id() {
					return false
				}
			}
			return true
		})
	}
	agree(leader, standby)
	standby.enter()
	other.enter()
	other.hold("x", 1)

	leader.engine.council.view.mu.Lock() // nothing can be done without it
	route.Cut()
	hubtest.Eventually(t, "the standby leads", func() bool { return other.claim().Leader == standby.id() })
	other.hold("x", 2)
	nc, err := nats.Connect(one.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	heard, err := nc.SubscribeSync(subjects{"stood"}.members())
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	leader.engine.council.view.mu.Unlock()
	for ticks := range 10 {
		m, err := heard.NextMsg(hubtest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		f, err := decodeFrame(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		var n notice
		if err := unpack(f.body, &n); err != nil {
			t.Fatal(err)
		}
		if n.Lead != nil && ticks > 0 { // one may have been under way
			t.Fatalf("found that it claims to lead: %+v", *n.Lead)
		}
	}
	route.Restore()
	agree(standby, other)
	if held := leader.holders("x")["c"]; held != 2 {
		t.Errorf("found %d, expected 2 of the time when the leader stood still", held)
	}
	if other.ups != 1 || standby.ups != 1 {
		t.Errorf("found %d and %d connections of those who were well, expected 1", other.ups, standby.ups)
	}
}
