package hubtest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// crew is a cluster whose nodes are witnesses.
type crew struct {
	testing.TB
	Cluster
	open     func() pusherhub.Broker
	patience time.Duration
	ledger   ledger
	nodes    int // how many have come
}

func newCrew(t testing.TB, c Cluster, open func() pusherhub.Broker, patience time.Duration) *crew {
	return &crew{TB: t, Cluster: c, open: open, patience: patience}
}

// eventually waits until done reports true.
func (x *crew) eventually(what string, done func() bool) {
	x.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	limit := time.NewTimer(x.patience)
	defer limit.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-limit.C:
			x.Fatalf("waited %s in vain: %s", x.patience, what)
		}
	}
}

// within runs f, which must return in time and must not end its goroutine.
func (x *crew) within(what string, f func()) {
	x.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	limit := time.NewTimer(x.patience)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		x.Fatalf("%s does not return within %s", what, x.patience)
	}
}

// enlist opens n more nodes and waits until they reach each other.
func (x *crew) enlist(n int) []*witness {
	x.Helper()
	list := make([]*witness, n)
	for i := range list {
		list[i] = x.newWitness()
	}
	for _, w := range list {
		w.expectReady(true)
	}
	x.settle(list...)
	return list
}

// expectReady waits until the node reaches the others, or notices that it does not, if its broker says so.
func (w *witness) expectReady(yes bool) {
	w.x.Helper()
	if b, says := w.RosterBroker.(pusherhub.ReadyBroker); says {
		w.x.eventually(fmt.Sprintf("%s is ready: %t", w.name, yes), func() bool { return (b.Ready() == nil) == yes })
	}
}

// witness stands for a hub: it keeps what its broker tells it, and says what a broker must not do.
type witness struct {
	pusherhub.RosterBroker
	x    *crew
	name string

	mu        sync.Mutex
	delivered []delivery          // guarded by mu
	executed  []pusherhub.Command // guarded by mu
	closed    bool                // guarded by mu: the broker's Close has returned

	interests map[pusherhub.Topic]bool  // guarded by mu: channels of which it may be told
	views     map[pusherhub.Topic]*view // guarded by mu: what it was told of the topics that it follows
	busy      map[pusherhub.Topic]bool  // guarded by mu: topics of which it is being told

	ending atomic.Bool // nobody hears its reports any more

	onDeliver func(m *pusherhub.Message) // called first, with no lock held; set before the node is used
}

// view is what a node was told that the others hold of a topic.
type view struct {
	count   int
	members map[string]string // data by user
	cached  *pusherhub.Message
	told    int // how often
}

func (x *crew) newWitness() *witness {
	x.Helper()
	x.nodes++
	name := fmt.Sprint("node ", x.nodes)
	broker, ok := x.open().(pusherhub.RosterBroker)
	if !ok {
		x.Fatal("found a broker that is no RosterBroker, expected one")
	}
	w := &witness{
		RosterBroker: broker, x: x, name: name,
		interests: make(map[pusherhub.Topic]bool), views: make(map[pusherhub.Topic]*view), busy: make(map[pusherhub.Topic]bool),
	}
	x.within("Open", func() {
		if err := broker.Open(context.Background(), w); err != nil {
			x.Errorf("opening the broker of %s: %v", name, err)
		}
	})
	x.Cleanup(w.close)
	return w
}

// close ends the node's broker.
func (w *witness) close() {
	w.x.Helper()
	w.x.within("Close", func() {
		if err := w.Close(); err != nil {
			w.x.Errorf("closing the broker of %s: %v", w.name, err)
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// called says that the broker calls the node. The caller holds mu.
func (w *witness) called(how string) {
	if w.closed {
		w.x.Errorf("%s: %s was called after Close had returned", w.name, how)
	}
}

// Deliver keeps a message.
func (w *witness) Deliver(m *pusherhub.Message) {
	if w.onDeliver != nil {
		w.onDeliver(m)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.called("Deliver")
	if !w.interests[pusherhub.Topic{App: m.App, Channel: m.Channel}] {
		w.x.Errorf("%s got %.100q of channel %s, to which it is not subscribed", w.name, m.Payload, m.Channel)
	}
	w.delivered = append(w.delivered, delivery{m, copyOf(m)})
}

// Execute keeps a command.
func (w *witness) Execute(c pusherhub.Command) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.called("Execute")
	w.executed = append(w.executed, c)
}

// Roster takes over what the others hold.
func (w *witness) Roster(r pusherhub.Roster) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.called("Roster")
	if w.busy[r.Topic] {
		w.x.Errorf("%s is told of %s while it is being told of it", w.name, show(r.Topic))
	}
	w.busy[r.Topic] = true
	w.mu.Unlock()
	runtime.Gosched() // who calls at the same time is seen
	w.mu.Lock()
	w.busy[r.Topic] = false
	v, follows := w.views[r.Topic]
	if !follows {
		return
	}
	v.take(w, r)
}

func (v *view) take(w *witness, r pusherhub.Roster) {
	if v.told == 0 && !r.Full {
		w.x.Errorf("%s: the first that it is told of %s is %+v, expected a full roster", w.name, show(r.Topic), r)
	}
	if r.Full && len(r.Gone) > 0 || !r.Full && r.Cached != nil {
		w.x.Errorf("%s is told %+v of %s, expected Gone without Full, and Cached with it", w.name, r, show(r.Topic))
	}
	v.told++
	v.count = r.Count
	if r.Full || v.members == nil {
		v.members, v.cached = make(map[string]string), r.Cached
	}
	changed := make(map[string]bool)
	for _, m := range r.Members {
		if changed[m.UserID] {
			w.x.Errorf("%s is told twice at once of user %q on %s", w.name, m.UserID, show(r.Topic))
		}
		changed[m.UserID] = true
		v.members[m.UserID] = string(bytes.Clone(m.Info))
	}
	for _, id := range r.Gone {
		if changed[id] {
			w.x.Errorf("%s is told that user %q on %s is there and gone at once", w.name, id, show(r.Topic))
		}
		delete(v.members, id)
	}
}

// Report writes a transition into the ledger.
func (w *witness) Report(t pusherhub.Transition) {
	w.mu.Lock()
	w.called("Report")
	w.mu.Unlock()
	w.x.ledger.note(w, t)
}

// Reports is false for a node that ends.
func (w *witness) Reports() bool { return !w.ending.Load() }

// told returns what the node knows that the others hold.
func (w *witness) told(t pusherhub.Topic) (v view, found bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found = w.views[t] != nil && w.views[t].told > 0
	if found {
		v = *w.views[t]
		v.members = maps.Clone(v.members)
	}
	return v, found
}

// follows reports whether the node is to be told of a topic.
func (w *witness) follows(t pusherhub.Topic) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.views[t] != nil
}

// expectView waits until the node knows that the others hold count of a topic and have these members, data by user.
func (w *witness) expectView(t pusherhub.Topic, count int, members map[string]string) {
	w.x.Helper()
	var v view
	w.x.eventuallyOr(w.name+" knows what the others hold of "+show(t), func() bool {
		var found bool
		v, found = w.told(t)
		return found && v.count == count && maps.Equal(v.members, members)
	}, func() string {
		return fmt.Sprintf("%s was told that the others hold %d of %s with members %v, expected %d with %v", w.name, v.count, show(t), v.members, count, members)
	})
}

// show is a topic in words.
func show(t pusherhub.Topic) string {
	switch {
	case t.Channel != "":
		return "channel " + t.Channel
	case t.UserID != "":
		return "user " + t.UserID
	}
	return "app " + t.App
}
