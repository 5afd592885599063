package cluster

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// A copy that is made at any moment and told of the calls since is the same as the original, and hands out the same changes.
func TestRegisterFollow(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	now := time.Unix(1_700_000_000, 0)
	elsewhere := func() time.Time { return now.Add(-time.Hour) }

	var calls []Call
	var changes, copied []Change
	original := NewRegister(now, func(c Change) { changes = append(changes, c) }, func(c Call) {
		calls = append(calls, overTheWire[Call](t, c))
	})
	var replica *Register
	batches := make(map[string]uint64)
	for step := range 5000 {
		if step%500 == 0 {
			replica = NewRegister(elsewhere(), func(c Change) { copied = append(copied, c) }, nil)
			replica.Restore(elsewhere(), overTheWire[Snapshot](t, original.Snapshot()))
			changes, copied = nil, nil
		}
		now = now.Add(time.Duration(random.IntN(200)) * time.Millisecond)
		node := fmt.Sprint("node", random.IntN(5), ".", step/700)
		switch random.IntN(10) {
		case 0:
			original.Enter(now, node, 5*time.Second)
		case 1, 2:
			original.Beat(now, node, 5*time.Second)
		case 3:
			original.Reap(now, 1+random.IntN(4))
		case 4:
			original.Keep(now, []Post{{Topic: randomTopic(random), Data: []byte("x"), Keep: now.Add(time.Duration(random.IntN(3000)) * time.Millisecond)}})
		case 5:
			if random.IntN(10) == 0 {
				original.Resign(now, node)
			}
		default:
			batches[node] += uint64(random.IntN(3)) // some come again
			var updates []Update
			for range 1 + random.IntN(3) {
				updates = append(updates, randomUpdate(random))
			}
			original.Apply(now, node, batches[node], updates)
		}
		for _, c := range calls {
			if err := replica.Follow(elsewhere(), c); err != nil {
				t.Fatal(err)
			}
		}
		calls = nil
		if step%50 == 0 || step%500 == 499 {
			// A snapshot lacks what both get in other ways, so compare what has been sent, too.
			if found, expected := overTheWire[Snapshot](t, replica.Snapshot()), overTheWire[Snapshot](t, original.Snapshot()); !reflect.DeepEqual(found, expected) {
				t.Fatalf("step %d: found the copy %+v, expected %+v", step, found, expected)
			}
			if !reflect.DeepEqual(copied, changes) {
				t.Fatalf("step %d: found the copy's changes %+v, expected %+v", step, copied, changes)
			}
		}
	}
	later := now.Add(time.Second)
	if found, expected := replica.Enter(elsewhere().Add(time.Second), "new", time.Second).Age, original.Enter(later, "new", time.Second).Age; found != expected {
		t.Errorf("found that the copy is %s old, expected %s", found, expected)
	}
}

