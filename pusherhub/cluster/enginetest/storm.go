package enginetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// testStorm has many nodes change the same topics at once, die, and come again under other names, while others follow from some moment on.
// Every gain and loss that the changes show must be reported once.
func testStorm(t *testing.T, h Harness) {
	const nodes, steps = 4, 150
	random := seeded(t)
	witness := newNode(t, h, "witness")
	witness.subscribe(modelTopics...)
	var mu sync.Mutex
	var made []pusherhub.Transition
	note := func(list []pusherhub.Transition) {
		mu.Lock()
		defer mu.Unlock()
		made = append(made, list...)
	}

	var storm, watchers sync.WaitGroup
	ended := make(chan struct{})
	for i := range nodes {
		n, random := newNodes(t, h, fmt.Sprint("node ", i))[0], rand.New(rand.NewPCG(random.Uint64(), 0))
		storm.Go(func() {
			for step := range steps {
				switch random.IntN(30) {
				case 0:
					n.resign()
					n.id, n.batch = fmt.Sprint("node ", i, ".", step), 0
					n.enter(long)
				case 1, 2:
					note(n.reap())
				default:
					note(n.apply(randomUpdates(random, false)...))
				}
			}
		})
	}
	type follower struct {
		*node
		from []cluster.State
	}
	var followers []follower
	for i := range 3 {
		f := follower{node: newNode(t, h, fmt.Sprint("follower ", i))}
		watchers.Go(func() {
			for again := true; again; {
				select {
				case <-ended:
					again = false
				default:
				}
				f.subscribe(modelTopics...)
				f.from = f.read(modelTopics...)
				f.count(modelTopics[0])
				f.channels("app", "p")
				if again {
					f.engine.Unsubscribe(modelTopics)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			followers = append(followers, f)
		})
	}
	storm.Wait()
	close(ended)
	watchers.Wait()
	// Something more for those who follow.
	last := newNodes(t, h, "last")[0]
	note(last.reap())
	note(last.apply(hold(modelTopics[0], 3, "u"), hold(modelTopics[1], 1, "v"), hold(modelTopics[2], 1), hold(modelTopics[3], 1), hold(modelTopics[4], 1)))

	expectFollowed(t, witness, nil)
	for _, f := range followers {
		expectFollowed(t, f.node, f.from)
	}
	expectTransitions(t, witness, made)
}

// expectTransitions expects the transitions that the changes show, from the first on.
func expectTransitions(t *testing.T, n *node, made []pusherhub.Transition) {
	t.Helper()
	found := make(map[pusherhub.Transition]int)
	for _, transition := range made {
		found[transition]++
	}
	changes := n.changesSoFar()
	for _, topic := range modelTopics {
		holders := make(map[string]int)
		held := make(entries)
		for _, c := range changes {
			if c.Topic != topic {
				continue
			}
			before := maps.Clone(holders)
			for _, entry := range c.Entries {
				if _, had := held[keyOf(entry)]; !had {
					holders[entry.Member.UserID]++
				}
			}
			for _, entry := range c.Gone {
				if _, had := held[keyOf(entry)]; had {
					holders[entry.Member.UserID]--
				}
			}
			held.add(c.Entries)
			held.drop(c.Gone)
			for user, count := range holders {
				if (count > 0) != (before[user] > 0) {
					found[pusherhub.Transition{Topic: topic, Member: user, Gained: count > 0}]--
				}
			}
		}
	}
	for transition, more := range found {
		if more != 0 {
			t.Errorf("found %+v reported %d times more often than it was seen", transition, more)
		}
	}
}
