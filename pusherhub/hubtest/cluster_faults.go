package hubtest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// scene is a crew whose nodes hold some things together and some alone, and follow all of them.
type scene struct {
	*crew
	nodes  []*witness
	all    truth
	topics []pusherhub.Topic
}

// room is the channel that all nodes of a scene hold. On it everybody has the member "all", and one of their own.
var room = channel("presence-room")

// own is a channel that one node of a scene holds alone.
func own(w *witness) pusherhub.Topic { return channel("own of " + w.name) }

// soul is a user who is on one node of a scene alone.
func soul(w *witness) pusherhub.Topic { return pusherhub.Topic{App: "app", UserID: w.name} }

func (x *crew) scene(n int) *scene {
	x.Helper()
	s := &scene{crew: x, nodes: x.enlist(n), topics: []pusherhub.Topic{room}}
	s.all = newTruth(s.nodes)
	for _, w := range s.nodes {
		s.topics = append(s.topics, own(w), soul(w))
	}
	for i, w := range s.nodes {
		for _, t := range s.topics {
			if t.Channel == "" {
				w.follow(t)
			} else {
				w.subscribe(t)
			}
		}
		s.holds(w, room, i+1)
		s.holds(w, own(w), 1)
		s.holds(w, soul(w), 1)
		s.has(w, someone("all", w.name, int64(i)))
		s.has(w, someone(w.name, "", 0))
		x.settle(w)
	}
	s.expectTruth(s.all, s.topics)
	return s
}

// holds has a node hold so much of a topic.
func (s *scene) holds(w *witness, t pusherhub.Topic, count int) {
	w.hold(t, count)
	if s.all[w].counts[t] = count; count == 0 {
		delete(s.all[w].counts, t)
	}
}

// has has a node have a member on the room.
func (s *scene) has(w *witness, m pusherhub.Member) {
	w.enter(room, m)
	s.all[w].members[member(room, m.UserID)] = m
}

// loses has a node's member leave the room.
func (s *scene) loses(w *witness, id string) {
	w.quit(room, id)
	delete(s.all[w].members, member(room, id))
}

// without is what is true when a node is gone.
func (s *scene) without(w *witness) (gone *holdings) {
	gone = s.all[w]
	delete(s.all, w)
	return gone
}

// once are the reports that say of everything that a scene's nodes hold that it was gained once.
func (s *scene) once() map[holdable]tally {
	want := make(map[holdable]tally)
	for h := range s.all.held() {
		want[h] = tally{gains: 1}
	}
	return want
}

// lost are the reports of a scene that lost once what that node alone held.
func lost(reports map[holdable]tally, w *witness) map[holdable]tally {
	for _, h := range []holdable{topic(own(w)), topic(soul(w)), member(room, w.name)} {
		reports[h] = tally{gains: reports[h].gains, losses: reports[h].losses + 1}
	}
	return reports
}

func checkDeath(x *crew) {
	s := x.scene(3)
	want := s.once()
	last := s.nodes[1]
	for _, w := range []*witness{s.nodes[2], s.nodes[0]} { // one after the other: who lives keeps everything
		last.ending.Store(w != s.nodes[0]) // as if it were about to be closed, while another one can report
		x.Kill(w.RosterBroker)
		s.without(w)
		s.expectTruth(s.all, s.topics)
		x.expectReports(lost(want, w))
	}
	for _, line := range x.ledger.all() {
		switch {
		case line.Gained:
		case line.by == s.nodes[2]:
			x.Errorf("found report %s, which was dead", line)
		case line.by == last && line.Topic == own(s.nodes[2]):
			x.Errorf("found report %s, which ended, expected the other node to reap", line)
		}
	}
	last.say(room, "still here")
	last.expectHeard(room, last, []string{"still here"})
}

func checkHandOver(x *crew) {
	const attempts = 5 // a machine may stand still for a lease, but not each time
	for range attempts {
		s := x.scene(4)
		old, dead, closing, last := s.nodes[0], s.nodes[1], s.nodes[2], s.nodes[3]
		x.Kill(old.RosterBroker)
		s.without(old)
		s.expectTruth(s.all, s.topics) // the others have been there for a lease now: who is new may not be trusted to end others
		from := len(x.ledger.all())
		x.Kill(dead.RosterBroker)
		closing.close()
		s.without(dead)
		s.without(closing)
		s.expectTruth(s.all, s.topics)
		// The lease of who died lasts, so who closed later but hands over is gone first.
		lines := x.ledger.all()[from:]
		lossOf := func(w *witness) int {
			return slices.IndexFunc(lines, func(l ledgerLine) bool { return !l.Gained && l.Topic == own(w) })
		}
		if lossOf(closing) < lossOf(dead) {
			return
		}
		s.all[last].clear(last)
		s.expectTruth(s.all, s.topics)
		last.close()
	}
	x.Errorf("%d times a node that closed kept what it held for longer than one that had died before, expected that it hands over", attempts)
}

