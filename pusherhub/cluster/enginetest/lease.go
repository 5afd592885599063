package enginetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

func testLease(t *testing.T, h Harness) {
	a, b := newNode(t, h, "a"), newNode(t, h, "b")
	first := a.enter(long)
	if first.Epoch == "" || first.Age < 0 || first.Nodes != 1 || first.Holdings > 0 {
		t.Errorf("found the pulse %+v, expected that of the one node", first)
	}
	second := b.enter(long)
	if second.Epoch != first.Epoch || second.Nodes != 2 {
		t.Errorf("found the pulse %+v, expected the epoch %s and 2 nodes", second, first.Epoch)
	}
	a.await("that the epoch grows older", func() bool { return a.beat(long).Age > second.Age })

	a.apply(hold(channel("x"), 3, "u", "v"), hold(pusherhub.Topic{App: "app"}, 1))
	b.apply(hold(channel("x"), 3, "u"))
	a.enter(long) // again takes nothing away
	for n, expected := range map[*node]int{a: 4, b: 2} {
		if p := n.beat(long); !p.Known || p.Nodes != 2 || p.Epoch != first.Epoch || p.Holdings != expected && p.Holdings != -1 {
			t.Errorf("node %s: found the pulse %+v, expected %d holdings, 2 nodes, and the epoch %s", n.id, p, expected, first.Epoch)
		}
	}
	a.apply(hold(channel("x"), 1, "-u"))
	b.apply(hold(channel("x"), 0, "-u"))
	for n, expected := range map[*node]int{a: 3, b: 0} {
		if p := n.beat(long); p.Holdings != expected && p.Holdings != -1 {
			t.Errorf("node %s: found %d holdings after giving one up, expected %d", n.id, p.Holdings, expected)
		}
	}

	// A lease that has ended: the node is known until it is reaped, and a beat brings the lease back.
	b.beat(time.Millisecond)
	awaitTime(b, time.Millisecond)
	b.apply(hold(channel("y"), 1))
	if p := b.beat(long); !p.Known {
		t.Error("found that a node that nobody has reaped is not known")
	}
	expectMade(t, "reaping with leases that last", a.reap())

	const lease = 5 * short
	b.beat(lease)
	for range 5 { // the beats make it last
		awaitTime(b, short)
		if p := b.beat(lease); !p.Known {
			t.Error("found that a node with beats is not known")
		}
		expectMade(t, "reaping with leases that last", a.reap())
	}
	var made []pusherhub.Transition
	a.await("that the lease ends", func() bool { made = append(made, a.reap()...); return len(made) > 0 })
	expectMade(t, "after the lease", made, lost(channel("y"), ""))
	for range 2 {
		if p := b.beat(long); p.Known || p.Nodes != 1 || p.Epoch != first.Epoch {
			t.Errorf("found the pulse %+v of a node that was reaped, expected that it is not known, and one node", p)
		}
	}
	if p := a.beat(long); p.Nodes != 1 || !p.Known {
		t.Errorf("found the pulse %+v, expected one node", p)
	}
}

// awaitTime waits until the time has passed, a little more by the server's clock.
func awaitTime(n *node, d time.Duration) {
	begin := time.Now()
	n.await("time", func() bool { return time.Since(begin) > d+2*time.Millisecond })
}

