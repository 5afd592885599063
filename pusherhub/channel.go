package pusherhub

import (
	"sync"
	"sync/atomic"
	"time"
)

// channel is what a name means while somebody is subscribed to it or it keeps an event.
//
// Events go through its outbox: who publishes appends under outMu; one deliverer, needed when the
// outbox stops being empty, hands them to the subscribers' queues under mu (sweep.go). A
// subscription knows the number of the last event that it has got. A new one begins with the last event before it, so what was accepted
// earlier and is still in the outbox is not delivered to it.
type channel struct {
	// Static.
	state *appState
	name  string
	kind  ChannelKind

	pins     atomic.Int32 // subscriptions, and who is about to make one; rises from 0 under the shard's lock only
	interest interest

	mu        sync.Mutex
	subs      []*subscription // guarded by mu
	elsewhere int             // guarded by mu: subscriptions on other nodes
	swept     int             // guarded by mu: how many of subs, from the first, the sweep that is under way has served
	due       bool            // guarded by mu: unlock has to deliver
	members   *members        // guarded by mu; nil unless a presence channel
	countDue  *time.Timer     // guarded by mu: a subscription_count that is held back
	countHere bool            // guarded by mu: a change of the count that observers have not heard of happened here
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
	after   uint64 // guarded by channel.mu: events up to this number it has got, or are not for it
	seat    *seat  // nil unless a presence channel; static once conn.subs has the subscription
	ousted  bool   // guarded by conn.mu: the reader is to end it
}

// outgoing is an event in the outbox.
type outgoing struct {
	frame  *frame
	seq    uint64
	except *conn         // nil: for all
	billed int           // bytes that the app's backlog was charged; 0 for the protocol's own events
	since  time.Duration // when it was accepted, on the hub's clock; only of events that are billed
}

func newChannel(state *appState, name string) *channel {
	ch := &channel{state: state, name: name, kind: KindOf(name)}
	if ch.kind.Access == AccessPresence {
		ch.members = newMembers()
	}
	return ch
}

// accept appends one event to the outbox. m, unless nil, is the message that it is of. It reports whether the
// caller has to see that the outbox is delivered, with run, once it holds no lock. The caller has a place in the hub (Hub.enter).
func (ch *channel) accept(f *frame, except *conn, billed int, m *Message) (due bool) {
	var since time.Duration
	if billed > 0 {
		since = ch.state.hub.clock()
	}
	ch.outMu.Lock()
	defer ch.outMu.Unlock()
	ch.seq++
	ch.outbox = append(ch.outbox, outgoing{frame: f, seq: ch.seq, except: except, billed: billed, since: since})
	if m != nil && m.Cache != nil {
		ch.keep(f, *m.Cache, m.cachedUntil())
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
	if ch.release() {
		ch.state.awaitKept()
		ch.run()
	}
}

// release releases mu and reports whether the caller has to run.
func (ch *channel) release() (due bool) {
	due = ch.due
	ch.due = false
	ch.mu.Unlock()
	return due
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
	ch.state.counters.subscriptions.Add(1)
}

// remove takes a subscription out of the list, in constant time. Those that the sweep has served stay together. The caller holds mu.
func (ch *channel) remove(sub *subscription) {
	free := sub.index
	if free < ch.swept {
		ch.swept--
		ch.move(ch.swept, free)
		free = ch.swept
	}
	last := len(ch.subs) - 1
	if free != last {
		ch.move(last, free)
	}
	ch.subs[last] = nil
	ch.subs = ch.subs[:last]
	if len(ch.subs) == 0 {
		ch.subs = nil
	}
	ch.state.counters.subscriptions.Add(-1)
}

// move puts a subscription into another's place. The caller holds mu.
func (ch *channel) move(from, to int) {
	ch.subs[to] = ch.subs[from]
	ch.subs[to].index = to
}

// counts returns the subscribers on this node and, on presence channels, the distinct users here.
func (ch *channel) counts() (subscriptions, users int) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.members != nil {
		users = len(ch.members.here())
	}
	return len(ch.subs), users
}

// holding returns what is known on this node of the channel in the whole cluster. here says that this node has subscribers, so that it knows all.
func (ch *channel) holding() (total Holding, here bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	total.Count = len(ch.subs) + ch.elsewhere
	if ch.members != nil {
		total.Members = len(ch.members.byID)
	}
	return total, len(ch.subs) > 0
}
