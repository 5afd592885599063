package redisbroker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

func post(name, data string) cluster.Post {
	return cluster.Post{Topic: channel(name), Data: []byte(data)}
}

// send sends posts and expects the server to have all of them.
func send(t testing.TB, e *Engine, posts ...cluster.Post) {
	t.Helper()
	if n, err := e.Send(context.Background(), posts); n != len(posts) || err != nil {
		t.Fatalf("%d of %d accepted: %v", n, len(posts), err)
	}
}

func TestBus(t *testing.T) {
	server := startRedis(t)
	first, heard := open(t, Options{URL: "redis://" + server.address()})
	second, other := open(t, Options{URL: "redis://" + server.address()})
	elsewhere, foreign := open(t, Options{URL: "redis://" + server.address() + "/3"})
	ctx := context.Background()
	topics := []pusherhub.Topic{channel("a"), channel("b")}
	for _, e := range []*Engine{first, second, elsewhere} {
		if err := e.Subscribe(ctx, topics); err != nil {
			t.Fatal(err)
		}
	}
	second.Unsubscribe(topics[1:])
	if err := second.Subscribe(ctx, []pusherhub.Topic{channel("c")}); err != nil { // comes after
		t.Fatal(err)
	}

	var posts []cluster.Post
	var all, onlyA []string
	for i := range 3000 {
		name := []string{"a", "b"}[i%2]
		posts = append(posts, post(name, fmt.Sprint(i)))
		all = append(all, fmt.Sprint(i))
		if name == "a" {
			onlyA = append(onlyA, fmt.Sprint(i))
		}
	}
	send(t, first, posts...)
	send(t, first, post("c", "last"))
	heard.has(t, "all posts", func() bool { return len(heard.received) == len(posts) })
	other.has(t, "the posts that the other wanted", func() bool { return len(other.received) == len(posts)/2+1 })
	heard.mu.Lock()
	defer heard.mu.Unlock()
	if !slices.Equal(heard.received, all) || !slices.Equal(other.received, append(onlyA, "last")) {
		t.Error("the order is another one")
	}
	foreign.mu.Lock()
	defer foreign.mu.Unlock()
	if len(foreign.received) != 0 {
		t.Errorf("another database heard %q", foreign.received)
	}
}

// What another release sends is ignored and counted.
func TestBusForeign(t *testing.T) {
	server := startRedis(t)
	e, l := open(t, Options{URL: "redis://" + server.address()})
	if err := e.Subscribe(context.Background(), []pusherhub.Topic{channel("a")}); err != nil {
		t.Fatal(err)
	}
	name := e.keys.channelOf(topicName(channel("a")))
	for _, message := range []string{"{\"event\":\"x\"}", "\x02", "\x02nonsense", "\x021:11:z", "\x03future"} {
		server.do("publish", name, message)
	}
	l.has(t, "all were counted", func() bool { return l.ignored == 5 })
}

// A kept event is there when it is heard, and goes by itself.
func TestKept(t *testing.T) {
	server := startRedis(t)
	e, l := open(t, Options{URL: "redis://" + server.address()})
	ctx := context.Background()
	topics := []pusherhub.Topic{channel("cache-a")}
	if err := e.Subscribe(ctx, topics); err != nil {
		t.Fatal(err)
	}
	kept := post("cache-a", "k\x00ept")
	kept.Keep = time.Now().Add(time.Hour)
	send(t, e, kept, post("cache-a", "not kept"))
	l.has(t, "both", func() bool { return slices.Equal(l.received, []string{"k\x00ept", "not kept"}) })
	states, err := e.Read(ctx, topics)
	if err != nil || string(states[0].Kept) != "k\x00ept" {
		t.Errorf("found %+v, %v", states, err)
	}
	keys := server.keys()
	if len(keys) != 1 || server.do("pttl", keys[0]) == "-1" {
		t.Errorf("found keys %q", keys)
	}

	kept.Keep = time.Now().Add(-time.Second)
	kept.Data = []byte("too late")
	send(t, e, kept)
	l.has(t, "the one that came too late", func() bool { return len(l.received) == 3 })
	if states, err = e.Read(ctx, topics); err != nil || string(states[0].Kept) != "k\x00ept" {
		t.Errorf("found %+v, %v", states, err)
	}

	server.do("config", "set", "maxmemory", "1")
	kept.Keep = time.Now().Add(time.Hour)
	kept.Data = []byte("no room")
	send(t, e, kept)
	l.has(t, "the one that nobody can keep", func() bool { return len(l.received) == 4 })
	enter := func() error { _, err := e.Enter(ctx, "one", time.Minute); return err }
	if err := enter(); err == nil || !strings.Contains(err.Error(), "no memory left") {
		t.Errorf("found %v", err)
	}
}

