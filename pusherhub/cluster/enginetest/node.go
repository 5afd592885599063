package enginetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const (
	long  = 10 * time.Minute       // a lease that does not end during a test
	short = 300 * time.Millisecond // one that a test waits for
)

// node is a node of a cluster: an engine, and what it has been called with.
type node struct {
	t      *testing.T
	id     string
	engine cluster.Engine
	batch  uint64 // owned by the test's goroutine of this node

	mu       sync.Mutex
	closed   bool
	up       bool
	ups      int
	received []string
	changes  []cluster.Change
}

// newNode opens an engine and waits until it has a connection.
func newNode(t *testing.T, h Harness, id string) *node {
	t.Helper()
	n := &node{t: t, id: id, engine: h.Engine(t)}
	if err := n.engine.Open(n); err != nil {
		t.Fatalf("opening the engine: %s", err)
	}
	t.Cleanup(n.close)
	n.awaitUp(1)
	return n
}

// newNodes opens engines for several nodes and enters them with a long lease.
func newNodes(t *testing.T, h Harness, ids ...string) (nodes []*node) {
	t.Helper()
	for _, id := range ids {
		n := newNode(t, h, id)
		n.enter(long)
		nodes = append(nodes, n)
	}
	return nodes
}

func (n *node) close() {
	if err := n.engine.Close(); err != nil {
		n.t.Errorf("closing the engine of %s: %s", n.id, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
}

// called notes that the engine calls the node. It holds the lock until the function that it returns is called.
func (n *node) called(what string) (done func()) {
	n.mu.Lock()
	if n.closed {
		n.t.Errorf("%s of node %s was called after Close", what, n.id)
	}
	return n.mu.Unlock
}

// Up is [cluster.Handler].Up.
func (n *node) Up() {
	defer n.called("Up")()
	if n.up {
		n.t.Errorf("node %s: found Up after Up, expected Down in between", n.id)
	}
	n.up = true
	n.ups++
}

// Down is [cluster.Handler].Down.
func (n *node) Down(err error) {
	defer n.called("Down")()
	if err == nil {
		n.t.Errorf("node %s: found Down without an error", n.id)
	}
	n.up = false
}

// Receive is [cluster.Handler].Receive.
func (n *node) Receive(data []byte) {
	defer n.called("Receive")()
	n.received = append(n.received, string(data))
}

// Change is [cluster.Handler].Change.
func (n *node) Change(c cluster.Change) {
	defer n.called("Change")()
	n.changes = append(n.changes, c)
}

// LeftOut is [cluster.Handler].LeftOut.
func (n *node) LeftOut(_ pusherhub.Topic, user string, why error) {
	defer n.called("LeftOut")()
	n.t.Errorf("node %s: found that %q was left out: %s", n.id, user, why)
}

// Ignored is [cluster.Handler].Ignored.
func (n *node) Ignored() {
	defer n.called("Ignored")()
	n.t.Errorf("node %s: found something that the engine does not understand", n.id)
}

// awaitUp waits until there has been a connection so many times, and there is one.
func (n *node) awaitUp(times int) {
	n.t.Helper()
	hubtest.Eventually(n.t, fmt.Sprintf("connection %d of %s", times, n.id), func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.up && n.ups >= times
	})
}

// awaitDown waits until the engine has told that the connection is lost, now or since it had so many.
func (n *node) awaitDown(ups int) {
	n.t.Helper()
	hubtest.Eventually(n.t, "that "+n.id+" loses its connection", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return !n.up || n.ups > ups
	})
}

func (n *node) upsSoFar() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ups
}

func (n *node) receivedSoFar() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.received)
}

func (n *node) changesSoFar() []cluster.Change {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.changes)
}

// versions returns the versions of topics as they are now.
func (n *node) versions(topics ...pusherhub.Topic) map[pusherhub.Topic]uint64 {
	n.t.Helper()
	versions := make(map[pusherhub.Topic]uint64)
	for i, state := range n.read(topics...) {
		versions[topics[i]] = state.Version
	}
	return versions
}

// changesAfter returns the changes so far without those that a read has shown already: on its way to who has just subscribed, one may come late.
func (n *node) changesAfter(versions map[pusherhub.Topic]uint64) []cluster.Change {
	return slices.DeleteFunc(n.changesSoFar(), func(c cluster.Change) bool { return c.Version <= versions[c.Topic] })
}

// awaitReceived waits until the last of what was received is this, and returns all.
func (n *node) awaitReceived(last string) (all []string) {
	n.t.Helper()
	hubtest.Eventually(n.t, fmt.Sprintf("that %s receives %.40q", n.id, last), func() bool {
		all = n.receivedSoFar()
		return len(all) > 0 && all[len(all)-1] == last
	})
	return all
}

