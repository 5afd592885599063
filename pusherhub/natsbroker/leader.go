package natsbroker

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// council is the register that the nodes keep themselves, without JetStream. Each node is a member of the council. One member leads: it has the register, and all
// others ask it. The member that is there for the longest time after it stands by: it has a copy of all that the leader has answered, and goes on when the leader is gone.
//
// The way of a question: the member that asks (leader_ask.go) sends it to the leader, whose loop carries it out (leader_lead.go), sends a record
// of it to the standby (leader_standby.go), waits for the receipt, publishes the changes on the topics' subjects, and replies. So whatever anybody has seen survives the leader.
// If leader and standby are gone together, the oldest member begins a new memory, and the nodes enter again what they hold.
//
// After a partition there may be two leaders. As soon as they hear each other the worse claim is given up (claim.better); who has
// seen something that the better one does not know connects again, and enters again what it holds (leader_view.go).
//
// A council outlives connections; what it does on one begins with attach and ends with stop. All that the loop owns is touched by nobody else.
type council struct {
	options Options
	id      string // static
	since   time.Time
	times   times
	handler cluster.Handler // static after Open

	view    view
	reunion reunion

	hears atomic.Pointer[link] // the connection on which the council is heard; nil: none was yet

	end      context.CancelFunc // ends the loop; set by attach
	loopDone sync.WaitGroup

	// Questions that wait for their replies.
	mu      sync.Mutex // no other lock is taken while it is held
	link    *link      // nil while there is no connection
	number  uint64     // of the last question
	awaited map[string]chan reply

	reapMu  sync.Mutex // held during Reap; mu may be taken while it is held
	reaping string     // guarded by reapMu: the number of a reaping whose answer was lost; empty: none

	// Owned by the loop, and by attach and stop while there is none.
	inbox    chan said // what came, in order
	peers    map[string]peer
	attached time.Time       // when the connection began
	missed   bool            // the server could not be reached before this connection
	echoed   time.Time       // when a notice of its own came back last: the connection works, and what the others said before has been heard
	closing  bool            // the member is to end
	asked    time.Time       // when its last question for the others' notices came back, of one that is closing; zero: not yet
	lead     *leading        // nil: this member does not lead
	copying  <-chan struct{} // closed when a snapshot is sent; nil: none is under way
	endCopy  func()          // ends the sending of it
	stand    *standing
	restoring
}

// said is something that came for the loop: a parcel, or a packed snapshot.
type said struct {
	subject string
	what    any
}

// peer is another member.
type peer struct {
	since int64
	heard time.Time
	slow  time.Time // until then it is not asked to stand by
}

// times are how long the council waits for what, all in proportion to the lease.
type times struct {
	tick    time.Duration // between notices
	first   time.Duration // how long a new member waits to hear of others
	silence time.Duration // after which a member that says nothing is gone
	absence time.Duration // how long a member that has come back waits for the leader or the standby that it knew
	receipt time.Duration // how long the standby may take
	recent  time.Duration // how long what was done is kept for a new leader, and for who asks again
	still   time.Duration // a member that did nothing for so long stood still; short enough for nobody to have taken its place before
	grace   time.Duration // after a time in which no beat could be heard, nobody is reaped for so long
}

// newTimes divides a lease: a leader that is gone is replaced early enough for its own holdings to be reaped within the lease.
func newTimes(lease time.Duration) times {
	silence := max(lease/5, min(lease*3/10, time.Second))
	return times{
		tick:    lease / 25,
		first:   min(lease/25, 200*time.Millisecond),
		silence: silence,
		still:   silence / 2,
		absence: min(lease*3/10, 3*time.Second) + longestPause,
		receipt: lease / 5,
		recent:  max(lease/2, 2*longestAsk),
		grace:   lease * 4 / 5,
	}
}

// inboxLength is how much may wait for the loop. The link's reader waits when it is full.
const inboxLength = 1024

func newCouncil(o Options) *council {
	c := &council{
		options: o,
		id:      rand.Text(),
		since:   time.Now(),
		times:   newTimes(o.lease()),
		awaited: make(map[string]chan reply),
		peers:   make(map[string]peer),
	}
	c.view.changed = make(chan struct{})
	return c
}

