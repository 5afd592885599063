package natsbroker

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// three returns three members: one that leads, one that stands by, and another one.
func three(t *testing.T) (leader, standby, other *member) {
	t.Helper()
	s := startServer(t, nil)
	target := strings.TrimPrefix(s.url(), "nats://")
	var members []*member
	for _, name := range []string{"a", "b", "c"} {
		m := newMember(t, s.broker("three"), hubtest.NewProxy(t, target), name)
		m.enter()
		members = append(members, m)
	}
	leader, standby, other = members[0], members[1], members[2]
	for _, m := range members {
		hubtest.Eventually(t, m.node+" knows who leads and who stands by", func() bool {
			c := m.claim()
			return c.Leader == leader.id() && c.Standby == standby.id()
		})
	}
	return leader, standby, other
}

// TestLeaderGone kills the leader while others apply: what was answered lasts, and what the leader's node held is lost, once.
func TestLeaderGone(t *testing.T) {
	leader, standby, other := three(t)
	epoch := other.beat().Epoch
	leader.hold("exclusive", 1)
	leader.hold("shared", 1)
	standby.hold("shared", 2)
	other.subscribe("exclusive")
	other.subscribe("work")
	const enough = 400
	for i := 1; i <= enough; i++ {
		if i == enough/2 {
			leader.link.Cut()
		}
		if _, known := standby.hold("work", i); !known {
			t.Fatalf("found that the node is not known after %d updates", i)
		}
		if i%20 == 0 {
			if held := other.holders("work")["b"]; held != i {
				t.Fatalf("found %d in the register, expected %d, which was answered", held, i)
			}
		}
	}
	var made []pusherhub.Transition
	hubtest.Eventually(t, "the leader's node is reaped", func() bool {
		standby.beat()
		other.beat()
		made = append(made, standby.reap()...)
		made = append(made, other.reap()...)
		return len(made) > 0
	})
	made = append(made, other.reap()...)
	if expected := []pusherhub.Transition{{Topic: channel("exclusive")}}; !slices.Equal(made, expected) {
		t.Errorf("found the transitions %+v, expected %+v", made, expected)
	}
	hubtest.Eventually(t, "the changes come", func() bool { return other.seen("exclusive", "a") == 0 && other.seen("work", "b") == enough })
	if p := other.beat(); p.Epoch != epoch || p.Nodes != 2 || !p.Known {
		t.Errorf("found the pulse %+v, expected 2 nodes and the epoch %s", p, epoch)
	}
	if other.ups != 1 {
		t.Errorf("found %d connections of a node that was not cut, expected 1", other.ups)
	}
}

// TestReapAnswerLost expects that what a node has reaped is told to it although it did not get the answer.
func TestReapAnswerLost(t *testing.T) {
	_, standby, other := three(t)
	standby.hold("x", 1)
	standby.eventually("resigns", func(ctx context.Context) error { return standby.engine.Resign(ctx, standby.node) })
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if made, _, err := other.engine.Reap(impatient); err == nil {
		t.Fatalf("found the answer %v, expected none", made)
	}
	hubtest.Eventually(t, "it is reaped", func() bool { return len(standby.holders("x")) == 0 })
	if made, expected := other.reap(), []pusherhub.Transition{{Topic: channel("x")}}; !slices.Equal(made, expected) {
		t.Errorf("found the transitions %+v, expected %+v", made, expected)
	}
	if made := other.reap(); made != nil {
		t.Errorf("found the transitions %+v again", made)
	}
}

