package enginetest

import (
	"fmt"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

func testTransitions(t *testing.T, h Harness) {
	nodes := newNodes(t, h, "a", "b")
	a, b := nodes[0], nodes[1]
	x, y, user, app := channel("presence-x"), channel("y"), pusherhub.Topic{App: "app", UserID: "u"}, pusherhub.Topic{App: "app"}

	expectMade(t, "nothing", a.apply())
	expectMade(t, "a topic with members", a.apply(hold(x, 2, "v", "u")), gained(x, ""), gained(x, "v"), gained(x, "u"))
	expectMade(t, "the same again", a.apply(hold(x, 2, "u", "v")))
	expectMade(t, "another count", a.apply(hold(x, 1)))
	expectMade(t, "on another node", b.apply(hold(x, 7, "u", "w")), gained(x, "w"))
	expectMade(t, "several topics", b.apply(hold(user, 1), hold(y, 1), hold(app, 3)), gained(user, ""), gained(y, ""), gained(app, ""))
	expectMade(t, "names of other topics", a.apply(hold(pusherhub.Topic{App: "app", UserID: "y"}, 1)), gained(pusherhub.Topic{App: "app", UserID: "y"}, ""))
	expectMade(t, "what the node does not have", a.apply(hold(y, 0), join(x, "-w", "-nobody"), hold(channel("never"), 0, "-u")))
	expectMade(t, "a member of two nodes", a.apply(join(x, "-u")))
	expectMade(t, "the last member, and the count of another", a.apply(hold(x, 0, "-v")), lost(x, "v"))
	expectMade(t, "a loss and a gain", a.apply(hold(x, 0, "u"), hold(y, 1)))
	expectMade(t, "mixed", b.apply(hold(y, 0), hold(x, 0, "-w", "z", "-u"), hold(user, 0)),
		lost(x, "w"), gained(x, "z"), lost(x, ""), lost(user, ""))
	expectMade(t, "gained again", b.apply(hold(x, 1, "w"), hold(user, 1)), gained(x, ""), gained(x, "w"), gained(user, ""))
	states := a.read(x, y, user, app, channel("never"))
	expectHeld(t, "x", states[0], entryKey{"a", "u"}, entryKey{"b", "z"}, entryKey{"b", ""}, entryKey{"b", "w"})
	expectHeld(t, "y", states[1], entryKey{"a", ""})
	expectHeld(t, "user", states[2], entryKey{"b", ""})
	expectHeld(t, "app", states[3], entryKey{"b", ""})
	expectHeld(t, "never", states[4])
}

func testBatch(t *testing.T, h Harness) {
	nodes := newNodes(t, h, "a", "b", "c")
	a, b, c := nodes[0], nodes[1], nodes[2]
	x := channel("presence-x")
	c.subscribe(x)
	again := func(what string, updates []cluster.Update, expected ...pusherhub.Transition) {
		t.Helper()
		for range 3 {
			made, known := a.applyBatch(a.batch, updates)
			if !known {
				t.Errorf("%s again: found that the node is not known", what)
			}
			expectMade(t, what+" again", made, expected...)
		}
	}
	first := []cluster.Update{hold(x, 1, "u")}
	a.batch = 41 // numbers need not be consecutive
	expectMade(t, "a batch", a.apply(first...), gained(x, ""), gained(x, "u"))
	again("a batch", first, gained(x, ""), gained(x, "u"))
	a.batch = 1 << 40
	second := []cluster.Update{hold(x, 0, "-u")}
	expectMade(t, "a batch", a.apply(second...), lost(x, "u"), lost(x, ""))
	expectMade(t, "the same number of another node", b.apply(hold(x, 1, "u")), gained(x, ""), gained(x, "u"))
	again("a batch", second, lost(x, "u"), lost(x, ""))
	expectHeld(t, "of the other node", c.read(x)[0], entryKey{"b", ""}, entryKey{"b", "u"})

	// A beat, and what is reaped meanwhile, change nothing about it.
	third := []cluster.Update{hold(x, 5)}
	expectMade(t, "a batch", a.apply(third...))
	a.beat(long)
	b.resign()
	expectMade(t, "reaping", c.reap(), lost(x, "u"))
	again("a batch", third)
	expectMade(t, "an empty batch", a.apply())
	again("an empty batch", nil)
	expectHeld(t, "at the end", c.read(x)[0], entryKey{"a", ""})
	if _, known := a.applyBatch(41, first); !known { // an attempt that was held up on its way
		t.Error("found that the node is not known in Apply of an old batch")
	}
	expectHeld(t, "after an old batch", c.read(x)[0], entryKey{"a", ""})
	version := c.read(x)[0].Version
	expectMade(t, "the last batch", a.apply(hold(x, 6)))
	c.await("the last change", func() bool {
		all := c.changesSoFar()
		return len(all) > 0 && all[len(all)-1].Version > version
	})
	if all := c.changesSoFar(); len(all) > 6 {
		t.Errorf("found the changes %+v, expected one for each batch that changed something", all)
	}
}

func testRestored(t *testing.T, h Harness) {
	nodes := newNodes(t, h, "a", "b")
	a, b := nodes[0], nodes[1]
	for i, x := range []pusherhub.Topic{channel("presence-x"), {App: "app", UserID: "u"}} {
		u := "u" // members may be on presence channels only
		if i == 1 {
			u = ""
		}
		members := func(list ...string) []string {
			if u == "" {
				return nil
			}
			return list
		}
		both := func(list ...pusherhub.Transition) []pusherhub.Transition {
			if u == "" {
				list = list[:1]
			}
			return list
		}
		what := func(s string) string { return fmt.Sprintf("%s of %q", s, x) }
		in, out := hold(x, 1, members(u)...), hold(x, 0, members("-"+u)...)
		lostBoth := both(lost(x, ""), lost(x, u))
		if u != "" {
			lostBoth = []pusherhub.Transition{lost(x, u), lost(x, "")}
		}

		expectMade(t, what("a gain that is restored"), a.apply(restored(in)))
		expectMade(t, what("another one"), b.apply(restored(in)))
		expectMade(t, what("a loss while another has it"), a.apply(out))
		expectMade(t, what("a loss that is restored while another has it"), a.apply(restored(out)))
		expectMade(t, what("the last loss"), b.apply(out), lostBoth...)
		expectMade(t, what("a loss that is restored, which was one already"), a.apply(restored(out)))
		expectMade(t, what("a gain that is restored, after the loss"), a.apply(restored(in)), both(gained(x, ""), gained(x, u))...)
		expectMade(t, what("a loss that is restored, of what the register knows"), a.apply(restored(out)), lostBoth...)
		expectMade(t, what("an ordinary gain"), a.apply(in), both(gained(x, ""), gained(x, u))...)
		expectMade(t, what("a gain that is restored, of what another has"), b.apply(restored(in)))
		expectMade(t, what("the loss of both"), append(a.apply(out), b.apply(restored(out))...), lostBoth...)
	}
	y := channel("presence-y")
	expectMade(t, "a loss that the register knows nothing of", a.apply(hold(y, 0, "-u")))
	expectMade(t, "a loss that is restored, of what the register does not know", a.apply(restored(hold(y, 0, "-u"))), lost(y, "u"), lost(y, ""))
	expectMade(t, "the same of another node", b.apply(restored(hold(y, 0, "-u"))))
	expectMade(t, "a gain after it", a.apply(hold(y, 1, "u")), gained(y, ""), gained(y, "u"))

	// The topic and its members are restored each for itself.
	z := channel("presence-z")
	mixed := hold(z, 1, "u", "v")
	mixed.Restored, mixed.Members[0].Restored = true, true
	expectMade(t, "a fresh member of a topic that is restored", a.apply(mixed), gained(z, "v"))
	a.resign()
	expectMadeAnyhow(t, "reaping what was restored", b.reap(), lost(z, "u"), lost(z, "v"), lost(z, ""), lost(y, ""), lost(y, "u"))
	expectMade(t, "a loss that is restored, after reaping", b.apply(restored(hold(z, 0, "-u"))))
}
