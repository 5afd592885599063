package pusherhub

import (
	"runtime"
	"sync"
)

const (
	// inlineSubscribers is up to how many subscribers a publisher delivers itself. Then its events to several channels
	// arrive in its order, too. With more, it must not wait for them.
	inlineSubscribers = 64

	// groupSize is how many subscribers are served under one hold of the channel's lock, and by one core at a time.
	groupSize = 64

	// coreShare is how many subscribers one core serves before another one helps. It writes to so many in some 7 ms; to be done a
	// little sooner is not worth a core that other channels, requests and PHP could use.
	coreShare = 1024

	// maxBatch bounds what a subscriber gets at once, in bytes: a reader that is a little behind must not be closed because
	// of one huge batch.
	maxBatch = 256 << 10
)

// run delivers what is in the outbox: here if that is quick, in a goroutine of its own if not. The caller has taken the
// deliverer's place (accept, claim) and holds no lock.
func (ch *channel) run() {
	ch.state.hub.hold()
	if ch.pins.Load() <= inlineSubscribers && !ch.sweep() {
		ch.state.hub.leave()
		return
	}
	go ch.deliver()
}

// deliver sweeps until the outbox is empty.
func (ch *channel) deliver() {
	defer ch.state.hub.leave()
	for ch.sweep() {
		continue
	}
}

// sweep goes once over all subscribers, group by group, and gives each what the outbox holds when its turn comes. So an event waits
// for a socket's next turn and not for the next sweep, and at a high rate each turn's events leave in one write. What was there
// when the sweep began has reached everybody when it ends. It reports whether there is more; if not, the deliverer's place is free again.
func (ch *channel) sweep() (more bool) {
	until := ch.sweepUntil()
	ch.mu.Lock()
	cores := min(runtime.GOMAXPROCS(0), 1+len(ch.subs)/coreShare)
	ch.mu.Unlock()
	if cores == 1 {
		ch.visit()
	} else {
		var others sync.WaitGroup
		for range cores - 1 {
			others.Go(ch.visit)
		}
		ch.visit()
		others.Wait()
	}
	billed, more := ch.endSweep(until)
	ch.state.backlog.settle(billed)
	return more
}

// visit serves one group after the other until the sweep is over. Several goroutines may do so at once.
func (ch *channel) visit() {
	d := deliverers.Get().(*deliverer)
	defer deliverers.Put(d)
	for ch.serveGroup(d) {
		d.write()
	}
	d.reset()
}

// serveGroup queues for the next group what it has not got yet. It reports false when there is no further group.
func (ch *channel) serveGroup(d *deliverer) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	group := ch.subs[ch.swept:min(ch.swept+groupSize, len(ch.subs))]
	if len(group) == 0 {
		return false
	}
	ch.swept += len(group)
	ch.outMu.Lock()
	d.events = ch.outbox // only what follows its end changes before the sweep does
	ch.outMu.Unlock()
	queued := d.fanOut(group)
	ch.state.counters.framesQueued.Add(uint64(queued))
	return true
}

// sweepUntil returns the number of the last event that a sweep which begins now brings to everybody.
func (ch *channel) sweepUntil() uint64 {
	ch.outMu.Lock()
	defer ch.outMu.Unlock()
	return ch.seq - uint64(len(ch.outbox)) + uint64(countUpTo(ch.outbox, maxBatch))
}

// endSweep takes the events that everybody has got, those up to number until, out of the outbox and returns what the backlog
// was charged for them.
func (ch *channel) endSweep(until uint64) (billed int, more bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.swept = 0
	ch.outMu.Lock()
	defer ch.outMu.Unlock()
	n := len(ch.outbox) - int(ch.seq-until)
	for _, out := range ch.outbox[:n] {
		billed += out.billed
	}
	if billed > 0 && len(ch.subs) > 0 {
		ch.delivered(ch.outbox[:n])
	}
	if n == len(ch.outbox) {
		ch.delivering, ch.outbox = false, nil
		return billed, false
	}
	left := copy(ch.outbox, ch.outbox[n:])
	clear(ch.outbox[left:])
	ch.outbox = ch.outbox[:left]
	return billed, true
}

// delivered measures how long events took to reach the last subscriber.
func (ch *channel) delivered(events []outgoing) {
	now := ch.state.hub.clock()
	for _, out := range events {
		if out.billed > 0 {
			ch.state.counters.deliveryLatency.observe(now - out.since)
		}
	}
}

// countUpTo returns how many events, but at least one if there is one, are no longer than limit bytes together.
func countUpTo(events []outgoing, limit int) int {
	size := 0
	for n, out := range events {
		size += len(out.frame.wire)
		if n > 0 && size > limit {
			return n
		}
	}
	return len(events)
}