// attach begins to work on a connection.
func (c *council) attach(l *link) (register, error) {
	c.inbox = make(chan said, inboxLength)
	c.attached, c.echoed = time.Now(), time.Time{}
	c.closing, c.asked, c.copying, c.restoring = false, time.Time{}, nil, restoring{}
	clear(c.peers)
	c.reunion.reset()
	c.view.attach()
	c.hears.Store(l)
	if c.lead != nil {
		c.lead.doubt(c.attached.Add(c.times.tick))
	}
	if err := l.subscribe(l.members(), l.node(c.id, "*")); err != nil {
		return nil, err
	}
	if err := l.flush(l.ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.link = l
	c.mu.Unlock()
	var ctx context.Context
	ctx, c.end = context.WithCancel(l.ctx)
	c.loopDone.Go(func() { c.loop(ctx, l) })
	return c, nil
}

// stop ends what attach began. If the connection is still there, the others are told, so that they need not find out.
func (c *council) stop() {
	c.mu.Lock()
	c.link = nil
	c.mu.Unlock()
	c.end()
	c.loopDone.Wait()
}

// loop does the member's work until ctx ends.
func (c *council) loop(ctx context.Context, l *link) {
	c.notify(l, notice{Ask: true})
	ticker := time.NewTicker(c.times.first)
	defer ticker.Stop()
	closing := ctx.Done()
	var heir <-chan time.Time // ends the wait for a standby that can go on
	for {
		select {
		case s := <-c.inbox:
			c.afterPause(l, time.Now())
			c.hear(l, s)
			c.settleReceipt(l)
		case <-ticker.C:
			c.afterPause(l, time.Now())
			c.tick(l, time.Now())
			ticker.Reset(c.times.tick)
		case <-c.copying:
			c.afterPause(l, time.Now())
			c.sentCopy(l)
		case copied := <-c.restored:
			c.afterPause(l, time.Now())
			c.restoredCopy(l, copied)
			c.settleReceipt(l)
		case <-closing:
			closing, heir = nil, time.After(c.times.silence+c.times.receipt) // to notice that the one who has a copy is gone, and to make another
			c.closing = true
			c.notify(l, notice{Ask: true})
		case <-heir:
			c.part(l)
			return
		case <-l.ctx.Done():
			return
		}
		c.abdicate(l)
		if closing == nil && !c.lacksHeir() {
			c.part(l)
			return
		}
	}
}

// part tells the others that this member ends. It waits until the server has taken that: a connection that is closed while something waits to be read may lose
// what was written.
func (c *council) part(l *link) {
	if l.ctx.Err() != nil {
		return
	}
	if c.copying != nil { // who got the rest of it would take this member for the leader again
		c.endCopy()
	}
	c.notify(l, notice{Bye: true})
	ctx, cancel := context.WithTimeout(l.ctx, c.times.receipt)
	defer cancel()
	_ = l.flush(ctx) // who was not told finds out
}

// take takes what came over the bus and reports whether it was understood. It is called by the link's reader.
func (c *council) take(l *link, subject string, f frame) (understood bool) {
	var what parcel
	switch f.kind { //nolint:exhaustive // the others are the engine's, or not known
	case kindRuling:
		var r ruling
		if unpack(f.body, &r) != nil {
			return false
		}
		if c.view.ruled(l, r) {
			c.handler.Change(r.Change)
		}
		return true
	case kindReply:
		var r reply
		if unpack(f.body, &r) != nil {
			return false
		}
		c.replied(subject, r)
		return true
	case kindNotice:
		what = new(notice)
	case kindQuestion:
		what = new(question)
	case kindRecord:
		what = new(record)
	case kindCopy:
		c.put(l, said{subject, packed(f.body)})
		return true
	case kindReceipt:
		what = new(receipt)
	default:
		return false
	}
	if unpack(f.body, what) != nil {
		return false
	}
	c.put(l, said{subject, what})
	return true
}

// put hands something to the loop.
func (c *council) put(l *link, s said) {
	select {
	case c.inbox <- s:
	case <-l.ctx.Done():
	}
}

// hear takes what came for the loop.
func (c *council) hear(l *link, s said) {
	switch what := s.what.(type) {
	case *notice:
		c.heardNotice(l, *what)
	case *question:
		c.heardQuestion(l, *what)
	case *record:
		c.heardRecord(l, *what)
	case packed:
		c.heardSnapshot(what)
	case *receipt:
		c.heardReceipt(l, *what)
	}
}

// follow implements register: changes come on the topics' subjects.
func (c *council) follow(context.Context, []pusherhub.Topic) error { return nil }

// unfollow implements register.
func (c *council) unfollow([]pusherhub.Topic) {}

// asker returns who asked a question.
func (q question) asker() string {
	member, _, _ := strings.Cut(q.ID, ".")
	return member
}

// number returns the number of a question.
func (q question) number() string {
	_, number, _ := strings.Cut(q.ID, ".")
	return number
}
