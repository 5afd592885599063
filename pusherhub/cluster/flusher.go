package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// flusher is what the goroutine knows that writes: it enters what has changed, then sends what was published before that, and ends the leases of
// nodes that have died. As it alone is told of transitions, it reports them in the order in which they were made.
type flusher struct {
	b       *Broker
	batch   *batch    // under way; nil if none is
	number  uint64    // of the newest batch
	failing time.Time // since when batches fail; zero: they do not
	reaped  time.Time // when it looked for ended leases; zero: there are more
	pause   pause
}

var errLeaseLost = errors.New("entering what this node holds: its lease is lost")

// run writes until the broker closes.
func (w *flusher) run() {
	for w.b.ctx.Err() == nil {
		_, s, changed := w.b.link.state()
		if s == nil {
			w.b.holdings.endRound(false, false)
			w.b.writes.disconnected()
			w.b.wait(changed, nil, 0)
			continue
		}
		if err := w.round(s); err != nil {
			if s.ctx.Err() == nil {
				w.b.writes.note(w.b, err)
				w.b.wait(changed, nil, w.pause.next())
			}
			continue
		}
		w.b.writes.note(w.b, nil)
		w.pause.reset()
		w.b.flushedIn.Store(s.number)
		w.b.wait(changed, w.b.flushKick, w.next(s))
	}
}

// next is when the flusher looks again although nobody asks.
func (w *flusher) next(s *session) time.Duration {
	now := time.Now()
	wait := w.reaped.Add(w.b.o.reap()).Sub(now)
	if due, waits := w.b.holdings.nextDue(); waits && s.phase() == phaseClaim {
		wait = min(wait, due.Sub(now))
	}
	for _, phase := range []time.Time{s.releaseAt, s.claimAt, w.b.link.sendsAt()} {
		if begins := phase.Sub(now); begins > 0 {
			wait = min(wait, begins)
		}
	}
	return max(wait, time.Millisecond)
}

// round enters and sends everything that there is when it begins.
func (w *flusher) round(s *session) (err error) {
	w.b.holdings.beginRound()
	defer func() {
		w.b.holdings.endRound(err == nil && s.phase() == phaseClaim, err == nil || time.Since(w.failing) < waitTimeout)
	}()
	newest := w.b.spool.newest() // first, so that what was joined before it was published is entered before
	err = w.enter(s)
	if err != nil && time.Since(w.failing) < waitTimeout {
		return err
	}
	// A register that accepts nothing does not keep messages from going their way for long.
	if !time.Now().Before(w.b.link.sendsAt()) {
		if sendErr := w.send(s, newest); sendErr != nil {
			return sendErr
		}
	}
	if err != nil {
		return err
	}
	return w.reap(s)
}

// enter enters what has changed, but not what changes meanwhile.
func (w *flusher) enter(s *session) error {
	var upTo uint64
	for {
		if w.batch != nil && !w.b.holdings.valid(w.batch) {
			w.batch = nil
		}
		if w.batch != nil && w.batch.refused {
			return errLeaseLost // until there is a new id
		}
		if w.batch == nil {
			upTo = cmp.Or(upTo, w.b.holdings.now()) // after a batch that is repeated: what has changed since it was taken comes now, too
			if w.batch = w.b.holdings.take(upTo, s.phase()); w.batch == nil {
				w.failing = time.Time{}
				return nil
			}
			w.number++
			w.batch.number = w.number
		}
		if err := w.apply(s); err != nil {
			if w.failing.IsZero() {
				w.failing = time.Now()
			}
			return err
		}
		w.failing = time.Time{}
	}
}

// apply enters the batch and reports what came of it.
func (w *flusher) apply(s *session) error {
	var made []pusherhub.Transition
	var known bool
	err := w.b.call(s.ctx, func(ctx context.Context) (err error) {
		made, known, err = w.b.engine.Apply(ctx, w.batch.node, w.batch.number, w.batch.updates)
		return err
	})
	if err != nil {
		return fmt.Errorf("entering what this node holds: %w", err)
	}
	if !known {
		w.batch.refused = true
		w.report(made) // by the part of the register that did not know yet
		kick(w.b.beatKick)
		return errLeaseLost
	}
	if w.b.holdings.entered(w.batch) {
		w.b.flushSoon()
	}
	w.batch = nil
	w.report(made)
	return nil
}

func (w *flusher) report(made []pusherhub.Transition) {
	for _, t := range made {
		w.b.node.Report(t)
	}
}

// send sends what is in the spool up to a number.
func (w *flusher) send(s *session, newest uint64) error {
	for {
		list := w.b.spool.peek(newest)
		if len(list) == 0 {
			return nil
		}
		posts := make([]Post, len(list))
		for i, q := range list {
			q.origin = w.b.origin
			posts[i] = Post{Topic: q.topic(), Data: q.encode()}
			if m := q.message; m != nil && m.Cache != nil && m.CacheUntil != 0 {
				posts[i].Keep = time.UnixMilli(m.CacheUntil)
			}
		}
		var accepted int
		err := w.b.call(s.ctx, func(ctx context.Context) (err error) {
			accepted, err = w.b.engine.Send(ctx, posts)
			return err
		})
		if err == nil {
			accepted = len(list)
		}
		if accepted > 0 {
			w.b.spool.accept(list[accepted-1].number)
			w.b.counters.sent.Add(uint64(accepted))
		}
		if err != nil {
			return fmt.Errorf("sending messages: %w", err)
		}
	}
}

// reap ends the leases of nodes that have died, if it is time to look. What one of them held may be much: the next part comes in the next round, so
// that nothing else waits for all of it.
func (w *flusher) reap(s *session) error {
	now := time.Now()
	if now.Sub(w.reaped) < w.b.o.reap() || !w.b.node.Reports() {
		return nil
	}
	w.reaped = now
	if !w.b.steady.since(now, w.b.o.gap(), w.b.o.ttl()) {
		return nil
	}
	var made []pusherhub.Transition
	var more bool
	err := w.b.call(s.ctx, func(ctx context.Context) (err error) {
		made, more, err = w.b.engine.Reap(ctx)
		return err
	})
	w.b.counters.reaped.Add(uint64(len(made)))
	w.report(made) // with an error, too: nobody else is told of these
	if err != nil {
		return fmt.Errorf("ending leases: %w", err)
	}
	if more {
		w.reaped = time.Time{}
		w.b.flushSoon()
	}
	return nil
}

// steadiness says for how long this node has reached the server without a break. After a break of the server, or of this node, other nodes may
// just not have had the time to say that they live.
type steadiness struct {
	mu    sync.Mutex
	began time.Time // guarded by mu, as is
	last  time.Time // the newest beat
}

// beat notes a beat that was answered. After a break of gap, steadiness begins anew.
func (x *steadiness) beat(now time.Time, gap time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now.Sub(x.last) > gap {
		x.began = now
	}
	x.last = now
}

// since says that the last beat is not older than fresh, and that there was no break for that long.
func (x *steadiness) since(now time.Time, fresh, long time.Duration) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return now.Sub(x.last) <= fresh && now.Sub(x.began) >= long
}
