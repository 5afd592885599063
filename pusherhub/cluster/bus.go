package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// reapAtOnce is how many entries one call of Reap takes.
const reapAtOnce = 1000

// Errors of a [Bus].
var (
	// ErrEngineClosed is what an engine answers before Open and after Close.
	ErrEngineClosed = errors.New("the engine is not open")

	// ErrBusCut is what an engine answers while it is cut from its bus ([Bus.Cut]).
	ErrBusCut = errors.New("the bus cannot be reached")

	// ErrAnswerLost is what an engine answers when the answer was lost ([Bus.LoseAnswer]).
	ErrAnswerLost = errors.New("the answer was lost")
)

// Bus joins several brokers of one process, as a server would: for tests of a cluster, with faults that a test wants. Each broker needs an [Engine] of its own. All of them get
// what they have subscribed to, later and in order.
type Bus struct {
	// mu guards everything of the bus and of its engines. Lock order: mu, the register's lock. No handler is called with mu held.
	mu       sync.Mutex
	away     bool // engines that are opened are cut
	register *Register
	engines  map[*busEngine]struct{} // those that are open
	topics   map[pusherhub.Topic]map[*busEngine]struct{}
}

// NewBus returns a bus with an empty register.
func NewBus() *Bus {
	b := &Bus{engines: make(map[*busEngine]struct{}), topics: make(map[pusherhub.Topic]map[*busEngine]struct{})}
	b.register = NewRegister(time.Now(), b.change, nil)
	return b
}

// Engine returns a new engine on the bus, for one broker.
func (b *Bus) Engine() Engine {
	e := &busEngine{bus: b, topics: make(map[pusherhub.Topic]struct{}), resumed: make(chan struct{})}
	e.wake.L = &b.mu
	close(e.resumed)
	return e
}

// change passes on a change of the register. The bus is locked, by the call that made it.
func (b *Bus) change(c Change) {
	for e := range b.topics[c.Topic] {
		e.queue(func(h Handler) { h.Change(c) })
	}
}

// busEngine is the engine of one broker on a bus.
type busEngine struct {
	bus *Bus

	// Guarded by bus.mu.
	handler Handler // nil before Open
	closed  bool
	cut     bool
	lose    bool          // the next answer
	resumed chan struct{} // closed, unless the engine is stalled
	topics  map[pusherhub.Topic]struct{}
	queued  []delivery
	wake    sync.Cond

	delivering sync.WaitGroup // the goroutine that deliver runs in
}

// delivery is one call of a handler.
type delivery struct {
	call func(Handler)
	link bool // it tells of the connection: it is not lost with it
}

// queue has the handler called later. The bus must be locked.
func (e *busEngine) queue(call func(Handler)) {
	e.queued = append(e.queued, delivery{call: call})
	e.wake.Signal()
}

// deliver calls the handler until the engine is closed.
func (e *busEngine) deliver() {
	e.bus.mu.Lock()
	defer e.bus.mu.Unlock()
	for {
		for !e.closed && (len(e.queued) == 0 || e.stalled()) {
			e.wake.Wait()
		}
		if e.closed {
			return
		}
		next := e.queued[0]
		e.queued[0] = delivery{}
		e.queued = e.queued[1:]
		e.bus.mu.Unlock()
		next.call(e.handler)
		e.bus.mu.Lock()
	}
}

// begin locks the bus for a call, or says why the call fails.
func (e *busEngine) begin(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e.bus.mu.Lock()
		switch {
		case e.handler == nil || e.closed:
			e.bus.mu.Unlock()
			return ErrEngineClosed
		case e.cut:
			e.bus.mu.Unlock()
			return ErrBusCut
		case !e.stalled():
			return nil
		}
		resumed := e.resumed
		e.bus.mu.Unlock()
		select {
		case <-resumed:
		case <-ctx.Done():
		}
	}
}

// answered ends a call, whose answer may get lost.
func (e *busEngine) answered() error {
	defer e.bus.mu.Unlock()
	if e.lose {
		e.lose = false
		return ErrAnswerLost
	}
	return nil
}

func (e *busEngine) Open(h Handler) error {
	b := e.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.handler != nil || e.closed {
		return errors.New("opening an engine of a bus: it has been opened before")
	}
	e.handler = h
	b.engines[e] = struct{}{}
	if e.cut = e.cut || b.away; !e.cut {
		e.up()
	}
	e.delivering.Go(e.deliver)
	return nil
}

func (e *busEngine) Subscribe(ctx context.Context, topics []pusherhub.Topic) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.bus.mu.Unlock()
	for _, t := range topics {
		e.topics[t] = struct{}{}
		engines := e.bus.topics[t]
		if engines == nil {
			engines = make(map[*busEngine]struct{})
			e.bus.topics[t] = engines
		}
		engines[e] = struct{}{}
	}
	return nil
}

func (e *busEngine) Unsubscribe(topics []pusherhub.Topic) {
	e.bus.mu.Lock()
	defer e.bus.mu.Unlock()
	e.unsubscribe(topics)
}

// unsubscribe ends subscriptions. The bus must be locked.
func (e *busEngine) unsubscribe(topics []pusherhub.Topic) {
	for _, t := range topics {
		delete(e.topics, t)
		engines := e.bus.topics[t]
		delete(engines, e)
		if len(engines) == 0 {
			delete(e.bus.topics, t)
		}
	}
}

func (e *busEngine) Send(ctx context.Context, posts []Post) (accepted int, err error) {
	if err := e.begin(ctx); err != nil {
		return 0, err
	}
	e.bus.register.Keep(time.Now(), posts)
	for _, post := range posts {
		for to := range e.bus.topics[post.Topic] {
			to.queue(func(h Handler) { h.Receive(post.Data) })
		}
	}
	if err := e.answered(); err != nil {
		return 0, err
	}
	return len(posts), nil
}

func (e *busEngine) Close() error {
	e.bus.mu.Lock()
	if !e.closed {
		e.closed = true
		e.disconnect()
		delete(e.bus.engines, e)
		e.resume()
		e.wake.Broadcast()
	}
	e.bus.mu.Unlock()
	e.delivering.Wait()
	return nil
}