// TestCopyWhileApplying has a newcomer get a copy of a large register while that changes, and take over.
func TestCopyWhileApplying(t *testing.T) {
	s := startServer(t, nil)
	leader := newMember(t, s.broker("copy"), hubtest.NewProxy(t, strings.TrimPrefix(s.url(), "nats://")), "a")
	epoch := leader.enter().Epoch
	const many = 20_000
	fill(leader, many)
	newcomer := newMember(t, s.broker("copy"), nil, "b")
	work := 0
	for ; newcomer.claim().Standby != newcomer.id(); work++ {
		leader.hold("work", work+1)
	}
	leader.link.Cut()
	if p := newcomer.enter(); p.Epoch != epoch {
		t.Errorf("found the epoch %s, expected %s", p.Epoch, epoch)
	}
	if held := newcomer.holders("work")["a"]; held != work {
		t.Errorf("found %d in the copy, expected %d", held, work)
	}
	newcomer.eventually("has all", func(ctx context.Context) error {
		found, err := newcomer.engine.Channels(ctx, "app", "x")
		if err == nil && len(found) != many {
			t.Errorf("found %d channels in the copy, expected %d", len(found), many)
		}
		return err
	})
}

// TestStandbyGone expects that nothing is answered that the standby does not have, or that all have been told that it stands by no more.
func TestStandbyGone(t *testing.T) {
	_, standby, other := three(t)
	standby.link.Cut()
	other.hold("x", 1)
	if c := other.claim(); c.Standby == standby.id() {
		t.Error("found an answer that the standby does not know")
	}
}

// TestLeaderLeaves closes one leader after the other.
func TestLeaderLeaves(t *testing.T) {
	leader, standby, other := three(t)
	epoch := other.beat().Epoch
	other.hold("x", 1)
	leader.close()
	hubtest.Eventually(t, "the next leader has another standby", func() bool {
		c := other.claim()
		return c.Leader == standby.id() && c.Standby == other.id()
	})
	standby.close()
	if held := other.holders("x"); held["c"] != 1 {
		t.Errorf("found %v, expected what the node holds", held)
	}
	if p := other.beat(); p.Epoch != epoch || !p.Known {
		t.Errorf("found the pulse %+v, expected the epoch %s", p, epoch)
	}
}

// TestLeaderLeavesNewcomer closes the leader as soon as there is another member, and expects that this one has the register.
func TestLeaderLeavesNewcomer(t *testing.T) {
	s := startServer(t, nil)
	leader := newMember(t, s.broker("newcomer"), nil, "a")
	leader.enter()
	leader.hold("x", 1)
	epoch := leader.beat().Epoch
	newcomer := newMember(t, s.broker("newcomer"), nil, "b")
	hubtest.Eventually(t, "the newcomer knows who leads", func() bool { return newcomer.claim().Leader == leader.id() })
	leader.close()
	if p := newcomer.enter(); p.Epoch != epoch {
		t.Errorf("found the epoch %s, expected %s", p.Epoch, epoch)
	}
	if held := newcomer.holders("x"); held["a"] != 1 {
		t.Errorf("found %v, expected what the node holds that has not been reaped", held)
	}
}

// TestStandbyAndLeaderLeave closes the standby and the leader at once, and expects that the third one has the register.
func TestStandbyAndLeaderLeave(t *testing.T) {
	leader, standby, other := three(t)
	epoch := other.beat().Epoch
	other.hold("x", 1)
	standby.close()
	leader.close()
	if p := other.beat(); p.Epoch != epoch || !p.Known {
		t.Errorf("found the pulse %+v, expected the epoch %s", p, epoch)
	}
}

// TestOneGoneWhileTheOtherLeaves has one of leader and standby die, and closes the other one before anybody has noticed: the third one has the register.
func TestOneGoneWhileTheOtherLeaves(t *testing.T) {
	for name, choose := range map[string]func(leader, standby *member) (dies, leaves *member){
		"the leader dies":  func(leader, standby *member) (dies, leaves *member) { return leader, standby },
		"the standby dies": func(leader, standby *member) (dies, leaves *member) { return standby, leader },
	} {
		t.Run(name, func(t *testing.T) {
			leader, standby, other := three(t)
			epoch := other.beat().Epoch
			other.hold("x", 1)
			dies, leaves := choose(leader, standby)
			dies.link.Cut()
			leaves.close()
			if p := other.beat(); p.Epoch != epoch || !p.Known {
				t.Errorf("found the pulse %+v, expected the epoch %s", p, epoch)
			}
			if held := other.holders("x"); held["c"] != 1 {
				t.Errorf("found %v, expected what the node holds", held)
			}
		})
	}
}

