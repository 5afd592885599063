package cluster

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

var roomTopic = pusherhub.Topic{App: "a", Channel: "presence-room"}

func memberOf(id string) pusherhub.Member { return pusherhub.Member{UserID: id, Since: 1} }

// describe writes a batch's updates down: + and - for what is held and given up, ! for what is restored.
func describe(b *batch) (list []string) {
	if b == nil {
		return nil
	}
	mark := func(restored bool) string {
		if restored {
			return "!"
		}
		return ""
	}
	for _, u := range b.updates {
		if u.Counted {
			list = append(list, fmt.Sprintf("%s%s=%d", u.Topic.Channel, mark(u.Restored), u.Count))
		}
		for _, m := range u.Members {
			sign := "+"
			if m.Gone {
				sign = "-"
			}
			list = append(list, sign+m.UserID+mark(m.Restored))
		}
	}
	slices.Sort(list)
	return list
}

// expectTaken takes what there is and notes it as entered.
func expectTaken(t *testing.T, o *holdings, p phase, want ...string) {
	t.Helper()
	var found []string
	for b := o.take(o.now(), p); b != nil; b = o.take(o.now(), p) {
		found = append(found, describe(b)...)
		o.entered(b)
	}
	slices.Sort(found)
	if !slices.Equal(found, want) {
		t.Errorf("took %v, expected %v", found, want)
	}
}

func TestHoldingsCoalesce(t *testing.T) {
	o := newHoldings()
	for i := range 100 {
		churn := pusherhub.Topic{App: "a", Channel: fmt.Sprint(i)}
		o.hold(churn, 3)
		o.join(churn, memberOf("u"))
		o.leave(churn, "u")
		o.hold(churn, 0)
	}
	if len(o.topics) != 0 || o.pending() != 0 {
		t.Errorf("found %d topics, %d of them to be entered, after all were given up", len(o.topics), o.pending())
	}
	o.hold(roomTopic, 1)
	o.hold(roomTopic, 2)
	o.join(roomTopic, memberOf("u"))
	o.join(roomTopic, pusherhub.Member{UserID: "u", Since: 2})
	expectTaken(t, o, phaseClaim, "+u", "presence-room=2")
	o.join(roomTopic, pusherhub.Member{UserID: "u", Since: 2})
	expectTaken(t, o, phaseClaim) // nothing new
	o.leave(roomTopic, "u")
	o.hold(roomTopic, 0)
	expectTaken(t, o, phaseClaim, "-u", "presence-room=0")
	if len(o.topics) != 0 || o.entries != 0 {
		t.Errorf("found %d topics and %d entries, expected none", len(o.topics), o.entries)
	}
}

