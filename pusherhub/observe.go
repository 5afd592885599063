package pusherhub

import (
	"time"
)

// observationQueue is what an observer may be behind before observations are dropped.
const observationQueue = 4096

// observerFeed is one observer's queue and the goroutine that empties it.
type observerFeed struct {
	queue chan Observation
	done  chan struct{}
}

// observe tells the app's observers, without ever waiting for one. App and time are filled in.
func (s *appState) observe(o Observation) {
	observers := s.app.Load().hooks.observers
	if len(observers) == 0 {
		return
	}
	o.App, o.Time = s.id, time.Now()
	for _, observer := range observers {
		if !s.hub.feed(observer, o) {
			s.hub.counters.observationsDropped.Add(1)
		}
	}
}

func (c *conn) observe(o Observation) { c.state.observe(o) }

// feed queues o for one observer, whose goroutine is started by the first.
func (h *Hub) feed(observer Observer, o Observation) bool {
	h.feedsMu.Lock()
	defer h.feedsMu.Unlock()
	f := h.feeds[observer]
	if f == nil {
		if h.feedsClosed {
			return false
		}
		f = &observerFeed{queue: make(chan Observation, observationQueue), done: make(chan struct{})}
		h.feeds[observer] = f
		go h.runFeed(observer, f)
	}
	select {
	case f.queue <- o:
		return true
	default:
		return false
	}
}

func (h *Hub) runFeed(observer Observer, f *observerFeed) {
	defer close(f.done)
	for o := range f.queue {
		_ = h.callHook(observer, func() error { observer.Observe(o); return nil })
	}
}

// retireFeeds ends the feeds of observers that keep does not name, after they were told what was queued.
// It does not wait for them; closeFeeds does.
func (h *Hub) retireFeeds(keep map[Observer]bool) {
	h.feedsMu.Lock()
	defer h.feedsMu.Unlock()
	for observer, f := range h.feeds {
		if !keep[observer] {
			delete(h.feeds, observer)
			close(f.queue)
			h.retired = append(h.retired, f)
		}
	}
	h.retired = pending(h.retired)
}

// closeFeeds ends all feeds and waits until every observer was told everything.
func (h *Hub) closeFeeds() {
	h.feedsMu.Lock()
	h.feedsClosed = true
	h.feedsMu.Unlock()
	h.retireFeeds(nil)
	h.feedsMu.Lock()
	retired := h.retired
	h.feedsMu.Unlock()
	for _, f := range retired {
		<-f.done
	}
}

// pending returns the feeds that still run.
func pending(feeds []*observerFeed) (running []*observerFeed) {
	for _, f := range feeds {
		select {
		case <-f.done:
		default:
			running = append(running, f)
		}
	}
	return running
}