// TestLeaderAndStandbyGone expects a new memory when nobody has the old one.
func TestLeaderAndStandbyGone(t *testing.T) {
	leader, standby, other := three(t)
	epoch := other.beat().Epoch
	other.hold("x", 1)
	standby.link.Cut()
	leader.link.Cut()
	var p cluster.Pulse
	hubtest.Eventually(t, "a new memory begins", func() bool { p = other.beat(); return p.Epoch != epoch })
	if p.Known {
		t.Error("found that a new memory knows a node")
	}
	if _, known := other.hold("x", 1); known {
		t.Error("found that a node that is not known may apply something")
	}
	other.beatAgain()
	other.hold("x", 1)
	// Those who come back find the older memory with the one who led; all follow it.
	leader.link.Restore()
	standby.link.Restore()
	hubtest.Eventually(t, "all follow one leader", func() bool {
		c := other.claim()
		return c.Leader != "" && c == leader.claim() && c == standby.claim() && c.Epoch == epoch
	})
}

// TestLeaderAway cuts the leader off and lets it come back: it follows who took its place, and nothing is lost.
func TestLeaderAway(t *testing.T) {
	leader, standby, other := three(t)
	epoch := leader.beat().Epoch
	leader.hold("x", 1)
	leader.link.Cut()
	hubtest.Eventually(t, "the standby takes over", func() bool { return other.claim().Leader == standby.id() })
	other.hold("x", 2)
	leader.link.Restore()
	hubtest.Eventually(t, "the old leader follows the new one", func() bool { return leader.claim().Leader == standby.id() })
	leader.beatAgain()
	if held := leader.holders("x")["c"]; held != 2 {
		t.Errorf("found %d, expected 2 of the time when the leader was away", held)
	}
	if p := leader.beat(); p.Epoch != epoch {
		t.Errorf("found the epoch %s, expected %s", p.Epoch, epoch)
	}
}

// TestServerAway stops the server for longer than leases last. The register comes back with what it had, and nobody is reaped.
func TestServerAway(t *testing.T) {
	s := startServer(t, nil)
	var members []*member
	for _, name := range []string{"a", "b", "c"} {
		m := newMember(t, s.broker("away"), nil, name)
		m.enter()
		m.hold("x", 1)
		members = append(members, m)
	}
	epoch := members[0].beat().Epoch
	for _, m := range members { // leases that end while the server is away
		m.eventually("beats", func(ctx context.Context) error { _, err := m.engine.Beat(ctx, m.node, 1); return err })
	}
	s.stop()
	for _, m := range members {
		hubtest.Eventually(t, m.node+" notices", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return !m.up })
	}
	s.start()
	if made := members[1].reap(); len(made) > 0 {
		t.Errorf("found %+v reaped, although nobody could say that it lives", made)
	}
	for _, m := range members {
		if p := m.beat(); p.Epoch != epoch || !p.Known {
			t.Errorf("node %s: found the pulse %+v, expected the epoch %s", m.node, p, epoch)
		}
	}
	if held := members[2].holders("x"); len(held) != 3 {
		t.Errorf("found %v, expected what three nodes hold", held)
	}
}

// TestOrderOfClaims checks that of two claims exactly one is better.
func TestOrderOfClaims(t *testing.T) {
	var claims []claim
	for _, epoch := range []string{"e", "f"} {
		for term := range uint64(3) {
			for _, leader := range []string{"l", "m"} {
				claims = append(claims, claim{Epoch: epoch, Born: 7, Term: term, Leader: leader})
			}
		}
	}
	for _, c := range claims {
		for _, d := range claims {
			if c != d && c.better(d) == d.better(c) {
				t.Errorf("found no better one of %+v and %+v", c, d)
			}
		}
	}
	if later := (claim{Epoch: "e", Term: 2}); !later.better(claim{Epoch: "e", Term: 1}) {
		t.Error("found that an earlier term is better")
	}
	if older := (claim{Epoch: "f", Born: 1}); !older.better(claim{Epoch: "e", Born: 2, Term: 9}) {
		t.Error("found that a younger memory is better")
	}
}