func testReap(t *testing.T, h Harness) {
	nodes := newNodes(t, h, "dead", "b", "c")
	dead, b, c := nodes[0], nodes[1], nodes[2]
	x, y, user := channel("presence-x"), channel("y"), pusherhub.Topic{App: "app", UserID: "u"}
	dead.apply(hold(x, 2, "u", "v"), hold(y, 1), hold(user, 1))
	b.apply(hold(x, 1, "u"))
	c.subscribe(x, y, user)
	before := c.versions(x, y, user)
	dead.resign()
	expectMadeAnyhow(t, "reaping", b.reap(), lost(x, "v"), lost(y, ""), lost(user, ""))
	expectMade(t, "reaping again", c.reap())
	gone := make(map[pusherhub.Topic]entries)
	for _, topic := range []pusherhub.Topic{x, y, user} {
		gone[topic] = make(entries)
	}
	c.await("the changes", func() bool {
		for _, change := range c.changesAfter(before) {
			gone[change.Topic].add(change.Gone)
			if len(change.Entries) > 0 {
				t.Errorf("found %+v, expected entries that are gone only", change)
			}
		}
		return len(gone[x]) >= 3 && len(gone[y]) >= 1 && len(gone[user]) >= 1
	})
	for topic, users := range map[pusherhub.Topic][]string{x: {"", "u", "v"}, y: {""}, user: {""}} {
		for _, u := range users {
			if _, found := gone[topic][entryKey{"dead", u}]; !found || len(gone[topic]) != len(users) {
				t.Errorf("found that %v of %q is gone, expected %q", gone[topic], topic, users)
			}
		}
	}
	states := c.read(x, y, user)
	expectHeld(t, "after the death", states[0], entryKey{"b", ""}, entryKey{"b", "u"})
	expectHeld(t, "after the death", states[1])
	expectHeld(t, "after the death", states[2])
	if _, known := dead.applyBatch(9, []cluster.Update{hold(y, 1)}); known {
		t.Error("found that a node that was reaped is known")
	}
	expectHeld(t, "after an Apply of the dead", c.read(y)[0])
	expectMade(t, "holding what was lost", b.apply(hold(y, 1)), gained(y, ""))
}

func testReapOnce(t *testing.T, h Harness) {
	const channels, members = 1200, 30
	var reapers []*node
	for i := range 3 {
		reapers = append(reapers, newNodes(t, h, fmt.Sprint("reaper ", i))...)
	}
	var expected []pusherhub.Transition
	for _, dead := range newNodes(t, h, "dead 1", "dead 2") {
		var updates []cluster.Update
		for i := range channels {
			topic := channel(fmt.Sprint(dead.id, " ", i))
			u := hold(topic, 1)
			if i%100 == 0 {
				for j := range members {
					user := fmt.Sprint(j)
					u.Members = append(u.Members, join(topic, user).Members...)
					expected = append(expected, lost(topic, user))
				}
			}
			expected = append(expected, lost(topic, ""))
			if updates = append(updates, u); len(updates) == 300 {
				dead.apply(updates...)
				updates = nil
			}
		}
		dead.apply(updates...)
		dead.resign()
	}
	var mu sync.Mutex
	var made []pusherhub.Transition
	var reaping sync.WaitGroup
	for _, n := range reapers {
		reaping.Go(func() {
			own := n.reap()
			mu.Lock()
			defer mu.Unlock()
			made = append(made, own...)
		})
	}
	reaping.Wait()
	found := sortedTransitions(made)
	if expected = sortedTransitions(expected); len(found) != len(expected) {
		t.Errorf("found %d transitions, expected %d", len(found), len(expected))
	} else {
		expectMade(t, "reaping by many", found, expected...)
	}
	if left := reapers[0].channels("app", ""); len(left) != 0 {
		t.Errorf("found %d channels, expected none", len(left))
	}
}

func testUnknown(t *testing.T, h Harness) {
	n := newNode(t, h, "never entered")
	if p := n.beat(long); p.Known || p.Epoch == "" {
		t.Errorf("found the pulse %+v, expected that the node is not known, and an epoch", p)
	}
	made, known := n.applyBatch(1, []cluster.Update{hold(channel("x"), 1, "u")})
	if known {
		t.Error("found that the node is known in Apply")
	}
	expectMade(t, "applying without a lease", made)
	expectHeld(t, "without a lease", n.read(channel("x"))[0])
	n.resign()
	expectMade(t, "reaping without leases", n.reap())
	if p := n.beat(long); p.Known {
		t.Errorf("found the pulse %+v, expected that a beat makes no node known", p)
	}
	n.enter(long)
	expectMade(t, "applying with a lease", n.apply(hold(channel("x"), 1, "u")), gained(channel("x"), ""), gained(channel("x"), "u"))
}
