package pusherhub

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// A server leaves out the socket of the user who caused an event. If it names one that this hub never had, another process has it, and with a
// [MemoryBroker] the two hear nothing of each other. That happens for a while after a restart, too, and anybody can make an id up: so
// it takes several ids over some time to be a sign.
const (
	// foreignGrace is how long after the start clients may still use the ids that they had from the process before.
	foreignGrace = 2 * time.Minute

	// foreignWindow is the time in which the ids have to be seen.
	foreignWindow = 10 * time.Minute

	// foreignIDs is how many different ids there have to be.
	foreignIDs = 3

	// foreignSpan is how long they have to be seen: a deploy may run two processes for a moment.
	foreignSpan = 2 * time.Minute

	// foreignShare is how many events that leave out a socket there may be for one that leaves out a foreign one: of two replicas, each has half of
	// the sockets.
	foreignShare = 10

	// foreignQuiet is how long a sign lasts, and the least time between two lines in the log.
	foreignQuiet = time.Hour
)

// ReplicasError says that other processes seem to serve the same apps, although the hub's broker reaches none.
type ReplicasError struct {
	// Seen is the sign, as the beginning of a sentence: "web.2 is not the first dyno".
	Seen string
}

// Error says what was seen, what it means and what to do.
func (e *ReplicasError) Error() string {
	return e.Seen + ": other replicas seem to run, and with the broker memory events that are published on one of them do not reach the clients of " +
		"the others. Write 'broker nats { embed ... }' or 'broker redis', or run one replica: see docs/cluster.md"
}

// foreignSockets is what a hub has seen of sockets that it never had.
type foreignSockets struct {
	own   atomic.Uint64 // events that left out a socket of this hub
	total atomic.Uint64 // events that left out a foreign one

	mu     sync.Mutex         // a leaf of the lock order
	since  time.Duration      // guarded by mu: when the first of ids was seen, by the hub's clock
	ids    [foreignIDs]uint64 // guarded by mu: different ones that were seen since then
	known  int                // guarded by mu: how many of them there are
	events uint64             // guarded by mu: total since then
	ownAt  uint64             // guarded by mu: own at that time
	until  time.Duration      // guarded by mu: how long the sign lasts
	quiet  time.Duration      // guarded by mu: no line in the log before
}

// noticeLeftOut looks at the socket that a server wants left out of an event; empty: none.
func (h *Hub) noticeLeftOut(socketID string) {
	if socketID == "" || !h.isAlone() {
		return
	}
	now := h.clock()
	if now < foreignGrace {
		return
	}
	left, foreign := h.socketIDs.foreign(socketID)
	if !foreign {
		h.foreign.own.Add(1)
		return
	}
	h.foreign.total.Add(1)
	if h.foreign.see(left, now) {
		h.logger().Warn("events are lost between replicas", zap.Error(h.Replicas()))
	}
}

// isAlone reports whether the hub's broker reaches no other node.
func (h *Hub) isAlone() bool {
	b := h.current.Load()
	if b == nil {
		return false
	}
	_, alone := (*b).(*MemoryBroker)
	return alone
}

// see takes a foreign id and reports whether it is time to say that there is a sign. now is the hub's clock.
func (f *foreignSockets) see(id uint64, now time.Duration) (tell bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == 0 || now-f.since > foreignWindow {
		f.since, f.known, f.events, f.ownAt = now, 0, 0, f.own.Load()
	}
	f.events++
	if f.known < foreignIDs && !slices.Contains(f.ids[:f.known], id) {
		f.ids[f.known] = id
		f.known++
	}
	if f.known < foreignIDs || now-f.since < foreignSpan || f.events*foreignShare < f.events+f.own.Load()-f.ownAt {
		return false
	}
	f.until = now + foreignQuiet
	if now < f.quiet {
		return false
	}
	f.quiet = now + foreignQuiet
	return true
}

// Replicas is nil unless there are signs that other processes serve the same apps although the hub's broker is a [MemoryBroker], so that clients
// miss events. The hub knows its own sockets' ids: the sign is that servers leave out others, of which there
// must be several, for some minutes. It lasts for an hour. A [*ReplicasError] says what was seen.
func (h *Hub) Replicas() error {
	if !h.isAlone() {
		return nil
	}
	f := &h.foreign
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.clock() >= f.until {
		return nil
	}
	return &ReplicasError{fmt.Sprintf("servers left out of events %d or more sockets that this process never had", foreignIDs)}
}
