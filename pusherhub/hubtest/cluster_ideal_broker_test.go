package hubtest

import (
	"context"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// idealBroker is the broker of a node of an ideal cluster. The calls of its node are made in order in one goroutine.
type idealBroker struct {
	in *ideal

	// Guarded by the cluster's mu.
	node       pusherhub.Node
	wants      *idealNode
	follows    map[pusherhub.Topic]int // channels included
	subscribed map[pusherhub.Topic]int
	spool      []*pusherhub.Message // what waits for the others
	last       *pusherhub.Message
	absent     bool
	absences   int
	closed     bool
	timers     []*time.Timer

	queueMu sync.Mutex // after the cluster's mu
	queue   []func()   // guarded by queueMu
	more    sync.Cond
	ending  bool          // guarded by queueMu
	closing chan struct{} // closed when Close begins
	done    chan struct{} // closed when the node is called no more
}

func (d *ideal) broker() *idealBroker {
	b := &idealBroker{
		in: d, wants: newIdealNode(), follows: make(map[pusherhub.Topic]int), subscribed: make(map[pusherhub.Topic]int),
		closing: make(chan struct{}), done: make(chan struct{}),
	}
	b.more.L = &b.queueMu
	return b
}

func (b *idealBroker) Open(_ context.Context, node pusherhub.Node) error {
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	b.node = node
	b.in.nodes = append(b.in.nodes, b)
	go b.work()
	b.in.enter(b)
	return nil
}

// work calls the node until the broker is closed.
func (b *idealBroker) work() {
	defer close(b.done)
	b.queueMu.Lock()
	defer b.queueMu.Unlock()
	for {
		for len(b.queue) == 0 && !b.ending {
			b.more.Wait()
		}
		if len(b.queue) == 0 {
			return
		}
		f := b.queue[0]
		b.queue = b.queue[1:]
		if b.in.flaw == "swaps" && len(b.queue) > 3 {
			f, b.queue[0] = b.queue[0], f
		}
		b.queueMu.Unlock()
		f()
		b.queueMu.Lock()
	}
}

// call has the node called later.
func (b *idealBroker) call(f func()) {
	b.queueMu.Lock()
	defer b.queueMu.Unlock()
	b.queue = append(b.queue, f)
	b.more.Signal()
}

// wait waits until the calls so far were made.
func (b *idealBroker) wait() {
	done := make(chan struct{})
	b.call(func() { close(done) })
	select {
	case <-done:
	case <-b.closing:
	}
}

// deliver has the node get a message, if it still wants it then.
func (b *idealBroker) deliver(m *pusherhub.Message) {
	t := pusherhub.Topic{App: m.App, Channel: m.Channel}
	b.call(func() {
		b.in.mu.Lock()
		wanted := b.subscribed[t] > 0 || b.in.flaw == "floods"
		b.in.mu.Unlock()
		if wanted {
			b.node.Deliver(m)
		}
	})
}

func (b *idealBroker) report(t pusherhub.Transition) {
	if b.in.flaw == "reports nothing" || b.in.flaw == "loses losses" && !t.Gained {
		return
	}
	b.call(func() { b.node.Report(t) })
}

// locked runs f unless the broker is closed.
func (b *idealBroker) locked(f func()) error {
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	if b.closed {
		return pusherhub.ErrBrokerClosed
	}
	f()
	return nil
}

func (b *idealBroker) Publish(_ context.Context, m *pusherhub.Message) error {
	return b.locked(func() {
		b.last = m
		b.deliver(m)
		switch {
		case b.in.flaw == "is alone":
		case b.in.reached(b):
			b.in.spread(b, m)
		default:
			b.spool = append(b.spool, m)
		}
	})
}

func (b *idealBroker) Broadcast(_ context.Context, c pusherhub.Command) error {
	var err error
	if closed := b.locked(func() {
		b.call(func() { b.node.Execute(c) })
		if !b.in.reached(b) {
			err = errIdealAway
			return
		}
		for _, other := range b.in.nodes {
			if other != b && b.in.reached(other) && b.in.flaw != "commands nobody" {
				other.call(func() { other.node.Execute(c) })
			}
		}
	}); closed != nil {
		return closed
	}
	b.wait()
	return err
}

func (b *idealBroker) Subscribe(app, channel string) error {
	if b.in.flaw == "subscribes late" {
		time.AfterFunc(10*time.Millisecond, func() { b.turn(app, channel, 1) })
		return nil
	}
	b.turn(app, channel, 1)
	b.wait()
	return nil
}

func (b *idealBroker) Unsubscribe(app, channel string) error {
	b.turn(app, channel, -1)
	b.wait()
	return nil
}

func (b *idealBroker) turn(app, channel string, by int) {
	t := pusherhub.Topic{App: app, Channel: channel}
	_ = b.locked(func() {
		b.subscribed[t] += by
		b.follow(by, t)
	})
}

// follow follows topics once more or less. The caller holds the cluster's mu.
func (b *idealBroker) follow(by int, topics ...pusherhub.Topic) {
	for _, t := range topics {
		if b.follows[t] += by; b.follows[t] <= 0 || by < 0 && b.in.flaw == "forgets who follows" {
			delete(b.follows, t)
		}
		if by > 0 && b.in.reached(b) {
			b.in.tell(b, t, b.in.flaw != "begins with less")
		}
	}
}

func (b *idealBroker) Follow(topics ...pusherhub.Topic) {
	_ = b.locked(func() { b.follow(1, topics...) })
	b.wait()
}

func (b *idealBroker) Unfollow(topics ...pusherhub.Topic) {
	_ = b.locked(func() { b.follow(-1, topics...) })
	b.wait()
}

// change changes what the node holds.
func (b *idealBroker) change(f func(*idealNode)) {
	_ = b.locked(func() {
		f(b.wants)
		if b.in.reached(b) {
			b.in.change(b, b, func() { b.in.state[b] = b.wants.clone() })
		}
	})
	if b.in.flaw == "calls back" {
		b.call(func() { b.node.Roster(pusherhub.Roster{}) })
		b.wait()
	}
}

func (b *idealBroker) Hold(t pusherhub.Topic, count int) {
	b.change(func(n *idealNode) {
		if n.counts[t] = count; count == 0 {
			delete(n.counts, t)
		}
	})
}

func (b *idealBroker) Join(t pusherhub.Topic, m pusherhub.Member) {
	b.change(func(n *idealNode) {
		if n.members[t] == nil {
			n.members[t] = make(map[string]pusherhub.Member)
		}
		n.members[t][m.UserID] = m
	})
}

func (b *idealBroker) Leave(t pusherhub.Topic, userID string) {
	b.change(func(n *idealNode) { delete(n.members[t], userID) })
}

func (b *idealBroker) Settle(context.Context) error {
	b.wait()
	return nil
}

func (b *idealBroker) Ready() error {
	return b.in.lookup(b, func() {})
}

func (b *idealBroker) Close() error {
	b.in.mu.Lock()
	if !b.closed {
		close(b.closing)
	}
	switch {
	case b.closed || b.node == nil || b.in.state[b] == nil:
	case b.in.flaw == "keeps what it held":
		time.AfterFunc(2*b.in.lease, func() {
			b.in.mu.Lock()
			defer b.in.mu.Unlock()
			b.in.drop(b)
		})
	default:
		b.in.drop(b)
	}
	b.closed = true
	for _, t := range b.timers {
		t.Stop()
	}
	b.in.mu.Unlock()
	b.queueMu.Lock()
	b.ending = true
	b.more.Signal()
	b.queueMu.Unlock()
	if b.node != nil {
		<-b.done
	}
	return nil
}

// It passes the suite itself, and what a third broker needs to do for that can be read in it.
var _ pusherhub.RosterBroker = (*idealBroker)(nil)
