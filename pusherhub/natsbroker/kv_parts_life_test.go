package natsbroker

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// newSmallParts returns nodes of which the parts are full with a few members.
func newSmallParts(t *testing.T, names ...string) (nodes []*holder) {
	t.Helper()
	s := startServer(t, withJetStream(t))
	options := s.broker("life")
	options.JetStream, options.partSize = JetStreamOn, 200
	for _, name := range names {
		nodes = append(nodes, newHolder(t, options, name, channel("presence-life")))
	}
	return nodes
}

func (c *holder) register() *kvRegister {
	c.t.Helper()
	_, r, err := c.engine.current()
	if err != nil {
		c.t.Fatal(err)
	}
	return r.(*kvRegister)
}

// values returns what there is of topics, by key.
func (c *holder) values() map[string]jetstream.KeyValueEntry {
	c.t.Helper()
	values := make(map[string]jetstream.KeyValueEntry)
	err := c.register().each(c.t.Context(), topicKeys+">", func(entry jetstream.KeyValueEntry) error {
		values[entry.Key()] = entry
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return values
}

// deepest is how often members have moved.
func (c *holder) deepest() (depth int) {
	for key := range c.values() {
		depth = max(depth, len(placeOf(key, c.topic).path))
	}
	return depth
}

func names(count int) (users []string) {
	for i := range count {
		users = append(users, fmt.Sprint("user-", i))
	}
	return users
}

// A few members are one value.
func TestFewMembersOneValue(t *testing.T) {
	s := startServer(t, withJetStream(t))
	options := s.broker("few")
	options.JetStream = JetStreamOn
	c := newHolder(t, options, "n", channel("presence-few"))
	c.apply(cluster.Update{Counted: true, Count: 3})
	c.move(names(100), true, 10)
	if values := c.values(); len(values) != 1 {
		t.Errorf("found %d values, expected one", len(values))
	}
}

// Data that no value can hold is left out, and what comes with it is not.
func TestLeftOut(t *testing.T) {
	nodes := newSmallParts(t, "a", "b")
	a, b := nodes[0], nodes[1]
	half := bytes.Repeat([]byte("x"), 400<<10)
	member := func(user string, info []byte) cluster.MemberUpdate {
		return cluster.MemberUpdate{Member: pusherhub.Member{UserID: user, Info: info}}
	}
	a.apply(cluster.Update{Counted: true, Count: 1, Members: []cluster.MemberUpdate{
		member("u", nil), member("huge", slices.Repeat(half, 5)), member("large", half), member("v", nil),
	}})
	b.apply(cluster.Update{Counted: true, Count: 1, Members: []cluster.MemberUpdate{member("w", nil), member("large", half)}})
	expect := func(what string, found []pusherhub.Transition, users ...string) {
		t.Helper()
		var list []string
		for _, m := range found {
			list = append(list, m.Member)
		}
		if !slices.Equal(list, users) {
			t.Errorf("%s: found the transitions of %q, expected %q", what, list, users)
		}
	}
	expect("joining", a.made, "", "u", "large", "v")
	expect("joining", b.made, "w")
	for n, user := range map[*holder]string{a: "huge", b: "large"} {
		if !slices.Contains(n.leftOut, user) || slices.ContainsFunc(n.leftOut, func(other string) bool { return other != user }) {
			t.Errorf("found that %s left out %q, expected %q", n.node, n.leftOut, user)
		}
	}
	a.expectCount(2, 4)
	a.made, b.made = nil, nil
	b.move([]string{"large"}, false, 1)
	a.move([]string{"huge", "large"}, false, 2)
	expect("leaving", b.made)
	expect("leaving", a.made, "large")
}

// The parts go when nobody has been in them for a while, unless somebody comes back.
func TestPartsEnd(t *testing.T) {
	a := newSmallParts(t, "a")[0]
	r := a.register()
	sweep := func() {
		t.Helper()
		later := time.Now().Add(2 * doneMemory)
		for _, entry := range a.values() {
			if err := r.sweepTopic(t.Context(), entry, later, later); err != nil {
				t.Fatal(err)
			}
		}
	}
	users := names(400)
	a.apply(cluster.Update{Counted: true, Count: 1})
	a.move(users, true, 200)
	a.apply(cluster.Update{Counted: true})
	if depth := a.deepest(); depth < 2 {
		t.Fatalf("found parts of depth %d, expected parts of parts", depth)
	}
	sweep()
	a.expectTotal(0, len(users))
	a.move(users, false, 200)
	ending := func() bool {
		return slices.ContainsFunc(slices.Collect(maps.Values(a.values())), func(entry jetstream.KeyValueEntry) bool {
			t, err := decodeTopic(entry.Value())
			return err == nil && t.Phase == phaseEnding && entry.Key() == topicKey(topicKeys, a.topic)
		})
	}
	for range 10 {
		if sweep(); ending() {
			break
		}
	}
	if !ending() {
		t.Fatal("found that the topic does not end")
	}
	a.move(users[:1], true, 1) // comes back at the last moment
	sweep()
	a.expectTotal(0, 1)
	a.move(users[:1], false, 1)
	for range 3 {
		sweep()
	}
	if values := a.values(); len(values) != 0 {
		t.Errorf("found %d values, expected none", len(values))
	}
	a.move(users, true, 200)
	a.expectTotal(0, len(users))
}

// A node that dies while members move holds nobody up.
func TestMoverDies(t *testing.T) {
	nodes := newSmallParts(t, "a", "b")
	a, b := nodes[0], nodes[1]
	stop := func() {
		t.Helper()
		place := kvPlace{name: a.topic}
		err := a.register().change(t.Context(), place.key(), func(value []byte) ([]byte, error) { return startMoving(place, value, time.Now()) })
		if err != nil {
			t.Fatal(err)
		}
	}
	a.apply(cluster.Update{Counted: true, Count: 1})
	a.move(names(2), true, 2)
	stop()
	b.expectTotal(1, 2)
	if held := b.read(); len(held) != 3 {
		t.Errorf("found %v, expected the count and two users", held)
	}
	a.eventually("resigns", func(ctx context.Context) error { return a.engine.Resign(ctx, a.node) })
	var made []pusherhub.Transition
	b.eventually("reaps", func(ctx context.Context) error {
		reaped, more, err := b.engine.Reap(ctx)
		made = append(made, reaped...)
		if err == nil && more {
			return errEnough
		}
		return err
	})
	if len(made) != 3 {
		t.Errorf("found the transitions %+v, expected the loss of the topic and of two users", made)
	}
	b.expectTotal(0, 0)
	b.move(names(1), true, 1)
	b.expectTotal(0, 1)
}
