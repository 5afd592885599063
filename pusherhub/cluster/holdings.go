package cluster

import (
	"bytes"
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// holdings is what this node holds, and how much of that the register knows. Of what this node neither holds nor has in the
// register, nothing is kept but mostVisits, so its size is bounded, whatever comes and goes while the register is slow or cannot be reached.
//
// mu is a leaf: nothing is called with it held.
type holdings struct {
	mu      sync.Mutex
	topics  map[pusherhub.Topic]*held // guarded by mu, like everything below
	queues  [queueCount]list.List     // of *held that differ from the register, in the order in which they began to
	clock   uint64                    // counts what has begun to differ from the register
	node    string                    // the id under which it is entered
	era     uint64                    // changes with every re-entry: what is under way from before does not count
	flying  int                       // held that are in the batch that is under way
	entries int                       // what the register has of this node, as [Pulse] counts it
	changes uint64                    // rises whenever entries may have changed
	waiters []*settler                // calls of Settle that wait: nothing is held back
	busy    bool                      // a round is under way
	visits  bool                      // the register takes everything soon, so it is to hear of what has come and gone, too
	unheard int                       // visits of which it has not heard yet
}

// So many visits wait for the register at most. Who comes and goes when it is as far behind as that is not reported.
const mostVisits = 4 * batchEntries

// settler is a call of Settle that waits.
type settler struct {
	done   chan struct{} // closed when the register knows what this node held when the call began, and the node what came of it
	rounds int           // how many more rounds that takes
}

// settleRounds is how many rounds it takes until everything is entered that a node holds when they begin: the second is for the end of visits.
const settleRounds = 2

// held is what this node holds of one topic.
type held struct {
	topic  pusherhub.Topic
	queue  queueID
	place  *list.Element // in its queue; nil if it is in none
	order  uint64        // the clock when it was put there
	due    time.Time     // when what is held back is to go
	flying bool          // it is in the batch that is under way

	count    int  // that it holds
	entered  int  // that the register has
	told     int  // that it has when what is under way is answered
	visit    int  // that it held for a moment, between two rounds, and that the register is to hear of
	visiting int  // the visit that is under way
	restored bool // the topic is to be restored, see [Update]
	restores int  // how many of the topic and its members are to be restored

	members map[string]*membership
	changed map[string]*membership // those that the register has otherwise, and that are not under way so
}

// membership is a member that this node holds, or that the register has of it.
type membership struct {
	member   pusherhub.Member
	present  bool // it holds the member
	entered  bool // the register has it, perhaps with other data
	told     bool // the register has it when what is under way is answered
	visit    bool // it held the member for a moment, between two rounds, and the register is to hear of that
	visiting bool // what is under way is a visit
	flying   bool // it is in the batch that is under way
	restored bool // it is to be restored, see [MemberUpdate]

	order uint64 // the clock when it began to differ from the register
}

type queueID int

const (
	queueNone     queueID = iota
	queueRestored         // what is to be restored goes first
	queueUrgent           // what makes transitions
	queueLazy             // what waits for more
	queueCount
)

func newHoldings() *holdings { return &holdings{topics: make(map[pusherhub.Topic]*held)} }

// hold notes a count, and reports whether the flusher has to look.
func (o *holdings) hold(t pusherhub.Topic, count int) (look bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	count = max(count, 0)
	h := o.at(t, count > 0)
	if h == nil || h.count == count {
		return false
	}
	o.unheard -= one(h.visit > 0)
	h.visit = 0
	if count == 0 && h.told == 0 && !h.restored && o.takesVisit() {
		h.visit = h.count
	}
	h.count = count
	return o.queueUp(h)
}

// join notes a member.
func (o *holdings) join(t pusherhub.Topic, m pusherhub.Member) (look bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	h := o.at(t, true)
	u := h.members[m.UserID]
	switch {
	case u == nil:
		u = new(membership)
		if h.members == nil {
			h.members, h.changed = make(map[string]*membership), make(map[string]*membership)
		}
		h.members[m.UserID] = u
	case u.present && u.member.Since == m.Since && bytes.Equal(u.member.Info, m.Info):
		return false
	}
	o.unheard -= one(u.visit)
	u.member, u.present, u.visit = m, true, false
	o.change(h, m.UserID, u)
	return o.queueUp(h)
}

// leave notes that a member is gone.
func (o *holdings) leave(t pusherhub.Topic, user string) (look bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	h := o.at(t, false)
	if h == nil {
		return false
	}
	u := h.members[user]
	if u == nil || !u.present {
		return false
	}
	u.present = false
	if u.visit = !u.told && !u.restored && o.takesVisit(); !u.visit {
		u.member.Info = nil
	}
	o.change(h, user, u)
	h.tidy(user, u)
	return o.queueUp(h)
}

// takesVisit counts a visit in if the register is to hear of it.
func (o *holdings) takesVisit() bool {
	if !o.visits || o.unheard >= mostVisits {
		return false
	}
	o.unheard++
	return true
}

// change notes that the register has a member otherwise.
func (o *holdings) change(h *held, user string, u *membership) {
	if h.changed[user] == nil {
		o.clock++
		u.order = o.clock
		h.changed[user] = u
	}
}

// at returns what is held of a topic; nil if that is nothing, unless it is to be made.
func (o *holdings) at(t pusherhub.Topic, make bool) *held {
	h := o.topics[t]
	if h == nil && make {
		h = &held{topic: t}
		o.topics[t] = h
	}
	return h
}

// tidy forgets a member that neither this node nor the register has.
func (h *held) tidy(user string, u *membership) {
	if !u.present && !u.visit && !u.entered && !u.flying && !u.restored {
		delete(h.members, user)
		delete(h.changed, user)
	}
}

// queueUp puts h into the queue where it belongs, or forgets it if there is nothing of it. It reports whether the flusher has to look.
func (o *holdings) queueUp(h *held) (look bool) {
	if h.flying {
		return false // put there when its batch is answered
	}
	queue := h.belongs()
	if queue != h.queue {
		o.remove(h)
		if queue != queueNone {
			o.clock++
			h.queue, h.order, h.due = queue, o.clock, time.Now().Add(holdBack)
			h.place = o.queues[queue].PushBack(h)
		}
	}
	if queue == queueNone && h.count == 0 && len(h.members) == 0 {
		delete(o.topics, h.topic)
	}
	o.tellSettled()
	return queue == queueRestored || queue == queueUrgent || queue == queueLazy && (len(o.waiters) > 0 || o.queues[queueLazy].Len() == 1)
}

func (o *holdings) remove(h *held) {
	if h.place != nil {
		o.queues[h.queue].Remove(h.place)
		h.place, h.queue = nil, queueNone
	}
}

// belongs says which queue h belongs into.
func (h *held) belongs() queueID {
	switch {
	case h.restores > 0:
		return queueRestored
	case len(h.changed) > 0, h.visit > 0, h.count != h.entered && (h.count == 0 || h.entered == 0):
		return queueUrgent
	case h.count != h.entered:
		return queueLazy
	}
	return queueNone
}

// isIdle says that the register knows everything, and the node what came of it.
func (o *holdings) isIdle() bool {
	return !o.busy && o.flying == 0 && o.queues[queueRestored].Len()+o.queues[queueUrgent].Len()+o.queues[queueLazy].Len() == 0
}

// tellSettled ends the calls that have waited for long enough.
func (o *holdings) tellSettled() {
	if len(o.waiters) == 0 {
		return
	}
	idle := o.isIdle()
	o.waiters = slices.DeleteFunc(o.waiters, func(s *settler) bool {
		done := idle || s.rounds <= 0
		if done {
			close(s.done)
		}
		return done
	})
}

// beginRound says that a round is under way.
func (o *holdings) beginRound() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy = true
}

