package webhooks

import (
	"time"

	"go.uber.org/zap"
)

// wake has what waits for a URL sent. A sender runs only while something waits.
func (o *outbox) wake(url string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if more := o.senders[url]; more != nil {
		select {
		case more <- struct{}{}:
		default:
		}
		return
	}
	if !o.ended {
		more := make(chan struct{}, 1)
		o.senders[url] = more
		o.work.Go(func() { o.send(url, more) })
	}
}

// idle ends a sender unless there is more to send.
func (o *outbox) idle(url string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.queues.waiting(url) > 0 {
		return false
	}
	delete(o.senders, url)
	return true
}

// send delivers what waits for a URL, one request after the other.
func (o *outbox) send(url string, more <-chan struct{}) {
	o.collect(url, more)
	for !o.idle(url) {
		if o.ctx.Err() != nil {
			return
		}
		s := o.settings.Load()
		if s.byURL[url] == nil {
			o.discard(url)
			continue
		}
		events, err := o.queues.peek(url, batchRoom{s.batchSize, maxBody})
		if err != nil {
			o.log().Error("reading the spool", zap.Error(err))
			o.pause(storePause)
			continue
		}
		if o.deliver(url, body(time.Now(), events), len(events)) {
			o.remove(url, len(events))
		}
	}
}

// collect waits until there is enough for a request, or the first event has waited for long enough.
func (o *outbox) collect(url string, more <-chan struct{}) {
	s := o.settings.Load()
	if s.window == 0 {
		return
	}
	timer := time.NewTimer(s.window)
	defer timer.Stop()
	for o.queues.waiting(url) < s.batchSize {
		select {
		case <-more:
		case <-timer.C:
			return
		case <-o.flush:
			return
		case <-o.ctx.Done():
			return
		}
	}
}

// deliver posts a body until it is taken or given up. false: the events stay where they are, because the work is ended or the
// endpoint is gone.
func (o *outbox) deliver(url string, body []byte, events int) bool {
	begun := time.Now()
	for failed := 1; ; failed++ {
		s := o.settings.Load()
		t := s.byURL[url]
		if t == nil {
			return false
		}
		o.figures.requests.Add(1)
		err := t.post(o.ctx, s.timeout, o.app.Load(), body)
		if err == nil {
			o.figures.delivered.Add(uint64(events))
			return true
		}
		if o.ctx.Err() != nil {
			return false
		}
		o.figures.failures.Add(1)
		log := o.log().With(zap.String("endpoint", t.name), zap.Int("events", events), zap.Int("tries", failed), zap.Error(err))
		left := s.retryFor - time.Since(begun)
		if left <= 0 {
			o.figures.dropped.Add(uint64(events))
			log.Error("webhook failed for too long, its events are dropped")
			return true
		}
		pause := min(left, backoff(failed))
		log.Warn("webhook failed", zap.Duration("next_try", pause))
		if !o.pause(pause) {
			return false
		}
	}
}

// remove takes delivered events out of the queue. It does not give up, because they would be sent again.
func (o *outbox) remove(url string, n int) {
	for {
		err := o.queues.remove(url, n)
		if err == nil {
			break
		}
		o.log().Error("removing what was delivered from the spool", zap.Error(err))
		if !o.pause(storePause) {
			return
		}
	}
	select {
	case o.room <- struct{}{}:
	default:
	}
}

// discard empties the queue of an endpoint that is no longer configured.
func (o *outbox) discard(url string) {
	n := o.queues.waiting(url)
	o.figures.dropped.Add(uint64(n))
	o.log().Warn("webhook events are dropped: their endpoint is no longer configured", zap.Int("events", n))
	o.remove(url, n)
}

// pause waits. false: the work is ended.
func (o *outbox) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-o.ctx.Done():
		return false
	}
}

// wakeAll has a sender look at each queue, be it to send or to discard what is there.
func (o *outbox) wakeAll() {
	if isClosed(o.opened) {
		for _, url := range o.queues.urls() {
			o.wake(url)
		}
	}
}
