package hubtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/onecharge/pusherhub/pusherhub"
)

// ledger holds what the nodes of a crew have reported.
type ledger struct {
	mu    sync.Mutex
	lines []ledgerLine // guarded by mu: in the order in which they came
}

type ledgerLine struct {
	by *witness
	pusherhub.Transition
}

func (l ledgerLine) String() string {
	what := "the loss"
	if l.Gained {
		what = "the gain"
	}
	return fmt.Sprintf("%s of %s by %s", what, holdable{l.Topic, l.Member}, l.by.name)
}

// holdable is a topic, or a member of one.
type holdable struct {
	pusherhub.Topic
	Member string
}

func (h holdable) String() string {
	if h.Member == "" {
		return show(h.Topic)
	}
	return "member " + h.Member + " of " + show(h.Topic)
}

// topic is the topic itself.
func topic(t pusherhub.Topic) holdable { return holdable{Topic: t} }

// member is a member of a channel.
func member(t pusherhub.Topic, id string) holdable { return holdable{t, id} }

func (l *ledger) note(by *witness, t pusherhub.Transition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, ledgerLine{by, t})
}

func (l *ledger) all() []ledgerLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// tally is how often something was reported.
type tally struct{ gains, losses int }

func (l *ledger) tallies() map[holdable]tally {
	sums := make(map[holdable]tally)
	for _, line := range l.all() {
		h := holdable{line.Topic, line.Member}
		sum := sums[h]
		if line.Gained {
			sum.gains++
		} else {
			sum.losses++
		}
		sums[h] = sum
	}
	return sums
}

// expectReports waits until exactly that was reported in all.
func (x *crew) expectReports(want map[holdable]tally) {
	x.Helper()
	var found map[holdable]tally
	x.eventuallyOr("the reports are complete", func() bool {
		found = x.ledger.tallies()
		return maps.Equal(found, want)
	}, func() string {
		var wrong []string
		for h := range merged(found, want) {
			if found[h] != want[h] {
				wrong = append(wrong, fmt.Sprintf("%s: gained %d times and lost %d times, expected %d and %d", h, found[h].gains, found[h].losses, want[h].gains, want[h].losses))
			}
		}
		return explain(wrong)
	})
}

// expectBalance waits until the reports say that these are held, and nothing else.
func (x *crew) expectBalance(held map[holdable]bool) {
	x.Helper()
	var wrong []string
	x.eventuallyOr("the reports say what is held", func() bool {
		wrong = wrong[:0]
		found := x.ledger.tallies()
		for h := range merged(found, held) {
			balance := 0
			if held[h] {
				balance = 1
			}
			if sum := found[h]; sum.gains-sum.losses != balance {
				wrong = append(wrong, fmt.Sprintf("%s: gained %d times and lost %d times, and held: %t", h, sum.gains, sum.losses, held[h]))
			}
		}
		return len(wrong) == 0
	}, func() string { return explain(wrong) })
}

// eventuallyOr waits until done reports true, or fails with why.
func (x *crew) eventuallyOr(what string, done func() bool, why func() string) {
	x.Helper()
	arrived := false
	defer func() {
		if !arrived {
			x.Errorf("%s", why())
		}
	}()
	x.eventually(what, done)
	arrived = true
}

// merged returns the keys of both.
func merged[A, B any](a map[holdable]A, b map[holdable]B) map[holdable]bool {
	keys := make(map[holdable]bool)
	for h := range a {
		keys[h] = true
	}
	for h := range b {
		keys[h] = true
	}
	return keys
}

func explain(wrong []string) string {
	slices.Sort(wrong)
	return strings.Join(wrong, "\n")
}
