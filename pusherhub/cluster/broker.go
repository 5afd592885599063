// Package cluster is a broker for many nodes, on any server that can carry messages and keep a register: an [Engine].
//
// # What happens to a message
//
// Publish delivers it on this node and puts it into the spool. The flusher sends it, as an envelope, to the topic of its channel. The engine
// brings it to the nodes that follow the topic, this one included, which ignores what is its own. Each node drops what it has received before, so a
// message whose acceptance was not answered is sent again.
//
// # What happens to what a node holds
//
// The holdings note what this node holds and what of that the register knows; the flusher enters the difference. The register says which
// transitions that made, and has the nodes that follow the topic told. A node reads a topic when it begins to follow it, whenever it is connected again, and
// once in a while besides; in between it carries out the changes.
//
// # Goroutines and locks
//
// The keeper keeps this node's lease, the flusher writes, the follower subscribes and reads; Close waits for all of them. The locks of link,
// spool, holdings and follows are leaves. The one of a followed topic is held while the node is called about it.
package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// leftOutPause is the least time between two lines of the log about what was left out.
const leftOutPause = 5 * time.Second

// Broker is a broker for many nodes. It implements [pusherhub.RosterBroker], [pusherhub.ReadyBroker] and [pusherhub.Measurer]. A server that is away for longer than it
// answers slowly costs no calls: events are then delivered on this node, and the rest is made up for when the server is back.
type Broker struct {
	engine Engine  // static, as everything down to the next group
	o      Options // with defaults
	origin string  // names this process: another one after every start
	ctx    context.Context
	cancel context.CancelFunc

	node pusherhub.Node // static after Open

	calls callGate
	work  sync.WaitGroup // the goroutines

	link     link
	spool    spool
	holdings *holdings
	follows  *follows
	steady   steadiness
	counters counters
	nodes    atomic.Int64 // nodes that have a lease

	beats, writes, reads complaint // of the goroutines
	leftOut              rate.Sometimes

	followedIn atomic.Uint64 // the session in which everything is followed
	flushedIn  atomic.Uint64 // the session in which everything was written once
	lostCount  atomic.Uint64 // what the spool had dropped when the connection was lost

	flushKick, followKick, beatKick chan struct{} // hold a token when there is something to do
}

// New returns a broker for one hub. The engine is the broker's.
func New(engine Engine, o Options) *Broker {
	o = o.withDefaults()
	b := &Broker{
		engine: engine, o: o, origin: rand.Text(),
		holdings: newHoldings(), follows: newFollows(),
		leftOut:   rate.Sometimes{Interval: leftOutPause},
		flushKick: make(chan struct{}, 1), followKick: make(chan struct{}, 1), beatKick: make(chan struct{}, 1),
	}
	b.spool.max, b.spool.age = o.SpoolBytes, o.SpoolAge
	b.link.name = o.Name
	b.link.changed = make(chan struct{})
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Open connects the broker to its node, see [pusherhub.Broker].
func (b *Broker) Open(_ context.Context, node pusherhub.Node) error {
	b.node = node
	b.link.since = time.Now()
	b.follows.add(Commands)
	b.work.Go((&keeper{b: b}).run)
	b.work.Go((&flusher{b: b}).run)
	b.work.Go((&follower{b: b, most: followBatch}).run)
	if err := b.engine.Open(handler{b}); err != nil {
		b.cancel()
		b.work.Wait()
		return fmt.Errorf("opening the engine: %w", err)
	}
	b.calls.open()
	return nil
}

// Publish delivers m on this node and sends it to the others, see [pusherhub.Broker]. When too many messages wait for a server that is connected but slow, it waits
// for 1s at most, and then returns an error and delivers nothing. A server that answers nothing at all meanwhile counts as away.
func (b *Broker) Publish(ctx context.Context, m *pusherhub.Message) error {
	if !b.calls.enter() {
		return pusherhub.ErrBrokerClosed
	}
	defer b.calls.leave()
	began := time.Now()
	err := b.spool.add(ctx, m, b.apartOrSilent)
	if err != nil && time.Since(began) >= roomTimeout && b.link.waitedInVain(began) {
		err = b.spool.add(ctx, m, b.apartOrSilent)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.o.Name, err)
	}
	b.flushSoon()
	if f := b.follows.get(pusherhub.Topic{App: m.App, Channel: m.Channel}); f != nil {
		f.mu.RLock()
		defer f.mu.RUnlock()
		if !f.ended {
			b.node.Deliver(m)
		}
	}
	return nil
}

