package pusherhub

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// counters are the live form of [AppStats]. Each app has its own; the hub's own take what concerns no app that is known. Who
// counts takes no lock, but for what is rare.
type counters struct {
	channels      [channelKinds]atomic.Int64
	subscriptions atomic.Int64

	connectionsTotal, messagesReceived, bytesReceived             atomic.Uint64
	eventsPublished, clientEvents, framesQueued, bytesSent        atomic.Uint64
	eventsConflated, slowReaders, framesDropped, pongTimeouts     atomic.Uint64
	publishesOverBacklog, clientCloses, lostSockets               atomic.Uint64
	apiAuthFailures, subscriptionAuthFailures, signinAuthFailures atomic.Uint64

	refusals, closes, apiErrors tally

	publishLatency, deliveryLatency histogram
}

// hubCounters are those of a whole hub.
type hubCounters struct {
	counters
	observationsDropped, pluginPanics atomic.Uint64
}

// snapshot returns the figures of this moment, but for the open sockets.
func (c *counters) snapshot() AppStats {
	s := AppStats{
		ConnectionsTotal:  c.connectionsTotal.Load(),
		Refusals:          c.refusals.snapshot(),
		Closes:            c.closes.snapshot(),
		ClientCloses:      c.clientCloses.Load(),
		LostSockets:       c.lostSockets.Load(),
		PongTimeouts:      c.pongTimeouts.Load(),
		APIErrors:         c.apiErrors.snapshot(),
		ChannelsByKind:    make(map[ChannelKind]int64, len(kinds)),
		Subscriptions:     c.subscriptions.Load(),
		MessagesReceived:  c.messagesReceived.Load(),
		BytesReceived:     c.bytesReceived.Load(),
		EventsPublished:   c.eventsPublished.Load(),
		ClientEvents:      c.clientEvents.Load(),
		FramesQueued:      c.framesQueued.Load(),
		BytesSent:         c.bytesSent.Load(),
		EventsConflated:   c.eventsConflated.Load(),
		SlowReadersClosed: c.slowReaders.Load(),
		FramesDropped:     c.framesDropped.Load(),
		AuthFailures: AuthFailures{
			API: c.apiAuthFailures.Load(), Subscriptions: c.subscriptionAuthFailures.Load(), SignIns: c.signinAuthFailures.Load(),
		},
		PublishesOverBacklog: c.publishesOverBacklog.Load(),
		PublishLatency:       c.publishLatency.snapshot(),
		DeliveryLatency:      c.deliveryLatency.snapshot(),
	}
	for _, n := range s.Refusals {
		s.ConnectionsRefused += n
	}
	for _, k := range kinds {
		n := c.channels[k.index()].Load()
		s.ChannelsByKind[k] = n
		s.Channels += n
	}
	return s
}

// Add adds the figures of another app. It changes the maps of s.
func (s *AppStats) Add(other AppStats) {
	s.Connections += other.Connections
	s.ConnectionsTotal += other.ConnectionsTotal
	s.ConnectionsRefused += other.ConnectionsRefused
	s.Refusals = addTo(s.Refusals, other.Refusals)
	s.Closes = addTo(s.Closes, other.Closes)
	s.ClientCloses += other.ClientCloses
	s.LostSockets += other.LostSockets
	s.PongTimeouts += other.PongTimeouts
	s.AuthFailures.API += other.AuthFailures.API
	s.AuthFailures.Subscriptions += other.AuthFailures.Subscriptions
	s.AuthFailures.SignIns += other.AuthFailures.SignIns
	s.APIErrors = addTo(s.APIErrors, other.APIErrors)
	s.Channels += other.Channels
	s.ChannelsByKind = addTo(s.ChannelsByKind, other.ChannelsByKind)
	s.Subscriptions += other.Subscriptions
	s.MessagesReceived += other.MessagesReceived
	s.BytesReceived += other.BytesReceived
	s.EventsPublished += other.EventsPublished
	s.ClientEvents += other.ClientEvents
	s.FramesQueued += other.FramesQueued
	s.BytesSent += other.BytesSent
	s.EventsConflated += other.EventsConflated
	s.SlowReadersClosed += other.SlowReadersClosed
	s.FramesDropped += other.FramesDropped
	s.PublishesOverBacklog += other.PublishesOverBacklog
	s.PublishLatency.add(other.PublishLatency)
	s.DeliveryLatency.add(other.DeliveryLatency)
}

// addTo adds counts to counts, which may be nil.
func addTo[K comparable, N int64 | uint64](sum, other map[K]N) map[K]N {
	if sum == nil {
		return maps.Clone(other)
	}
	for key, n := range other {
		sum[key] += n
	}
	return sum
}

// tally counts what is rare, by a code.
type tally struct {
	mu     sync.Mutex     // a leaf of the lock order
	counts map[int]uint64 // guarded by mu
}

func (t *tally) count(code int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[int]uint64)
	}
	t.counts[code]++
}

func (t *tally) snapshot() map[int]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// histogram is the live form of [Histogram]. Its last bucket is for what is over all bounds.
type histogram struct {
	buckets [len(LatencyBounds) + 1]atomic.Uint64
	sum     atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(LatencyBounds) && d > LatencyBounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

func (h *histogram) snapshot() (s Histogram) {
	s.Sum = time.Duration(h.sum.Load())
	for i := range h.buckets {
		n := h.buckets[i].Load()
		s.Count += n
		if i < len(s.Buckets) {
			s.Buckets[i] = n
		}
	}
	return s
}

func (h *Histogram) add(other Histogram) {
	h.Count += other.Count
	h.Sum += other.Sum
	for i, n := range other.Buckets {
		h.Buckets[i] += n
	}
}
