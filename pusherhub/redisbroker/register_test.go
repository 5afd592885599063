package redisbroker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// What a node does is seen, told and counted; and when all have gone, a handful of keys is left.
func TestRegister(t *testing.T) {
	server := startRedis(t)
	e, l := open(t, Options{Addresses: []string{server.address()}})
	ctx := context.Background()
	presence := channel("presence-room")
	if err := e.Subscribe(ctx, []pusherhub.Topic{presence, cluster.Commands}); err != nil {
		t.Fatal(err)
	}
	enter(t, e, "one")
	if pulse := enter(t, e, "two"); pulse.Nodes != 2 || pulse.Holdings != 0 || pulse.Epoch == "" {
		t.Errorf("found %+v", pulse)
	}
	update := counted("presence-room", 2)
	update.Members = []cluster.MemberUpdate{member("ann"), member("bob")}
	made := apply(t, e, "one", 1, update)
	expect(t, "gains", made, gained(presence, ""), gained(presence, "ann"), gained(presence, "bob"))
	again := apply(t, e, "one", 1, update)
	expect(t, "the same again", again, made...)

	update.Members = []cluster.MemberUpdate{member("ann")}
	expect(t, "the second node's", apply(t, e, "two", 1, update))
	l.has(t, "two changes", func() bool { return len(l.changes) == 2 })
	if c := l.changes[0]; c.Topic != presence || len(c.Entries) != 3 || c.Entries[0].Count != 2 || c.Entries[2].Member.UserID != "bob" {
		t.Errorf("found %+v", c)
	}

	states, err := e.Read(ctx, []pusherhub.Topic{channel("none"), presence})
	if err != nil || len(states) != 2 || len(states[0].Entries) != 0 || len(states[1].Entries) != 5 || states[1].Version != l.changes[1].Version {
		t.Fatalf("found %+v, %v", states, err)
	}
	for _, e := range states[1].Entries {
		if e.Member.UserID != "" && (string(e.Member.Info) != `{"name":"x"}` || e.Member.Since == 0) {
			t.Errorf("found %+v", e)
		}
	}
	if h, err := e.Count(ctx, presence); err != nil || h.Count != 4 || h.Members != 2 {
		t.Errorf("found %+v, %v", h, err)
	}
	if all, err := e.Channels(ctx, "app:1", "presence-"); err != nil || len(all) != 1 || all["presence-room"] != (pusherhub.Holding{Count: 4, Members: 2}) {
		t.Errorf("found %+v, %v", all, err)
	}
	if pulse, err := e.Beat(ctx, "one", time.Minute); err != nil || pulse.Holdings != 3 || !pulse.Known {
		t.Errorf("found %+v, %v", pulse, err)
	}

	if err := e.Resign(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	expect(t, "losses", reapAll(t, e), lost(presence, "bob"))
	if _, known, err := e.Apply(ctx, "one", 2, []cluster.Update{counted("x", 1)}); known || err != nil {
		t.Errorf("known %v, %v", known, err)
	}
	if pulse, err := e.Beat(ctx, "one", time.Minute); err != nil || pulse.Known {
		t.Errorf("found %+v, %v", pulse, err)
	}
	update.Count, update.Members = 0, []cluster.MemberUpdate{{Member: pusherhub.Member{UserID: "ann"}, Gone: true}}
	expect(t, "the last losses", apply(t, e, "two", 2, update), lost(presence, "ann"), lost(presence, ""))
	if err := e.Resign(ctx, "two"); err != nil {
		t.Fatal(err)
	}
	expect(t, "nothing", reapAll(t, e))
	expectLeftovers(t, server)
}

// expectLeftovers checks that nothing is left but the memory of the partitions, and what has a time to live.
func expectLeftovers(t testing.TB, servers ...*redisServer) {
	t.Helper()
	left := 0
	for _, s := range servers {
		for _, key := range s.keys() {
			if s.do("pttl", key) == "-1" {
				left++
				if fields := s.do("hkeys", key); fields != "e\nt\nv" && fields != "e\nt" {
					t.Errorf("key %s is left: %q", key, fields)
				}
			}
		}
	}
	if left > partitions {
		t.Errorf("%d keys are left for ever", left)
	}
}

// A node with more than one script takes is reaped in steps.
func TestReapSteps(t *testing.T) {
	server := startRedis(t)
	e, l := open(t, Options{Addresses: []string{server.address()}})
	room := channel("presence-big")
	if err := e.Subscribe(context.Background(), []pusherhub.Topic{room}); err != nil {
		t.Fatal(err)
	}
	enter(t, e, "one")
	update := counted("presence-big", 5)
	for i := range 3*reapAtOnce - 1 {
		update.Members = append(update.Members, member(fmt.Sprint("user", i)))
	}
	apply(t, e, "one", 1, update)
	if err := e.Resign(context.Background(), "one"); err != nil {
		t.Fatal(err)
	}
	made, more, err := e.Reap(context.Background())
	if err != nil || !more || len(made) != reapAtOnce {
		t.Fatalf("found %d transitions, more %v, %v", len(made), more, err)
	}
	made = append(made, reapAll(t, e)...)
	if len(made) != 3*reapAtOnce || made[len(made)-1] != lost(room, "") {
		t.Errorf("found %d transitions, the last %+v", len(made), made[len(made)-1])
	}
	l.has(t, "every step was told", func() bool { return len(l.changes) == 4 })
	expectLeftovers(t, server)
}

func gained(t pusherhub.Topic, user string) pusherhub.Transition {
	return pusherhub.Transition{Topic: t, Member: user, Gained: true}
}

func lost(t pusherhub.Topic, user string) pusherhub.Transition {
	return pusherhub.Transition{Topic: t, Member: user}
}

func expect(t testing.TB, what string, found []pusherhub.Transition, expected ...pusherhub.Transition) {
	t.Helper()
	if len(found) != len(expected) {
		t.Errorf("%s: found %+v, expected %+v", what, found, expected)
		return
	}
	for i := range found {
		if found[i] != expected[i] {
			t.Errorf("%s: found %+v, expected %+v", what, found[i], expected[i])
		}
	}
}
