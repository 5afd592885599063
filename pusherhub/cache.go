package pusherhub

import "time"

// cachedEvent is the last published event of a cache channel. It outlives its
// subscribers and ends by its age alone.
type cachedEvent struct {
	frame *frame // nil: none
	data  string
	until time.Time
	timer *time.Timer // takes an unused channel away when the event has expired
}

// keep stores an event. The caller holds outMu.
func (ch *channel) keep(f *frame, data string, until time.Time) {
	ttl := time.Until(until)
	ch.cached.frame, ch.cached.data, ch.cached.until = f, data, until
	if ch.cached.timer == nil {
		ch.cached.timer = time.AfterFunc(ttl, ch.expire)
		return
	}
	ch.cached.timer.Reset(ttl)
}

// cachedNow returns the event that a new subscriber gets. The caller holds outMu.
func (ch *channel) cachedNow() (e cachedEvent, found bool) {
	if ch.cached.frame == nil || !time.Now().Before(ch.cached.until) {
		return cachedEvent{}, false
	}
	return ch.cached, true
}

// keepElsewhere stores the event that the cluster keeps for the channel, unless this node has a newer one.
func (ch *channel) keepElsewhere(m *Message) {
	until := m.cachedUntil()
	f := ch.state.eventFrame(m)
	ch.outMu.Lock()
	defer ch.outMu.Unlock()
	if time.Now().Before(until) && (ch.cached.frame == nil || ch.cached.until.Before(until)) {
		ch.keep(f, *m.Cache, until)
	}
}

// cachedUntil is when the event of a cache channel expires.
func (m *Message) cachedUntil() time.Time { return time.UnixMilli(m.CacheUntil) }

// cacheEmpty reports whether no event is kept.
func (ch *channel) cacheEmpty() bool {
	ch.outMu.Lock()
	defer ch.outMu.Unlock()
	return ch.cached.frame == nil
}

// expire forgets the event when its time is over.
func (ch *channel) expire() {
	if !ch.state.hub.enter() {
		return
	}
	defer ch.state.hub.leave()
	ch.outMu.Lock()
	if left := time.Until(ch.cached.until); left > 0 {
		ch.cached.timer.Reset(left) // a newer event came meanwhile
		ch.outMu.Unlock()
		return
	}
	ch.cached = cachedEvent{}
	ch.outMu.Unlock()
	ch.state.dropChannel(ch)
}

// cachedInCluster is cachedEvent if others may keep a newer event, kept. kept may be nil.
func (s *appState) cachedInCluster(channel string, kept *Message) (data string, ttl time.Duration, found bool) {
	data, ttl, found = s.cachedEvent(channel)
	if kept != nil && kept.Cache != nil {
		if left := time.Until(kept.cachedUntil()); left > ttl {
			return *kept.Cache, left, true
		}
	}
	return data, ttl, found
}

// cachedEvent returns the event kept for the channel and how long it will be.
func (s *appState) cachedEvent(channel string) (data string, ttl time.Duration, found bool) {
	ch := s.channel(channel)
	if ch == nil {
		return "", 0, false
	}
	ch.outMu.Lock()
	defer ch.outMu.Unlock()
	e, found := ch.cachedNow()
	return e.data, time.Until(e.until), found
}