// A server that dies, or freezes, is noticed; a server that is back is used again.
func TestReconnect(t *testing.T) {
	server := startRedis(t)
	e, l := open(t, Options{URL: "redis://" + server.address(), Timeout: time.Second})
	ctx := context.Background()
	topics := []pusherhub.Topic{channel("a")}
	before := enter(t, e, "one")
	apply(t, e, "one", 1, counted("a", 1))

	server.stop()
	l.has(t, "the loss is noticed", func() bool { return len(l.downs) == 1 })
	if err := e.Subscribe(ctx, topics); err == nil || !strings.Contains(err.Error(), "no connection") {
		t.Errorf("found %v", err)
	}
	server.start()
	l.has(t, "a new connection", func() bool { return l.ups == 2 && l.up })
	if pulse, err := e.Beat(ctx, "one", time.Minute); err != nil || pulse.Known || pulse.Epoch == before.Epoch || pulse.Holdings != 0 {
		t.Errorf("found %+v, %v", pulse, err)
	}
	if _, known, err := e.Apply(ctx, "one", 2, []cluster.Update{counted("a", 2)}); known || err != nil {
		t.Errorf("known %v, %v", known, err)
	}
	if err := e.Subscribe(ctx, topics); err != nil {
		t.Error(err)
	}

	server.pause()
	if _, err := e.Send(ctx, []cluster.Post{post("a", "x")}); err == nil || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("found %v", err)
	}
	l.has(t, "the frozen server is noticed", func() bool { return len(l.downs) == 2 })
	server.resume()
	l.has(t, "it is back", func() bool { return l.ups == 3 && l.up })
	enter(t, e, "two")
}

// FLUSHALL, and a memory that has gone back in time, are a new epoch.
func TestEpoch(t *testing.T) {
	server := startRedis(t)
	e, _ := open(t, Options{URL: "redis://" + server.address()})
	ctx := context.Background()
	beat := func() cluster.Pulse {
		t.Helper()
		pulse, err := e.Beat(ctx, "one", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return pulse
	}
	old := enter(t, e, "one").Epoch
	if pulse := beat(); pulse.Epoch != old || !pulse.Known {
		t.Errorf("found %+v, expected epoch %s", pulse, old)
	}
	server.do("flushall")
	flushed := beat()
	if flushed.Epoch == old || flushed.Known {
		t.Errorf("found %+v, expected another epoch than %s", flushed, old)
	}
	if beat().Epoch != flushed.Epoch {
		t.Error("the epoch has changed again")
	}

	enter(t, e, "two")
	apply(t, e, "two", 1, counted("a", 1))
	meta := e.keys.meta(partitionOf(topicName(channel("a"))))
	snapshot := server.do("hget", meta, "v")
	apply(t, e, "two", 2, counted("a", 2))
	server.do("hset", meta, "v", snapshot)
	back := beat()
	if back.Epoch == flushed.Epoch {
		t.Error("nobody noticed that a change is lost")
	}
	if beat().Epoch != back.Epoch {
		t.Error("the epoch has changed again")
	}
}

// A memory that has gone back in time is noticed by the node that it has lost something of, although others have changed so much since then
// that it does not look older.
func TestEpochOvertaken(t *testing.T) {
	server := startRedis(t)
	e, _ := open(t, Options{URL: "redis://" + server.address()})
	other, _ := open(t, Options{URL: "redis://" + server.address()})
	enter(t, e, "one")
	enter(t, other, "two")
	apply(t, e, "one", 1, counted("a", 1))
	keys := server.keys()
	for _, key := range keys {
		server.do("copy", key, "before:"+key)
	}
	apply(t, e, "one", 2, counted("a", 5))
	pulse := func() cluster.Pulse {
		t.Helper()
		pulse, err := e.Beat(context.Background(), "one", time.Minute)
		if err != nil || !pulse.Known {
			t.Fatalf("found %+v, %v", pulse, err)
		}
		return pulse
	}
	old := pulse().Epoch
	if found := pulse().Epoch; found != old {
		t.Errorf("found epoch %s, expected %s", found, old)
	}
	for _, key := range keys {
		server.do("copy", "before:"+key, key, "replace")
	}
	for batch := range 3 {
		apply(t, other, "two", uint64(batch+1), counted("a", batch+1))
	}
	back := pulse().Epoch
	if back == old {
		t.Error("nobody noticed that a change is lost")
	}
	if found := pulse().Epoch; found != back {
		t.Errorf("the epoch has changed again, from %s to %s", back, found)
	}
}
