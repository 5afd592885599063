package cluster

import (
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// handler is what the engine calls.
type handler struct{ b *Broker }

// Up notes a new connection.
func (h handler) Up() {
	away, missed := h.b.link.setUp()
	if !missed {
		return
	}
	h.b.counters.reconnects.Add(1)
	h.b.o.Logger.Info("the server is connected again", zap.String("broker", h.b.o.Name),
		zap.Duration("away", away.Round(time.Millisecond)), zap.Uint64("dropped_messages", h.b.spool.dropped.Load()-h.b.lostCount.Load()))
}

// Down notes the end of a connection, or that there is none.
func (h handler) Down(err error) {
	if h.b.link.setDown(err) && h.b.ctx.Err() == nil { // not when the broker itself ends it
		h.b.lostCount.Store(h.b.spool.dropped.Load())
		h.b.o.Logger.Warn("the server is not connected; events are delivered on this node only until it is",
			zap.String("broker", h.b.o.Name), zap.Error(err))
	}
}

// Receive takes what the bus carries.
func (h handler) Receive(data []byte) {
	b := h.b
	e, err := decode(data)
	if err != nil {
		b.counters.ignored.Add(1)
		return
	}
	if e.origin == b.origin {
		return // delivered when it was published
	}
	f := b.follows.get(e.topic())
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended:
	case f.duplicate(e):
		b.counters.duplicates.Add(1)
	case e.message != nil:
		b.counters.received.Add(1)
		b.node.Deliver(e.message)
	default:
		b.counters.received.Add(1)
		b.node.Execute(*e.command)
	}
}

// Change takes a change of the register.
func (h handler) Change(c Change) {
	if f := h.b.follows.get(c.Topic); f != nil {
		f.change(c, h.b)
	}
}

// LeftOut says so in the log: other nodes do not see the member, and it makes no transitions. Users decide how often, so not each has a line.
func (h handler) LeftOut(t pusherhub.Topic, user string, why error) {
	h.b.counters.leftOut.Add(1)
	h.b.leftOut.Do(func() {
		h.b.o.Logger.Error("the server cannot take a change of what this node holds; other nodes do not hear of it", zap.String("broker", h.b.o.Name),
			zap.String("app", t.App), zap.String("channel", t.Channel), zap.String("user", user+t.UserID), zap.Error(why))
	})
}

// Ignored counts what the engine does not understand.
func (h handler) Ignored() { h.b.counters.ignored.Add(1) }
