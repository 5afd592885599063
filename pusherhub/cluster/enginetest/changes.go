package enginetest

import (
	"fmt"
	"maps"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

func testChanges(t *testing.T, h Harness) {
	nodes := newNodes(t, h, "a", "b", "c")
	a, b, c := nodes[0], nodes[1], nodes[2]
	x, other := channel("presence-x"), channel("other")
	a.apply(hold(x, 1, "before"))
	a.subscribe(x)
	b.subscribe(x)
	before := b.versions(x)

	member := pusherhub.Member{UserID: "u", Info: []byte(`{"n": "é"}`), Since: 1_763_881_342_123_456_789}
	update := hold(x, 2)
	update.Members = []cluster.MemberUpdate{{Member: member}, {Member: pusherhub.Member{UserID: "before"}, Gone: true}}
	a.apply(hold(other, 1), update)
	expectMade(t, "other data", a.apply(cluster.Update{Topic: x, Members: []cluster.MemberUpdate{{Member: pusherhub.Member{UserID: "u", Since: 5}}}}))
	c.apply(hold(x, 1))
	c.apply(hold(x, 0))
	a.apply(hold(x, 0, "-u"))
	state := c.read(x)[0]

	expected := []struct{ entries, gone []cluster.Entry }{
		{[]cluster.Entry{{Node: "a", Count: 2}, {Node: "a", Member: member}}, []cluster.Entry{{Node: "a", Member: pusherhub.Member{UserID: "before"}}}},
		{[]cluster.Entry{{Node: "a", Member: pusherhub.Member{UserID: "u", Since: 5}}}, nil},
		{[]cluster.Entry{{Node: "c", Count: 1}}, nil},
		{nil, []cluster.Entry{{Node: "c"}}},
		{nil, []cluster.Entry{{Node: "a"}, {Node: "a", Member: pusherhub.Member{UserID: "u"}}}},
	}
	for _, n := range []*node{a, b} { // the node that made it gets it, too
		n.await("the last change", func() bool {
			all := n.changesSoFar()
			return len(all) > 0 && all[len(all)-1].Version >= state.Version
		})
		changes := n.changesAfter(before)
		if last := changes[len(changes)-1].Version; state.Version < last {
			t.Errorf("found version %d of what nobody holds any more, expected %d or higher, as the last change had", state.Version, last)
		}
		if len(changes) != len(expected) {
			t.Fatalf("node %s: found the changes %+v, expected %d", n.id, changes, len(expected))
		}
		last := before[x]
		for i, change := range changes {
			if change.Topic != x {
				t.Errorf("found a change of %q, expected %q", change.Topic, x)
			}
			if change.Version <= last {
				t.Errorf("found version %d after %d, expected that it rises", change.Version, last)
			}
			last = change.Version
			if found, expected := entriesOf(change.Entries), entriesOf(expected[i].entries); !maps.Equal(found, expected) {
				t.Errorf("change %d: found the entries %v, expected %v", i, found, expected)
			}
			if found, expected := goneOf(change.Gone), goneOf(expected[i].gone); !maps.Equal(found, expected) {
				t.Errorf("change %d: found that %v is gone, expected %v", i, found, expected)
			}
		}
	}
	a.send(cluster.Post{Topic: x, Data: []byte("kept"), Keep: inALongTime()})
	if found := c.read(x)[0].Version; found < state.Version {
		t.Errorf("found version %d of a topic with nothing but a kept event, expected %d or higher", found, state.Version)
	}
	if got := c.changesSoFar(); len(got) != 0 {
		t.Errorf("found the changes %+v on a node that has not subscribed, expected none", got)
	}
}

func goneOf(list []cluster.Entry) map[entryKey]bool {
	gone := make(map[entryKey]bool)
	for _, x := range list {
		gone[keyOf(x)] = true
	}
	return gone
}

// testAtomic has a node change everything that it holds of a topic at once, while others look.
func testAtomic(t *testing.T, h Harness) {
	const members, generations = 20, 150
	nodes := newNodes(t, h, "a", "b")
	a, b := nodes[0], nodes[1]
	x := channel("presence-x")
	b.subscribe(x)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for generation := 1; generation < generations; generation++ {
			u := cluster.Update{Topic: x, Counted: true, Count: generation % 3}
			for i := range members {
				u.Members = append(u.Members, cluster.MemberUpdate{
					Member: pusherhub.Member{UserID: fmt.Sprint(i), Since: int64(generation)},
					Gone:   u.Count == 0,
				})
			}
			a.apply(u)
		}
	}()
	for looking := true; looking; {
		select {
		case <-done:
			looking = false
		default:
		}
		list := b.read(x)[0].Entries
		if len(list) == 0 {
			continue
		}
		if len(list) != members+1 {
			t.Fatalf("found %d entries, expected %d or none", len(list), members+1)
		}
		since, count := int64(-1), 0
		for _, entry := range list {
			switch {
			case entry.Member.UserID == "":
				count = entry.Count
			case since < 0:
				since = entry.Member.Since
			case since != entry.Member.Since:
				t.Fatalf("found members of batch %d and of batch %d, expected one", entry.Member.Since, since)
			}
		}
		if int64(count) != since%3 {
			t.Fatalf("found count %d with members of batch %d, expected %d", count, since, since%3)
		}
	}
	if holding := b.count(x); holding.Count != 2 || holding.Members != members {
		t.Errorf("found %+v, expected count 2 and %d members", holding, members)
	}
	b.await("the changes", func() bool { return len(b.changesSoFar()) >= generations-1 })
	for _, change := range b.changesSoFar() {
		if found := len(change.Entries) + len(change.Gone); found != members+1 {
			t.Errorf("found a change of %d entries, expected %d", found, members+1)
		}
	}
}