// endRound says that none is under way, whether the register has taken everything, and whether it has or will soon. While it will not, nothing is kept of visits:
// what happens then is reported as what has become of it.
func (o *holdings) endRound(answered, soon bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy, o.visits = false, soon
	for _, s := range o.waiters {
		s.rounds -= one(answered)
	}
	o.tellSettled()
}

// settle returns a channel that is closed when everything is done that there is to do now, and the function to call after that. Nothing is held back until
// then.
func (o *holdings) settle() (settled <-chan struct{}, end func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &settler{make(chan struct{}), settleRounds + one(o.busy)} // a round that is under way may have begun before
	o.waiters = append(o.waiters, s)
	o.tellSettled()
	return s.done, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.waiters = slices.DeleteFunc(o.waiters, func(other *settler) bool { return other == s })
	}
}

// pending is how many topics differ from the register.
func (o *holdings) pending() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.queues {
		n += o.queues[i].Len()
	}
	return n + o.flying
}

// nodeID is the id under which this node is entered; empty: it is not.
func (o *holdings) nodeID() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.node
}

// nextDue is when the first change goes that is held back.
func (o *holdings) nextDue() (due time.Time, waits bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := o.queues[queueLazy].Front()
	if first == nil {
		return due, false
	}
	return first.Value.(*held).due, true
}