// A register that answers hears of what came and went between two rounds: first that it came.
func TestHoldingsVisits(t *testing.T) {
	visit := func(o *holdings) {
		o.hold(roomTopic, 2)
		o.join(roomTopic, pusherhub.Member{UserID: "u", Info: []byte("1"), Since: 1})
		o.leave(roomTopic, "u")
		o.hold(roomTopic, 0)
	}
	expectRound := func(t *testing.T, o *holdings, want ...string) *batch {
		t.Helper()
		b := o.take(o.now(), phaseClaim)
		if found := describe(b); !slices.Equal(found, want) {
			t.Fatalf("took %v, expected %v", found, want)
		}
		return b
	}
	start := func() *holdings {
		o := newHoldings()
		o.endRound(true, true)
		return o
	}
	expectNothing := func(t *testing.T, o *holdings) {
		t.Helper()
		expectTaken(t, o, phaseClaim)
		if len(o.topics) != 0 || o.entries != 0 || o.pending() != 0 {
			t.Errorf("found %d topics, %d entries and %d changes, expected none", len(o.topics), o.entries, o.pending())
		}
	}
	expectVisit := func(t *testing.T, o *holdings) {
		t.Helper()
		b := expectRound(t, o, "+u", "presence-room=2")
		if info := string(b.updates[0].Members[0].Info); info != "1" {
			t.Errorf("found the data %q, expected 1", info)
		}
		o.entered(b)
		o.entered(expectRound(t, o, "-u", "presence-room=0"))
		expectNothing(t, o)
	}
	t.Run("it comes, then it goes", func(t *testing.T) {
		o := start()
		visit(o)
		expectVisit(t, o)
	})
	t.Run("who comes back has not gone", func(t *testing.T) {
		o := start()
		visit(o)
		o.hold(roomTopic, 1)
		o.join(roomTopic, memberOf("u"))
		o.entered(expectRound(t, o, "+u", "presence-room=1"))
		expectTaken(t, o, phaseClaim)
	})
	t.Run("who comes back while the visit is under way has not gone", func(t *testing.T) {
		o := start()
		visit(o)
		b := expectRound(t, o, "+u", "presence-room=2")
		o.hold(roomTopic, 2)
		o.join(roomTopic, memberOf("u"))
		o.entered(b)
		o.entered(expectRound(t, o, "+u")) // with other data
		expectTaken(t, o, phaseClaim)
	})
	t.Run("while the end of what was held before is under way", func(t *testing.T) {
		o := start()
		o.hold(roomTopic, 1)
		o.join(roomTopic, memberOf("u"))
		o.entered(expectRound(t, o, "+u", "presence-room=1"))
		o.leave(roomTopic, "u")
		o.hold(roomTopic, 0)
		b := expectRound(t, o, "-u", "presence-room=0")
		visit(o)
		o.entered(b)
		o.entered(expectRound(t, o, "+u", "presence-room=2"))
		o.entered(expectRound(t, o, "-u", "presence-room=0"))
		expectNothing(t, o)
	})
	t.Run("the lease is lost before the register heard of it", func(t *testing.T) {
		o := start()
		visit(o)
		o.enterAgain("next", false)
		expectNothing(t, o)
	})
	t.Run("the memory is lost before the register heard of it", func(t *testing.T) {
		for name, underWay := range map[string]bool{"it waits": false, "it is under way": true} {
			t.Run(name, func(t *testing.T) {
				o := start()
				visit(o)
				if underWay {
					expectRound(t, o, "+u", "presence-room=2")
				}
				o.enterAgain("next", true)
				if o.unheard != 2 {
					t.Errorf("found %d visits that wait, expected 2", o.unheard)
				}
				expectTaken(t, o, phaseRestore)
				expectTaken(t, o, phaseRelease)
				expectVisit(t, o)
			})
		}
	})
	t.Run("the memory is lost, and it had been there before", func(t *testing.T) {
		o := start()
		o.hold(roomTopic, 1)
		o.join(roomTopic, memberOf("u"))
		o.entered(expectRound(t, o, "+u", "presence-room=1"))
		o.leave(roomTopic, "u")
		o.hold(roomTopic, 0)
		expectRound(t, o, "-u", "presence-room=0")
		visit(o)
		o.enterAgain("next", true)
		expectTaken(t, o, phaseRestore)
		expectTaken(t, o, phaseRelease, "-u!", "presence-room!=0")
		expectNothing(t, o)
	})
	t.Run("many of them at a slow register", func(t *testing.T) {
		o := start()
		for i := range 10 * mostVisits {
			topic := pusherhub.Topic{App: "a", Channel: fmt.Sprint(i)}
			o.hold(topic, 1)
			o.hold(topic, 0)
			o.join(roomTopic, memberOf(fmt.Sprint(i)))
			o.leave(roomTopic, fmt.Sprint(i))
		}
		if found := len(o.topics) - 1 + len(o.topics[roomTopic].members); found != mostVisits {
			t.Errorf("found %d visits that wait, expected %d", found, mostVisits)
		}
		for range 2 { // they come, they go
			upTo := o.now()
			for b := o.take(upTo, phaseClaim); b != nil; b = o.take(upTo, phaseClaim) {
				o.entered(b)
			}
		}
		if o.unheard != 0 {
			t.Errorf("found %d visits that wait, expected 0", o.unheard)
		}
		expectNothing(t, o)
	})
	t.Run("a register that does not answer", func(t *testing.T) {
		o := start()
		o.endRound(false, false)
		visit(o)
		expectNothing(t, o)
	})
}