// try calls until there is no error, as a broker does.
func (n *node) try(what string, call func(ctx context.Context) error) {
	n.t.Helper()
	var err error
	defer func() {
		if n.t.Failed() && err != nil {
			n.t.Logf("%s of %s: the last error was: %s", what, n.id, err)
		}
	}()
	hubtest.Eventually(n.t, what+" of "+n.id+" without an error", func() bool {
		ctx, cancel := context.WithTimeout(n.t.Context(), hubtest.Patience)
		defer cancel()
		err = call(ctx)
		return err == nil
	})
}

func (n *node) subscribe(topics ...pusherhub.Topic) {
	n.t.Helper()
	n.try("Subscribe", func(ctx context.Context) error { return n.engine.Subscribe(ctx, topics) })
}

// send sends posts; those that have not been accepted are sent again.
func (n *node) send(posts ...cluster.Post) {
	n.t.Helper()
	n.try("Send", func(ctx context.Context) error {
		accepted, err := n.engine.Send(ctx, posts)
		if accepted < 0 || accepted > len(posts) || err == nil && accepted != len(posts) {
			n.t.Errorf("sending %d posts: found %d accepted, with the error %v", len(posts), accepted, err)
		}
		posts = posts[min(max(accepted, 0), len(posts)):]
		return err
	})
}

func (n *node) enter(ttl time.Duration) (p cluster.Pulse) {
	n.t.Helper()
	n.try("Enter", func(ctx context.Context) (err error) {
		p, err = n.engine.Enter(ctx, n.id, ttl)
		return err
	})
	if !p.Known {
		n.t.Errorf("found that %s is not known after Enter", n.id)
	}
	return p
}

func (n *node) beat(ttl time.Duration) (p cluster.Pulse) {
	n.t.Helper()
	n.try("Beat", func(ctx context.Context) (err error) {
		p, err = n.engine.Beat(ctx, n.id, ttl)
		return err
	})
	return p
}

func (n *node) resign() {
	n.t.Helper()
	n.try("Resign", func(ctx context.Context) error { return n.engine.Resign(ctx, n.id) })
}

// apply applies a new batch.
func (n *node) apply(updates ...cluster.Update) (made []pusherhub.Transition) {
	n.t.Helper()
	n.batch++
	made, known := n.applyBatch(n.batch, updates)
	if !known {
		n.t.Errorf("found that %s is not known in Apply", n.id)
	}
	return made
}

func (n *node) applyBatch(batch uint64, updates []cluster.Update) (made []pusherhub.Transition, known bool) {
	n.t.Helper()
	n.try("Apply", func(ctx context.Context) (err error) {
		made, known, err = n.engine.Apply(ctx, n.id, batch, updates)
		return err
	})
	return made, known
}

// reapPart calls Reap once.
func (n *node) reapPart() (made []pusherhub.Transition, more bool) {
	n.t.Helper()
	n.try("Reap", func(ctx context.Context) (err error) {
		made, more, err = n.engine.Reap(ctx)
		return err
	})
	return made, more
}

// reap reaps until there is no more.
func (n *node) reap() (made []pusherhub.Transition) {
	n.t.Helper()
	for more := true; more; {
		var part []pusherhub.Transition
		part, more = n.reapPart()
		made = append(made, part...)
	}
	return made
}

func (n *node) read(topics ...pusherhub.Topic) (states []cluster.State) {
	n.t.Helper()
	n.try("Read", func(ctx context.Context) (err error) {
		states, err = n.engine.Read(ctx, topics)
		return err
	})
	if len(states) != len(topics) {
		n.t.Fatalf("reading %d topics: found %d states", len(topics), len(states))
	}
	return states
}

func (n *node) count(topic pusherhub.Topic) (h pusherhub.Holding) {
	n.t.Helper()
	n.try("Count", func(ctx context.Context) (err error) {
		h, err = n.engine.Count(ctx, topic)
		return err
	})
	return h
}

func (n *node) channels(app, prefix string) (channels map[string]pusherhub.Holding) {
	n.t.Helper()
	n.try("Channels", func(ctx context.Context) (err error) {
		channels, err = n.engine.Channels(ctx, app, prefix)
		return err
	})
	return channels
}

// await is Eventually.
func (n *node) await(what string, done func() bool) {
	n.t.Helper()
	hubtest.Eventually(n.t, "node "+n.id+" awaits "+what, done)
}