// Broadcast executes c on this node and sends it to the others, see [pusherhub.Broker]. It waits for 2s at most until the server has it.
func (b *Broker) Broadcast(ctx context.Context, c pusherhub.Command) error {
	if !b.calls.enter() {
		return pusherhub.ErrBrokerClosed
	}
	defer b.calls.leave()
	if apart, _ := b.apart(); apart {
		b.node.Execute(c)
		return b.awayError()
	}
	q := b.spool.addCommand(&c)
	b.flushSoon()
	b.node.Execute(c)
	timeout := time.NewTimer(waitTimeout)
	defer timeout.Stop()
	for {
		apart, changed := b.apart()
		if apart {
			b.spool.withdraw(q)
			return b.awayError()
		}
		select {
		case <-q.accepted:
			return nil
		case <-changed:
		case <-timeout.C:
			b.spool.withdraw(q)
			return fmt.Errorf("%s: the command was not accepted for %s", b.o.Name, waitTimeout)
		case <-ctx.Done():
			b.spool.withdraw(q)
			return fmt.Errorf("%s: waiting until the command is accepted: %w", b.o.Name, ctx.Err())
		}
	}
}

// Close says goodbye, so that other nodes need not wait until the lease ends, see [pusherhub.Broker]. It tries for a moment to send what still waits.
func (b *Broker) Close() error {
	if !b.calls.close() {
		return nil
	}
	b.sendRest()
	b.cancel()
	b.calls.wait()
	b.work.Wait()
	b.resign()
	if err := b.engine.Close(); err != nil {
		return fmt.Errorf("closing the engine: %w", err)
	}
	return nil
}

// sendRest waits for a moment until the spool is empty. Messages that wait for other nodes to come back wait no more.
func (b *Broker) sendRest() {
	b.link.sendNow()
	b.flushSoon()
	end := time.Now().Add(closeTimeout)
	for time.Now().Before(end) {
		n, _ := b.spool.size()
		if away, _ := b.away(); away || n == 0 {
			return
		}
		b.wait(nil, nil, time.Millisecond)
	}
}

// resign ends the lease.
func (b *Broker) resign() {
	node := b.holdings.nodeID()
	if away, _ := b.away(); away || node == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := b.engine.Resign(ctx, node); err != nil {
		b.o.Logger.Warn("ending the lease", zap.String("broker", b.o.Name), zap.Error(err))
	}
}

// away says that the server cannot be reached, or has not answered for as long as a lease lasts.
func (b *Broker) away() (away bool, changed <-chan struct{}) { return b.link.away(b.o.ttl()) }

// apart says that messages do not reach the other nodes now: the server is away, or they are given the time to come back.
func (b *Broker) apart() (apart bool, changed <-chan struct{}) {
	apart, changed = b.away()
	return apart || time.Now().Before(b.link.sendsAt()), changed
}

// apartOrSilent says that messages are not worth waiting for: they do not reach the others, or somebody has waited in vain already.
func (b *Broker) apartOrSilent() (apart bool, changed <-chan struct{}) {
	apart, changed = b.apart()
	return apart || b.link.silent(), changed
}

func (b *Broker) awayError() error {
	if err := b.link.problem(b.o.ttl()); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", b.o.Name, errors.New("the connection was lost"))
}

// call makes a call of the engine.
func (b *Broker) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := f(ctx)
	b.link.note(err)
	return err
}

// wait waits for whatever comes first. Without a duration it waits for the others only.
func (b *Broker) wait(changed, kicked <-chan struct{}, d time.Duration) {
	var timeout <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-changed:
	case <-kicked:
	case <-timeout:
	case <-b.ctx.Done():
	}
}

func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (b *Broker) flushSoon() { kick(b.flushKick) }

// callGate lets calls in until it is closed, and waits for those that are inside.
type callGate struct {
	mu     sync.RWMutex // not held during calls, which may be nested
	opened bool         // guarded by mu
	inside sync.WaitGroup
}

func (g *callGate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = true
}

func (g *callGate) enter() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.opened {
		g.inside.Add(1)
	}
	return g.opened
}

func (g *callGate) leave() { g.inside.Done() }

// close reports whether it was open.
func (g *callGate) close() (was bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was, g.opened = g.opened, false
	return was
}

func (g *callGate) wait() { g.inside.Wait() }