func checkPause(x *crew) {
	s := x.scene(3)
	a, b, c := s.nodes[0], s.nodes[1], s.nodes[2]
	want := s.once()
	x.Pause(b.RosterBroker)
	was := s.without(b)
	s.expectTruth(s.all, s.topics)
	x.expectReports(lost(want, b))
	s.loses(a, a.name) // while it does not notice
	s.has(c, someone("new", "", 5))
	x.settle(a, c)
	x.Resume(b.RosterBroker)
	s.all[b] = was
	s.expectTruth(s.all, s.topics)
	for h := range s.all.held() {
		if sum := want[h]; sum.gains == sum.losses {
			want[h] = tally{sum.gains + 1, sum.losses}
		}
	}
	want[member(room, a.name)] = tally{1, 1}
	x.expectReports(want)
	s.talk(1)
}

// talk has each node say something in the room, again and again, until all hear it. The texts are numbers that rise from next on: who
// hears one twice, or in another order, says so.
func (s *scene) talk(next int) {
	s.Helper()
	for _, from := range s.nodes {
		if s.all[from] == nil {
			continue
		}
		n, spoken := next, time.Time{}
		s.eventually("all hear "+from.name+" again", func() bool {
			if time.Since(spoken) > 20*time.Millisecond { // what was said may be lost, as long as nodes find together
				from.say(room, n)
				n, spoken = n+1, time.Now()
			}
			for to := range s.all {
				if list := to.heard(room, from); len(list) == 0 || !isNumber(list[len(list)-1], next) {
					return false
				}
			}
			return true
		})
		for to := range s.all {
			to.expectRising(from)
		}
	}
}

// isNumber reports whether text is a number of least or more.
func isNumber(text string, least int) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= least
}

// expectRising makes sure that what a node heard of another in the room are numbers that rise.
func (w *witness) expectRising(from *witness) {
	w.x.Helper()
	before := -1
	for _, text := range w.heard(room, from) {
		if !isNumber(text, before+1) {
			w.x.Fatalf("%s heard %q from %s after %d, expected a higher number", w.name, text, from.name, before)
		}
		before, _ = strconv.Atoi(text)
	}
}

func checkMoment(x *crew) {
	s := x.scene(2)
	a, b := s.nodes[0], s.nodes[1]
	x.Pause(b.RosterBroker)
	a.say(room, 0)
	s.loses(a, a.name)
	s.holds(a, room, 7)
	x.Resume(b.RosterBroker)
	s.expectTruth(s.all, s.topics)
	s.talk(1)
}

func checkCut(x *crew) {
	s := x.scene(3)
	a, b, c := s.nodes[0], s.nodes[1], s.nodes[2]
	x.Cut()
	const n = 50
	for i := range n {
		for _, w := range s.nodes {
			w.say(room, i)
		}
	}
	for _, w := range s.nodes {
		w.expectHeard(room, w, numbers(n))
	}
	for _, w := range s.nodes {
		w.expectReady(false)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	command := pusherhub.Command{Name: pusherhub.CommandTerminate, App: "app", UserID: "cut off"}
	x.within("Broadcast", func() {
		if err := a.Broadcast(ctx, command); errors.Is(err, pusherhub.ErrBrokerClosed) {
			x.Errorf("broadcasting without the server: found %v", err)
		}
	})
	if found := a.commands(); !slices.Equal(found, []pusherhub.Command{command}) {
		x.Errorf("without the server %s executed %+v of its own, expected %+v once", a.name, found, command)
	}
	late := channel("late")
	a.subscribe(late)
	s.loses(a, a.name)
	s.loses(b, "all")
	s.holds(b, room, 9)
	s.has(c, someone("new", "n", 5))
	s.holds(c, late, 1)
	x.Restore()
	s.expectTruth(s.all, append(s.topics, late))
	s.talk(n)
	for _, w := range s.nodes {
		if found := w.commands(); len(found) > 1 {
			x.Errorf("%s executed %d commands, expected one at most", w.name, len(found))
		}
		w.expectReady(true)
	}
}

func checkAway(x *crew) {
	s := x.scene(2)
	x.Cut()
	late := x.newWitness()
	late.subscribe(s.topics[0])
	late.say(room, 0)
	late.expectHeard(room, late, numbers(1))
	s.all[late] = newTruth([]*witness{late})[late]
	s.holds(late, room, 4)
	s.has(late, someone(late.name, "", 9))
	s.nodes[1].close() // does not wait for the server
	s.without(s.nodes[1])
	s.nodes = []*witness{s.nodes[0], late}
	x.Restore()
	s.expectTruth(s.all, s.topics)
	s.talk(1)
}

func checkForget(x *crew) {
	s := x.scene(3)
	want := s.once()
	for range 2 {
		x.Forget()
		s.expectTruth(s.all, s.topics)
		x.expectReports(want)
	}
	s.talk(0)
}

func checkForgetChanges(x *crew) {
	s := x.scene(3)
	a, b, c := s.nodes[0], s.nodes[1], s.nodes[2]
	want := s.once()
	fresh := channel("fresh")
	x.Cut()
	s.holds(a, own(a), 0)
	s.loses(a, a.name)
	s.loses(b, "all") // others have it
	s.has(c, someone("new", "", 5))
	s.holds(c, fresh, 2)
	x.Forget()
	x.Restore()
	s.expectTruth(s.all, append(s.topics, fresh))
	want[topic(own(a))] = tally{1, 1}
	want[member(room, a.name)] = tally{1, 1}
	want[member(room, "new")] = tally{1, 0}
	want[topic(fresh)] = tally{1, 0}
	x.expectReports(want)
}
