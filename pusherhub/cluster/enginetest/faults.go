package enginetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// expectErrors expects that no call is answered while the server cannot be reached, and that none waits for longer than its context.
func expectErrors(t *testing.T, n *node) {
	t.Helper()
	e, x := n.engine, channel("x")
	for name, call := range map[string]func(context.Context) error{
		"Subscribe": func(ctx context.Context) error { return e.Subscribe(ctx, []pusherhub.Topic{channel("never")}) },
		"Send": func(ctx context.Context) error {
			accepted, err := e.Send(ctx, []cluster.Post{post(x, "sent while the server was away")})
			if accepted != 0 {
				t.Errorf("Send: found %d accepted by a server that is away, expected 0", accepted)
			}
			return err
		},
		"Enter": func(ctx context.Context) error { _, err := e.Enter(ctx, "nobody", time.Millisecond); return err },
		"Beat":  func(ctx context.Context) error { _, err := e.Beat(ctx, n.id, long); return err },
		"Apply": func(ctx context.Context) error {
			_, _, err := e.Apply(ctx, "nobody", 1, []cluster.Update{hold(x, 1)})
			return err
		},
		"Reap":     func(ctx context.Context) error { _, _, err := e.Reap(ctx); return err },
		"Read":     func(ctx context.Context) error { _, err := e.Read(ctx, []pusherhub.Topic{x}); return err },
		"Count":    func(ctx context.Context) error { _, err := e.Count(ctx, x); return err },
		"Channels": func(ctx context.Context) error { _, err := e.Channels(ctx, "app", ""); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), short/2)
		if err := call(ctx); err == nil {
			t.Errorf("%s: found no error while the server is away", name)
		}
		cancel()
	}
	n.engine.Unsubscribe([]pusherhub.Topic{channel("never")}) // does not wait
}

func testCut(t *testing.T, h Harness) {
	if h.Cut == nil {
		t.Log("the harness cannot cut engines from the server")
		return
	}
	nodes := newNodes(t, h, "a", "b")
	a, b := nodes[0], nodes[1]
	x, y := channel("x"), channel("y")
	b.subscribe(x, y, cluster.Commands)
	a.send(cluster.Post{Topic: x, Data: []byte("before"), Keep: inALongTime()})
	b.awaitReceived("before")
	a.apply(hold(x, 1))
	epoch := a.beat(long).Epoch
	for range 2 {
		ups := []int{a.upsSoFar(), b.upsSoFar()}
		h.Cut()
		expectErrors(t, a)
		a.awaitDown(ups[0])
		b.awaitDown(ups[1])
		b.engine.Unsubscribe([]pusherhub.Topic{x})
		h.Restore()
		a.awaitUp(ups[0] + 1)
		b.awaitUp(ups[1] + 1)

		// The register has everything, the new connections have no subscriptions.
		for _, n := range nodes {
			if p := n.beat(long); !p.Known || p.Epoch != epoch {
				t.Errorf("node %s: found the pulse %+v, expected that it is known, in the epoch %s", n.id, p, epoch)
			}
		}
		state := b.read(x)[0]
		expectHeld(t, "after the cut", state, entryKey{"a", ""})
		if string(state.Kept) != "before" && string(state.Kept) != "again" {
			t.Errorf("found %q kept, expected what was kept before the cut", state.Kept)
		}
		b.subscribe(y)
		marker := fmt.Sprint("after ", ups)
		a.send(post(x, "to nobody"), post(cluster.Commands, "to nobody"), post(y, marker))
		b.awaitReceived(marker)
		b.subscribe(x)
		a.send(post(x, marker+" x"))
		b.awaitReceived(marker + " x")
		seen := make(map[string]int)
		for _, data := range b.receivedSoFar() {
			seen[data]++
		}
		if seen["to nobody"] > 0 || seen[marker] != 1 || seen[marker+" x"] != 1 {
			t.Errorf("found %v received, expected each once, and nothing of what was not subscribed to", seen)
		}
	}
	expectMade(t, "after the cuts", a.apply(hold(x, 0)), lost(x, ""))
}

func testAway(t *testing.T, h Harness) {
	if h.Cut == nil {
		t.Log("the harness cannot cut engines from the server")
		return
	}
	first := newNode(t, h, "first") // so that there is something to cut, whatever the harness does
	ups := first.upsSoFar()
	h.Cut()
	first.awaitDown(ups)
	engine := h.Engine(t)
	n := &node{t: t, id: "a", engine: engine}
	if err := engine.Open(n); err != nil {
		t.Fatalf("opening while the server is away: %s", err)
	}
	t.Cleanup(n.close)
	expectErrors(t, n)
	closed := &node{t: t, id: "closed", engine: h.Engine(t)}
	if err := closed.engine.Open(closed); err != nil {
		t.Fatalf("opening while the server is away: %s", err)
	}
	closed.close() // does not wait for the server
	h.Restore()
	n.awaitUp(1)
	n.enter(long)
	n.subscribe(channel("y"))
	n.send(post(channel("y"), "after"))
	n.awaitReceived("after")
}

func testForget(t *testing.T, h Harness) {
	if h.Forget == nil {
		t.Log("the harness cannot make the server forget")
		return
	}
	nodes := newNodes(t, h, "a", "b")
	a, b := nodes[0], nodes[1]
	x := channel("presence-x")
	a.apply(hold(x, 1, "u"))
	b.subscribe(x)
	a.send(cluster.Post{Topic: x, Data: []byte("before"), Keep: inALongTime()})
	b.awaitReceived("before")
	old := a.beat(long)
	a.await("that the epoch is older than the next will be", func() bool { old = a.beat(long); return old.Age > 10*time.Millisecond })
	ups := []int{a.upsSoFar(), b.upsSoFar()}
	h.Forget()
	a.awaitUp(ups[0] + 1)
	b.awaitUp(ups[1] + 1)

	p := a.beat(long)
	if p.Known || p.Epoch == old.Epoch || p.Epoch == "" {
		t.Errorf("found the pulse %+v, expected that the node is not known, and another epoch than %s", p, old.Epoch)
	}
	if other := b.beat(long); other.Epoch != p.Epoch || other.Age < p.Age {
		t.Errorf("found the pulse %+v on another node after %+v, expected the same epoch, older", other, p)
	}
	if _, known := a.applyBatch(100, []cluster.Update{hold(x, 1)}); known {
		t.Error("found that the node is known in Apply")
	}
	state := b.read(x)[0]
	expectHeld(t, "after the memory was lost", state)
	if state.Kept != nil {
		t.Errorf("found %q kept, expected nothing", state.Kept)
	}
	if channels := b.channels("app", ""); len(channels) != 0 {
		t.Errorf("found the channels %v, expected none", channels)
	}
	again := []*node{{t: t, id: "a again", engine: a.engine}, {t: t, id: "b again", engine: b.engine}}
	for _, n := range again {
		n.enter(long)
	}
	expectMade(t, "restoring", again[0].apply(restored(hold(x, 1, "u"))))
	expectMade(t, "a loss during the gap", again[1].apply(restored(hold(x, 0, "-v"))), lost(x, "v"))
	b.subscribe(x)
	a.send(post(x, "after"))
	b.awaitReceived("after")
}
