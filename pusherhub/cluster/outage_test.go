package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Nodes that come back one after the other, when the server was away for longer than a lease, do not take each other for dead.
func TestOutageLongerThanLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRandomWalk(t, 0)
		defer w.close()
		topic := w.topics[0]
		for _, n := range w.nodes {
			n.follow(topic, true)
			n.join(topic, n.name, 1)
		}
		time.Sleep(time.Second)
		for _, n := range w.nodes {
			w.bus.Cut(n.engine)
		}
		time.Sleep(30 * time.Second)
		for _, n := range w.nodes {
			if err := n.broker.Ready(); err == nil {
				t.Errorf("%s is ready without a server", n.name)
			}
			n.say(topic)
			w.bus.Restore(n.engine)
			time.Sleep(1500 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.expectTruth()
		w.expectLedger()
		for _, n := range w.nodes {
			for _, m := range n.broker.Measures() {
				if (m.Name == "reaped_total" || m.Name == "lost_leases_total") && m.Value != 0 {
					t.Errorf("%s: found %v as %s, expected 0", n.name, m.Value, m.Name)
				}
			}
		}
		w.expectReach()
	})
}

// What was published while the server was away comes once, in order, when an answer was lost, too.
func TestOutageMessagesComeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRandomWalk(t, 0)
		defer w.close()
		a, b, topic := w.nodes[0], w.nodes[1], w.topics[0]
		b.follow(topic, true)
		time.Sleep(time.Second)
		w.bus.Cut(a.engine)
		if err := a.broker.Broadcast(t.Context(), pusherhub.Command{UserID: "x"}); err == nil {
			t.Error("a command was accepted without a server")
		}
		for range 1000 {
			a.say(topic)
		}
		w.bus.LoseAnswer(a.engine)
		w.bus.Restore(a.engine)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		if found := b.heard["node0 on "+topic.Channel]; found != 1000 {
			t.Errorf("heard up to %d, expected 1000", found)
		}
		if b.executed["x"] != 0 || a.executed["x"] != 1 {
			t.Errorf("executed %d times elsewhere and %d here, expected 0 and 1", b.executed["x"], a.executed["x"])
		}
	})
}

// A node that is back first keeps what has waited until the others have had the time to come back, too; no longer than it was away itself.
func TestOutageMessagesWaitForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRandomWalk(t, 0)
		defer w.close()
		a, b, topic := w.nodes[0], w.nodes[1], w.topics[0]
		b.follow(topic, true)
		time.Sleep(time.Second)
		heard := func() int {
			synctest.Wait()
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.heard["node0 on "+topic.Channel]
		}
		w.bus.Cut(a.engine, b.engine)
		time.Sleep(30 * time.Second)
		for range 10 {
			a.say(topic)
		}
		w.bus.Restore(a.engine)
		time.Sleep(4 * time.Second)
		w.bus.Restore(b.engine)
		time.Sleep(2 * time.Second)
		if found := heard(); found != 10 {
			t.Errorf("heard up to %d after a long outage, expected 10", found)
		}

		time.Sleep(10 * time.Second)
		w.bus.Cut(a.engine)
		time.Sleep(time.Second)
		a.say(topic)
		w.bus.Restore(a.engine)
		if time.Sleep(900 * time.Millisecond); heard() != 10 {
			t.Error("heard before the others had the time to come back")
		}
		if time.Sleep(200 * time.Millisecond); heard() != 11 {
			t.Error("not heard although the node had been away for a moment only")
		}
	})
}
