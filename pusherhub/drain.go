package pusherhub

import (
	"context"
	"time"
)

const (
	// drainSlice is the pace at which a drain closes sockets: one slice of them, then a pause.
	drainSlice = 50 * time.Millisecond

	// drainTail is how many sockets are asked to come back at once (4200); a crowd above that is asked to wait a moment (4100).
	drainTail = 10_000
)

// Drain ends the hub's service without a stampede: new sockets are refused with 4100, open ones are
// closed with 4200 in even slices over the settings' drain time (a few sockets take less), in no particular order. The HTTP API keeps working.
// It returns when the last close frame is queued, or early with ctx's error.
func (h *Hub) Drain(ctx context.Context) error {
	h.draining.Store(true)
	var crowd []*conn
	h.eachState(func(s *appState) { crowd = append(crowd, s.conns.all()...) })
	s := h.settings.Load()
	if len(crowd) == 0 || s == nil {
		return nil
	}
	slices := max(min(int(s.drain/drainSlice), len(crowd)), 1) // a few sockets are no stampede
	ticker := time.NewTicker(drainSlice)
	defer ticker.Stop()
	closed := 0
	for i := 1; i <= slices; i++ {
		// rounded up: a lone socket, which endangers nobody, does not hold up the exit for the whole time
		for ; closed < (len(crowd)*i+slices-1)/slices; closed++ {
			if closed < drainTail {
				crowd[closed].close(errRestarting)
			} else {
				crowd[closed].close(errDraining)
			}
		}
		if closed == len(crowd) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Finish ends the work of the plugins as long as the HTTP API still works, so that who is told something by a webhook can publish in
// answer to it. It comes after Drain: it waits for the last sockets to go, then until every plugin was told everything and has finished what it has begun, for
// which there is the same time as at Close. It returns early when ctx ends. What happens afterwards is not observed.
func (h *Hub) Finish(ctx context.Context) {
	if !h.draining.Load() || !h.enter() {
		return
	}
	defer h.leave()
	for h.connections.Load() > 0 {
		select {
		case <-h.emptied:
		case <-ctx.Done():
			return
		}
	}
	h.settle(ctx, h.broker())
	h.finished.Store(true)
	limit := time.AfterFunc(detachAtClose, h.detachCancel)
	defer limit.Stop()
	defer context.AfterFunc(ctx, h.detachCancel)()
	var working []<-chan struct{}
	h.eachState(func(s *appState) { working = append(working, s.detachAll()...) })
	for _, done := range working {
		<-done
	}
}

// Close closes every socket that is left with 4200, waits for everything that the hub runs, closes
// the broker and ends the work of the plugins. The hub serves nothing afterwards.
func (h *Hub) Close() error {
	h.draining.Store(true)
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.mu.Unlock()
	h.eachState(func(s *appState) {
		for _, c := range s.conns.all() {
			c.close(errRestarting)
		}
	})
	h.keepCancel()
	h.stopWatching()
	h.work.Wait()
	h.parking.close()
	h.stopTimers()
	h.settle(context.Background(), h.broker())
	var err error
	if b := h.current.Load(); b != nil {
		err = (*b).Close() // first: what it reports until then no other node reports
	}
	h.finishPlugins()
	return err
}

// settleAtClose is how long a hub waits for the register of the cluster when it ends or changes its broker.
const settleAtClose = time.Second

// settle waits until the register of a broker, if it has one, knows what is held here now, and what came of that is observed, but not for long: what is not
// known by then is found by another node.
func (h *Hub) settle(ctx context.Context, of Broker) {
	if b, keeps := of.(RosterBroker); keeps {
		ctx, cancel := context.WithTimeout(ctx, settleAtClose)
		defer cancel()
		_ = b.Settle(ctx)
	}
}

// finishPlugins waits until every observer was told everything and every plugin has finished, for which they have detachAtClose.
func (h *Hub) finishPlugins() {
	limit := time.AfterFunc(detachAtClose, h.detachCancel)
	defer limit.Stop()
	h.reports.end()
	h.eachState(func(s *appState) { s.detachAll() })
	h.feeding.Wait()
	h.detaching.Wait()
	h.detachCancel()
}

// stopTimers ends the timers of cached events, held counts and users who may come back. Nothing else runs any more.
func (h *Hub) stopTimers() {
	h.eachState(func(s *appState) {
		s.eachChannel(func(ch *channel) {
			ch.mu.Lock()
			if ch.countDue != nil {
				ch.countDue.Stop()
			}
			ch.mu.Unlock()
			ch.outMu.Lock()
			if ch.cached.timer != nil {
				ch.cached.timer.Stop()
			}
			ch.outMu.Unlock()
		})
		s.users.mu.Lock()
		for _, u := range s.users.byID {
			if u.hold != nil {
				u.hold.Stop()
			}
		}
		s.users.mu.Unlock()
	})
}
