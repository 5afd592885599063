package enginetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// seeded returns a source of randomness that a failed test can be repeated with.
func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

var (
	modelTopics = []pusherhub.Topic{
		{App: "app", Channel: "presence-x"}, {App: "app", Channel: "presence-y"}, {App: "app", Channel: "x"}, {App: "app", UserID: "x"}, {App: "app"},
	}
	modelUsers = []string{"u", "v", "w", "x"}
)

// randomUpdates returns updates of some topics, each once, with some members.
func randomUpdates(random *rand.Rand, restored bool) (updates []cluster.Update) {
	maybe := func() bool { return restored && random.IntN(4) == 0 }
	for _, i := range random.Perm(len(modelTopics))[:1+random.IntN(3)] {
		u := cluster.Update{Topic: modelTopics[i]}
		if i > 1 || random.IntN(3) > 0 {
			u.Counted, u.Count, u.Restored = true, random.IntN(3), maybe()
		}
		for _, j := range random.Perm(len(modelUsers))[:random.IntN(len(modelUsers)+1)] {
			if i > 1 {
				break
			}
			u.Members = append(u.Members, cluster.MemberUpdate{
				Member:   pusherhub.Member{UserID: modelUsers[j], Info: fmt.Append(nil, random.IntN(3)), Since: int64(random.IntN(3))},
				Gone:     random.IntN(2) == 0,
				Restored: maybe(),
			})
		}
		updates = append(updates, u)
	}
	return updates
}

// testModel does the same with the engines and with a [cluster.Register], step by step.
func testModel(t *testing.T, h Harness) {
	random := seeded(t)
	model := cluster.NewRegister(time.Now(), nil, nil)
	lives := 0
	enter := func(n *node) {
		lives++
		n.id, n.batch = fmt.Sprint("life ", lives), 0
		n.enter(long)
		model.Enter(time.Now(), n.id, long)
	}
	var nodes []*node
	for range 3 {
		n := newNode(t, h, "")
		enter(n)
		nodes = append(nodes, n)
	}
	follower := newNode(t, h, "follower")
	follower.subscribe(modelTopics...)
	for step := range 400 {
		if t.Failed() {
			t.Fatalf("at step %d", step-1)
		}
		n := nodes[random.IntN(len(nodes))]
		if random.IntN(40) == 0 {
			n.resign()
			model.Resign(time.Now(), n.id)
			expected, _ := model.Reap(time.Now(), 1<<30)
			expectMadeAnyhow(t, "reaping "+n.id, follower.reap(), expected...)
			enter(n)
			continue
		}
		updates := randomUpdates(random, true)
		expected, _ := model.Apply(time.Now(), n.id, n.batch+1, updates)
		expectMade(t, fmt.Sprintf("%s applying %+v", n.id, updates), n.apply(updates...), expected...)
		if random.IntN(10) == 0 {
			made, _ := n.applyBatch(n.batch, updates)
			expectMade(t, "applying again", made, expected...)
		}
		if random.IntN(5) == 0 {
			states := nodes[random.IntN(len(nodes))].read(modelTopics...)
			for i, state := range model.Read(time.Now(), modelTopics) {
				if found, expected := entriesOf(states[i].Entries), entriesOf(state.Entries); !maps.Equal(found, expected) {
					t.Errorf("found %v of %q, expected %v", found, modelTopics[i], expected)
				}
				if found, expected := follower.count(modelTopics[i]), model.Count(modelTopics[i]); found != expected {
					t.Errorf("found %+v of %q, expected %+v", found, modelTopics[i], expected)
				}
			}
			if found, expected := n.channels("app", ""), model.Channels("app", ""); !maps.Equal(found, expected) {
				t.Errorf("found the channels %v, expected %v", found, expected)
			}
		}
	}
	expectFollowed(t, follower, nil)
}

// expectFollowed expects that what a node read, and the changes that it received since, come to what the register has now.
func expectFollowed(t *testing.T, n *node, from []cluster.State) {
	t.Helper()
	now := n.read(modelTopics...)
	for i, topic := range modelTopics {
		e, version := make(entries), uint64(0)
		if from != nil {
			e, version = entriesOf(from[i].Entries), from[i].Version
		}
		var found entries
		n.await("the last change of "+fmt.Sprint(topic), func() bool {
			found = maps.Clone(e)
			last := version
			for _, c := range n.changesSoFar() {
				if c.Topic == topic && c.Version > version {
					if c.Version <= last {
						t.Errorf("found version %d of %q after %d, expected that it rises", c.Version, topic, last)
					}
					last = c.Version
					found.add(c.Entries)
					found.drop(c.Gone)
				}
			}
			return last >= now[i].Version || maps.Equal(found, entriesOf(now[i].Entries))
		})
		if expected := entriesOf(now[i].Entries); !maps.Equal(found, expected) {
			t.Errorf("node %s: found that the changes of %q come to %v, expected %v", n.id, topic, found, expected)
		}
	}
}
