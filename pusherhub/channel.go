package pusherhub

import (
	"sync"
	"sync/atomic"
	"time"
)

// channel is what a name means while somebody is subscribed to it or it keeps an event.
//
// Events go through its outbox: who publishes appends under outMu; one deliverer, needed when the
// outbox stops being empty, hands them to the subscribers' queues under mu. A
// subscription notes the number of the last event before it, so an event that was accepted earlier and is
// still in the outbox is not delivered to it.
type channel struct {
	// Static.
	state *appState
	name  string
	kind  ChannelKind

	pins     atomic.Int32 // subscriptions, and who is about to make one; rises from 0 under the shard's lock only
	interest interest

	mu        sync.Mutex
	subs      []*subscription // guarded by mu
	due       bool            // guarded by mu: unlock has to deliver
	members   *members        // guarded by mu; nil unless a presence channel
	countDue  *time.Timer     // guarded by mu: a subscription_count that is held back
	countSent time.Time       // guarded by mu
	missTold  time.Time       // guarded by mu: when observers last heard of a cache miss

	outMu      sync.Mutex
	seq        uint64      // guarded by outMu: number of the last event
	outbox     []outgoing  // guarded by outMu
	delivering bool        // guarded by outMu
	cached     cachedEvent // guarded by outMu
}

// subscription ties a socket to a channel.
type subscription struct {
	conn    *conn
	channel *channel
	index   int    // guarded by channel.mu: place in channel.subs
	after   uint64 // guarded by channel.mu: events up to this number are not for it
	seat    *seat  // guarded by channel.mu: nil unless a presence channel
}

// outgoing is an event in the outbox.
type outgoing struct {
	frame  *frame
	seq    uint64
	except *conn // nil: for all
	billed int   // bytes that the app's backlog was charged
}

func newChannel(state *appState, name string) *channel {
	ch := &channel{state: state, name: name, kind: KindOf(name)}
	if ch.kind.Access == AccessPresence {
		ch.members = newMembers()
	}
	return ch
}

// accept appends one event to the outbox. cache, unless nil, is kept for subscribers to come. It reports whether the
// caller has to see that the outbox is delivered, with run, once it holds no lock. The caller has a place in the hub (Hub.enter).
func (ch *channel) accept(f *frame, except *conn, billed int, cache *string) (due bool) {
	ch.outMu.Lock()
	defer ch.outMu.Unlock()
	ch.seq++
	ch.outbox = append(ch.outbox, outgoing{frame: f, seq: ch.seq, except: except, billed: billed})
	if cache != nil {
		ch.keep(f, *cache)
	}
	due = !ch.delivering
	ch.delivering = true
	return due
}

// claim takes the deliverer's place ahead of what will be accepted, if it is free. The caller then has to run.
func (ch *channel) claim() bool {
	ch.outMu.Lock()
	defer ch.outMu.Unlock()
	if ch.delivering {
		return false
	}
	ch.delivering = true
	return true
}

// unlock releases mu and delivers what tell has accepted meanwhile.
func (ch *channel) unlock() {
	due := ch.due
	ch.due = false
	ch.mu.Unlock()
	if due {
		ch.run()
	}
}

// maxBatch bounds what is delivered at once, in bytes: a reader that is a little behind must not be closed because of
// one huge batch.
const maxBatch = 256 << 10

// takeOutbox moves what gathered into batch; when there is nothing, the deliverer's place is free again.
func (ch *channel) takeOutbox(batch []outgoing) []outgoing {
	ch.outMu.Lock()
	defer ch.outMu.Unlock()
	if len(ch.outbox) == 0 {
		ch.delivering = false
		ch.outbox = nil
		return batch
	}
	n, size := 0, 0
	for n < len(ch.outbox) && (n == 0 || size+len(ch.outbox[n].frame.wire) <= maxBatch) {
		size += len(ch.outbox[n].frame.wire)
		n++
	}
	batch = append(batch, ch.outbox[:n]...)
	ch.outbox = append(ch.outbox[:0], ch.outbox[n:]...)
	return batch
}

// tell sends a frame of the protocol itself to the present subscribers. The caller holds mu and releases it with unlock.
func (ch *channel) tell(payload []byte) {
	if len(ch.subs) > 0 && ch.accept(newFrame(payload), nil, 0, nil) {
		ch.due = true
	}
}

// add puts a subscription into the list. The caller holds mu.
func (ch *channel) add(sub *subscription) {
	sub.index = len(ch.subs)
	ch.subs = append(ch.subs, sub)
	ch.state.hub.counters.subscriptions.Add(1)
}

// remove takes a subscription out of the list, in constant time. The caller holds mu.
func (ch *channel) remove(sub *subscription) {
	last := len(ch.subs) - 1
	ch.subs[sub.index] = ch.subs[last]
	ch.subs[sub.index].index = sub.index
	ch.subs[last] = nil
	ch.subs = ch.subs[:last]
	if len(ch.subs) == 0 {
		ch.subs = nil
	}
	ch.state.hub.counters.subscriptions.Add(-1)
}

// counts returns the subscribers and, on presence channels, the distinct users.
func (ch *channel) counts() (subscriptions, users int) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.members != nil {
		users = len(ch.members.byID)
	}
	return len(ch.subs), users
}