func TestHoldingsChangeUnderWay(t *testing.T) {
	o := newHoldings()
	o.hold(roomTopic, 1)
	o.join(roomTopic, memberOf("stays"))
	o.join(roomTopic, memberOf("leaves"))
	b := o.take(o.now(), phaseClaim)
	o.leave(roomTopic, "leaves")
	o.join(roomTopic, memberOf("comes"))
	o.join(roomTopic, memberOf("blinks"))
	o.leave(roomTopic, "blinks")
	o.hold(roomTopic, 0)
	if b := o.take(o.now(), phaseClaim); b != nil {
		t.Fatalf("took %v although the topic is under way", describe(b))
	}
	o.entered(b)
	expectTaken(t, o, phaseClaim, "+comes", "-leaves", "presence-room=0")
	if entries, _, settled := o.known(); entries != 2 || !settled {
		t.Errorf("found %d entries, settled: %v; expected 2, true", entries, settled)
	}
}

func TestHoldingsHoldBackWhatMakesNoTransition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newHoldings()
		o.hold(roomTopic, 1)
		expectTaken(t, o, phaseClaim, "presence-room=1")
		o.hold(roomTopic, 2)
		o.hold(roomTopic, 3)
		expectTaken(t, o, phaseClaim)
		time.Sleep(holdBack)
		expectTaken(t, o, phaseClaim, "presence-room=3")
		o.hold(roomTopic, 4)
		o.hold(roomTopic, 3) // as the register has it
		time.Sleep(holdBack)
		expectTaken(t, o, phaseClaim)
		o.hold(roomTopic, 4)
		idle, done := o.settle()
		expectTaken(t, o, phaseClaim, "presence-room=4")
		select {
		case <-idle:
		default:
			t.Error("not idle after everything was entered")
		}
		done()
		o.hold(roomTopic, 5)
		expectTaken(t, o, phaseClaim)
	})
}

// What was published is not sent before what was joined earlier, so a batch that has no room leaves the oldest in front.
func TestHoldingsLargeTopic(t *testing.T) {
	o := newHoldings()
	const members = 3*batchEntries + 10
	for i := range members {
		o.join(roomTopic, memberOf(fmt.Sprint(i)))
	}
	upTo := o.now()
	late := pusherhub.Topic{App: "a", Channel: "late"}
	o.hold(late, 1)
	found := 0
	for b := o.take(upTo, phaseClaim); b != nil; b = o.take(upTo, phaseClaim) {
		if n := len(describe(b)); n > batchEntries {
			t.Errorf("took %d entries at once, expected %d at most", n, batchEntries)
		}
		found += len(describe(b))
		o.entered(b)
	}
	if found != members {
		t.Errorf("took %d members, expected %d", found, members)
	}
	expectTaken(t, o, phaseClaim, "late=1")
}

func TestHoldingsEnteredAgain(t *testing.T) {
	fill := func(restore bool) *holdings {
		o := newHoldings()
		o.hold(roomTopic, 2)
		o.join(roomTopic, memberOf("stays"))
		o.join(roomTopic, memberOf("leaves"))
		expectTaken(t, o, phaseClaim, "+leaves", "+stays", "presence-room=2")
		o.join(roomTopic, memberOf("comes"))
		late := o.take(o.now(), phaseClaim)
		o.leave(roomTopic, "leaves")
		o.enterAgain("next", restore)
		o.entered(late) // an answer for the id before
		return o
	}
	t.Run("after the lease was lost", func(t *testing.T) {
		o := fill(false)
		expectTaken(t, o, phaseClaim, "+comes", "+stays", "presence-room=2")
		if o.entries != 3 {
			t.Errorf("found %d entries, expected 3", o.entries)
		}
	})
	t.Run("after the memory was lost", func(t *testing.T) {
		o := fill(true)
		expectTaken(t, o, phaseRestore, "+stays!", "presence-room!=2")
		expectTaken(t, o, phaseRelease, "-leaves!")
		expectTaken(t, o, phaseClaim, "+comes")
		if o.entries != 3 {
			t.Errorf("found %d entries, expected 3", o.entries)
		}
	})
	t.Run("after it was lost again before all was restored", func(t *testing.T) {
		o := fill(true)
		o.hold(roomTopic, 0)
		o.enterAgain("third", true)
		expectTaken(t, o, phaseClaim, "+comes", "+stays!", "-leaves!", "presence-room!=0")
		if o.leave(roomTopic, "comes"); o.entries != 2 {
			t.Errorf("found %d entries, expected 2", o.entries)
		}
	})
}