func overTheWire[T any](t *testing.T, x T) (y T) {
	t.Helper()
	data, err := json.Marshal(x)
	if err == nil {
		err = json.Unmarshal(data, &y)
	}
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func randomTopic(random *rand.Rand) pusherhub.Topic {
	return []pusherhub.Topic{
		{App: "a", Channel: "presence-x"}, {App: "a", Channel: "y"}, {App: "a", UserID: "u"}, {App: "a"}, {App: "b", Channel: "y"},
	}[random.IntN(5)]
}

func randomUpdate(random *rand.Rand) Update {
	u := Update{Topic: randomTopic(random), Restored: random.IntN(4) == 0}
	if random.IntN(3) > 0 {
		u.Counted, u.Count = true, random.IntN(3)
	}
	if u.Topic.Channel == "presence-x" {
		for user := range 6 {
			if random.IntN(2) == 0 {
				u.Members = append(u.Members, MemberUpdate{
					Member:   pusherhub.Member{UserID: fmt.Sprint(user), Info: []byte("{}"), Since: int64(random.IntN(3))},
					Gone:     random.IntN(2) == 0,
					Restored: random.IntN(4) == 0,
				})
			}
		}
	}
	return u
}

// A copy that has missed a call says so.
func TestRegisterFollowGap(t *testing.T) {
	now := time.Now()
	var calls []Call
	original := NewRegister(now, nil, func(c Call) { calls = append(calls, c) })
	replica := NewRegister(now, nil, nil)
	replica.Restore(now, original.Snapshot())
	for range 3 {
		original.Enter(now, "node", time.Second)
	}
	if err := replica.Follow(now, calls[0]); err != nil {
		t.Error(err)
	}
	if err := replica.Follow(now, calls[0]); err != nil {
		t.Errorf("the same call again: %s", err)
	}
	if err := replica.Follow(now, calls[2]); err == nil {
		t.Error("found no error for a call after one that is missing")
	}
}

// The time of a lease goes on while a copy takes over, although its clock shows another time.
func TestRegisterTakeOver(t *testing.T) {
	now, elsewhere := time.Unix(1000, 0), time.Unix(5000, 0)
	replica := NewRegister(elsewhere, nil, nil)
	original := NewRegister(now, nil, func(c Call) {
		if err := replica.Follow(elsewhere, c); err != nil {
			t.Error(err)
		}
	})
	replica.Restore(elsewhere, original.Snapshot())
	elsewhere = elsewhere.Add(time.Hour) // the clocks need not run alike
	original.Enter(now, "node", 8*time.Second)
	replica.Reap(elsewhere.Add(8*time.Second-1), 1)
	if _, known := replica.Apply(elsewhere.Add(8*time.Second-1), "node", 1, nil); !known {
		t.Error("found the node unknown before its lease ended")
	}
	replica.Reap(elsewhere.Add(8*time.Second), 1)
	if _, known := replica.Apply(elsewhere.Add(8*time.Second), "node", 1, nil); known {
		t.Error("found the node known after its lease ended")
	}
}

// What a dead node held goes in parts, and with the last members of a channel its count.
func TestRegisterReapParts(t *testing.T) {
	now := time.Now()
	var changes []Change
	r := NewRegister(now, func(c Change) { changes = append(changes, c) }, nil)
	r.Enter(now, "dead", time.Second)
	r.Enter(now, "alive", time.Hour)
	room := pusherhub.Topic{App: "a", Channel: "presence-x"}
	u := Update{Topic: room, Counted: true, Count: 9}
	for i := range 5 {
		u.Members = append(u.Members, MemberUpdate{Member: pusherhub.Member{UserID: fmt.Sprint(i)}})
	}
	r.Apply(now, "dead", 1, []Update{u})
	r.Apply(now, "alive", 1, []Update{{Topic: room, Members: u.Members[1:2]}})
	changes = nil
	var made []pusherhub.Transition
	calls := 0
	for more := true; more; calls++ {
		var part []pusherhub.Transition
		part, more = r.Reap(now.Add(time.Second), 2)
		made = append(made, part...)
	}
	expected := []pusherhub.Transition{
		{Topic: room, Member: "0"}, {Topic: room, Member: "2"}, {Topic: room, Member: "3"}, {Topic: room, Member: "4"}, {Topic: room},
	}
	if !slices.Equal(made, expected) {
		t.Errorf("found transitions %v, expected %v", made, expected)
	}
	if calls != 3 || len(changes) != 3 {
		t.Errorf("found %d calls and %d changes, expected 3", calls, len(changes))
	}
	if states := r.Read(now, []pusherhub.Topic{room}); len(states[0].Entries) != 1 || states[0].Entries[0].Node != "alive" {
		t.Errorf("found %+v, expected the member of the other node", states)
	}
}

// Nothing is left of what nobody holds and nobody keeps.
func TestRegisterForgets(t *testing.T) {
	for _, dies := range []bool{true, false} {
		now := time.Now()
		r := NewRegister(now, nil, nil)
		random := rand.New(rand.NewPCG(1, 1))
		batch := uint64(0)
		for ; batch < 500; batch++ {
			r.Enter(now, "node", time.Second)
			r.Apply(now, "node", batch, []Update{randomUpdate(random)})
			r.Keep(now, []Post{{Topic: randomTopic(random), Keep: now.Add(time.Second)}})
		}
		if !dies {
			for _, topic := range r.Snapshot().Nodes[0].Holdings {
				gone := Update{Topic: topic.Topic, Counted: true}
				for _, m := range topic.Members {
					gone.Members = append(gone.Members, MemberUpdate{Member: m, Gone: true})
				}
				r.Apply(now, "node", batch, []Update{gone})
				batch++
			}
			r.Beat(now, "node", time.Hour)
		}
		now = now.Add(time.Second)
		for more := true; more; {
			_, more = r.Reap(now, 3)
		}
		r.Reap(now.Add(lossesLast), 1)
		if !dies {
			if left := r.nodes["node"]; left.entries != 0 || left.holdings.Len() != 0 {
				t.Errorf("found %d entries in %d holdings of the node, expected none", left.entries, left.holdings.Len())
			}
			delete(r.nodes, "node")
		}
		if len(r.nodes)+len(r.ended)+len(r.topics)+len(r.apps)+len(r.losses.at)+len(r.losses.queue)+len(r.kept) != 0 {
			t.Errorf("found %+v, expected nothing", r.Snapshot())
		}
	}
}

// A kept event that is replaced by one that lasts longer does not hold up others.
func TestRegisterKeptLonger(t *testing.T) {
	now := time.Now()
	r := NewRegister(now, nil, nil)
	x, y := pusherhub.Topic{Channel: "x"}, pusherhub.Topic{Channel: "y"}
	for _, keep := range []struct {
		topic pusherhub.Topic
		until time.Duration
	}{{x, 1 * time.Second}, {y, 2 * time.Second}, {x, 3 * time.Second}} {
		r.Keep(now, []Post{{Topic: keep.topic, Keep: now.Add(keep.until)}})
	}
	r.Reap(now.Add(2*time.Second), 1)
	if _, found := r.topics[x]; !found || len(r.topics) != 1 {
		t.Errorf("found %d topics, expected the one whose event lasts", len(r.topics))
	}
}

// Calls that come with an earlier time than the last do not take the register back.
func TestRegisterClockBack(t *testing.T) {
	now := time.Now()
	r := NewRegister(now, nil, nil)
	r.Enter(now.Add(time.Hour), "a", time.Second)
	r.Enter(now, "b", time.Second)
	r.Reap(now.Add(time.Hour), 1)
	if p := r.Beat(now, "b", time.Second); !p.Known || p.Nodes != 2 {
		t.Errorf("found the pulse %+v, expected that both nodes have a lease", p)
	}
	r.Resign(now, "a")
	if p := r.Beat(now, "b", time.Second); p.Nodes != 1 {
		t.Errorf("found %d nodes with a lease after one resigned, expected 1", p.Nodes)
	}
}
