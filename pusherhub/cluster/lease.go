package cluster

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// keeper is what the goroutine knows that keeps this node's lease.
type keeper struct {
	b       *Broker
	number  uint64 // of the newest session
	lease   uint64 // how many ids were taken
	entered bool   // the register was told the id
	epoch   string // of the register when it was; empty: this node never had a lease
	reason  string // why the id is a new one; empty: it is the first
	differs int    // how many beats in a row said that the register has something else of this node
	pause   pause

	refill refill // after the register has lost its memory
}

// The reasons for which a node enters again what it holds.
const (
	reasonLease   = "lease lost"
	reasonMemory  = "register lost its memory"
	reasonDiffers = "register differs"
)

func (k *keeper) node() string { return fmt.Sprintf("%s%s%06d", k.b.origin, idSeparator, k.lease) }

// run beats until the broker closes.
func (k *keeper) run() {
	for k.b.ctx.Err() == nil {
		conn, s, changed := k.b.link.state()
		if conn == 0 {
			k.b.beats.disconnected()
			k.b.wait(changed, nil, 0)
			continue
		}
		err := k.beat(conn, s)
		k.b.beats.note(k.b, err)
		if err != nil {
			k.b.wait(changed, nil, k.pause.next())
			continue
		}
		k.pause.reset()
		if _, s, changed = k.b.link.state(); s != nil {
			k.b.wait(changed, k.b.beatKick, k.b.o.beat())
		}
	}
}

// beat says once that this node lives, and enters it if it is not known.
func (k *keeper) beat(conn uint64, s *session) error {
	if !k.entered {
		return k.enter(conn)
	}
	entries, before, settled := k.b.holdings.known()
	p, err := k.pulse(k.b.engine.Beat)
	if err != nil {
		return err
	}
	_, after, stillSettled := k.b.holdings.known()
	switch {
	case p.Epoch != k.epoch:
		return k.enterAgain(conn, reasonMemory)
	case !p.Known:
		return k.enterAgain(conn, reasonLease)
	case s == nil:
		k.begin(conn)
	case !settled || !stillSettled || before != after || p.Holdings < 0:
	case p.Holdings == entries:
		k.differs = 0
	default:
		if k.differs++; k.differs > 1 { // once may be an answer that comes late
			k.b.o.Logger.Warn("the register has something else of this node than it entered",
				zap.String("broker", k.b.o.Name), zap.Int("found", p.Holdings), zap.Int("expected", entries))
			return k.enterAgain(conn, reasonDiffers)
		}
	}
	return nil
}

// pulse makes a call that is answered with one.
func (k *keeper) pulse(call func(context.Context, string, time.Duration) (Pulse, error)) (p Pulse, err error) {
	ctx, cancel := context.WithTimeout(k.b.ctx, waitTimeout)
	defer cancel()
	p, err = call(ctx, k.node(), k.b.o.ttl())
	k.b.link.note(err)
	if err != nil {
		return p, err
	}
	k.b.nodes.Store(int64(p.Nodes))
	k.b.steady.beat(time.Now(), k.b.o.gap())
	return p, nil
}

// enterAgain takes a new id and has everything entered under it that this node holds.
func (k *keeper) enterAgain(conn uint64, reason string) error {
	k.lease++
	k.entered, k.reason = false, reason
	return k.enter(conn)
}

// enter takes a lease.
func (k *keeper) enter(conn uint64) error {
	p, err := k.pulse(k.b.engine.Enter)
	if err != nil {
		return err
	}
	if !p.Known { // an answer to Enter was lost, and the lease ended since
		k.lease++
		return fmt.Errorf("entering this node: its id is not known any more")
	}
	if k.epoch != "" && k.epoch != p.Epoch {
		k.reason = reasonMemory
		born := time.Now().Add(-p.Age)
		k.refill = refill{born.Add(k.b.o.releaseAfter()), born.Add(k.b.o.claimAfter()), born.Add(k.b.o.ttl())}
	}
	// The register has reported the loss of what a node had whose lease ended, so it is gained anew. What it should have otherwise, was gained once.
	k.b.holdings.enterAgain(k.node(), k.reason != reasonLease)
	if k.epoch != "" {
		k.b.reentered(k.reason)
	}
	k.entered, k.epoch, k.differs = true, p.Epoch, 0
	k.begin(conn)
	return nil
}

// begin begins a session.
func (k *keeper) begin(conn uint64) {
	k.number++
	s := &session{number: k.number, conn: conn, refill: k.refill}
	s.ctx, s.end = context.WithCancel(k.b.ctx)
	if k.b.link.begin(s) {
		k.b.flushSoon()
	}
}
