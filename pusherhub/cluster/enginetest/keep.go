package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

func inALongTime() time.Time { return time.Now().Add(time.Hour) }

func testKeep(t *testing.T, h Harness) {
	a, b := newNode(t, h, "a"), newNode(t, h, "b")
	x, y := channel("cache-x"), channel("cache-y")
	keep := func(topic pusherhub.Topic, data string, until time.Time) {
		a.send(cluster.Post{Topic: topic, Data: []byte(data), Keep: until})
	}
	expect := func(what, expected string, kept []byte) {
		t.Helper()
		if string(kept) != expected || expected == "" && kept != nil {
			t.Errorf("%s: found %q kept, expected %q", what, kept, expected)
		}
	}
	expect("before anything", "", b.read(x)[0].Kept)
	keep(x, "first", inALongTime())
	expect("after the first", "first", b.read(x)[0].Kept)
	a.send(post(x, "not kept"))
	expect("after one that is not kept", "first", b.read(x)[0].Kept)
	keep(x, "second", inALongTime())
	keep(y, "y's", inALongTime())
	states := b.read(y, channel("z"), x)
	expect("of y", "y's", states[0].Kept)
	expect("of z", "", states[1].Kept)
	expect("after the second", "second", states[2].Kept)

	// What nobody holds is kept, and does not make a channel that somebody holds.
	if channels := b.channels("app", ""); len(channels) != 0 {
		t.Errorf("found the channels %v, expected none", channels)
	}
	a.enter(long)
	a.apply(hold(x, 1))
	expect("of a channel that is held", "second", b.read(x)[0].Kept)
	a.apply(hold(x, 0))
	expect("of a channel that is held no more", "second", b.read(x)[0].Kept)

	keep(x, "third", time.Now().Add(short))
	b.await("that the event expires", func() bool { return b.read(x)[0].Kept == nil })
	expect("of y at the end", "y's", b.read(y)[0].Kept)
	keep(x, "fourth", inALongTime()) // a new event outlives the time of the former
	expect("after the last", "fourth", b.read(x)[0].Kept)
}

func testKeepFirst(t *testing.T, h Harness) {
	a, b := newNode(t, h, "a"), newNode(t, h, "b")
	b.subscribe(channel("x"))
	for i := range 100 {
		data := fmt.Sprint(i)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			a.send(
				cluster.Post{Topic: channel("x"), Data: []byte(data + strings.Repeat("x", 20_000)), Keep: inALongTime()},
				cluster.Post{Topic: channel("x"), Data: []byte(data), Keep: inALongTime()},
			)
		}()
		b.awaitReceived(data)
		if kept := b.read(channel("x"))[0].Kept; string(kept) != data {
			t.Fatalf("found %.10q kept when %q had been received", kept, data)
		}
		<-sent
	}
}
