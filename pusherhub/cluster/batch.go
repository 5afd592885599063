package cluster

import (
	"container/list"
	"time"
)

// A batch has no more topics and members than this together, so that the server is not busy with one for long.
const batchEntries = 512

// batch is what one Apply enters. It is repeated, as it is, until it was answered.
type batch struct {
	number  uint64
	node    string
	updates []Update
	refused bool // the register does not know the node

	era  uint64 // of the holdings
	sent []sentTopic
}

// sentTopic is what a batch has of one topic.
type sentTopic struct {
	*held
	order   uint64
	counted bool
	count   int
	members []sentMember
	rest    bool // there was no room for all members
}

type sentMember struct {
	*membership
	user    string
	present bool
}

// now is the moment up to which a round takes what has changed.
func (o *holdings) now() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.clock
}

// phase is how far the register is filled again after it has lost its memory.
type phase int

const (
	phaseRestore phase = iota // what it had, and nodes still hold, comes back
	phaseRelease              // what it had, and was given up since, may be reported as lost: whoever else held it has restored that
	phaseClaim                // everything else, too; the only phase there is while it keeps its memory
)

// allows says whether a change may be entered in a phase.
func (p phase) allows(restored, held bool) bool {
	return p == phaseClaim || restored && (held || p == phaseRelease)
}

// take returns a batch of what has changed up to a moment and may be entered in a phase, or nil. So a round ends, however much changes meanwhile.
func (o *holdings) take(upTo uint64, p phase) *batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := &batch{era: o.era, node: o.node}
	now := time.Now()
	room := batchEntries
	for id := queueRestored; id < queueCount; id++ {
		if id == queueUrgent && p != phaseClaim {
			continue
		}
		var next *list.Element
		for place := o.queues[id].Front(); place != nil && room > 0; place = next {
			next = place.Next()
			h := place.Value.(*held)
			if id != queueRestored && h.order > upTo || id == queueLazy && len(o.waiters) == 0 && now.Before(h.due) {
				break
			}
			room -= o.send(b, h, upTo, p, room)
		}
	}
	if len(b.sent) == 0 {
		return nil
	}
	return b
}

// send puts what has changed of h up to a moment into a batch, so many entries at most, and returns how many it were.
func (o *holdings) send(b *batch, h *held, upTo uint64, p phase, room int) (entries int) {
	s := sentTopic{held: h, order: h.order}
	u := Update{Topic: h.topic}
	if count := max(h.count, h.visit); (h.restored || count != h.entered) && p.allows(h.restored, count > 0) {
		s.counted, s.count = true, count
		u.Counted, u.Count, u.Restored = true, count, h.restored
		o.unheard -= one(h.visit > 0)
		h.told, h.visit, h.visiting = count, 0, h.visit // the end of a visit comes with the next batch
		entries++
	}
	for user, m := range h.changed {
		if m.order > upTo || !p.allows(m.restored, m.present) {
			continue
		}
		if entries >= room {
			s.rest = true
			break
		}
		entries++
		present := m.present || m.visit
		s.members = append(s.members, sentMember{m, user, present})
		u.Members = append(u.Members, MemberUpdate{Member: m.member, Gone: !present, Restored: m.restored})
		m.flying, m.told = true, present
		delete(h.changed, user)
		if m.visit {
			o.unheard--
			m.visit, m.visiting = false, true
			o.change(h, user, m) // its end comes with the next round
		}
	}
	if entries > 0 {
		o.remove(h)
		h.flying = true
		o.flying++
		b.sent = append(b.sent, s)
		b.updates = append(b.updates, u)
	}
	return entries
}

// entered notes that the register has a batch, and reports whether the flusher has to look again: for what has changed meanwhile.
func (o *holdings) entered(b *batch) (look bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b.era != o.era {
		return false
	}
	o.changes++
	for _, s := range b.sent {
		h := s.held
		h.flying = false
		o.flying--
		if s.counted {
			o.entries += one(s.count > 0) - one(h.entered > 0)
			h.entered = s.count
			h.restores -= one(h.restored)
			h.restored, h.visiting = false, 0
		}
		for _, m := range s.members {
			o.entries += one(m.present) - one(m.entered)
			m.membership.entered, m.flying = m.present, false
			if m.visiting && !m.membership.present {
				m.member.Info = nil
			}
			m.visiting = false
			h.restores -= one(m.restored)
			m.restored = false
			h.tidy(m.user, m.membership)
		}
		look = o.queueUp(h) || look
		if s.rest && h.queue == queueUrgent {
			h.order = s.order // so that it is entered before what was published after it
			o.queues[queueUrgent].MoveToFront(h.place)
		}
	}
	o.tellSettled()
	return look
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// enterAgain has everything entered for a new node id. What the register had is to be restored, or is claimed anew. Of visits a register that has lost its memory
// is still to hear; while this node's lease ended, it was not reached for long.
func (o *holdings) enterAgain(node string, restore bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.node = node
	o.era++
	o.changes++
	o.entries, o.flying, o.unheard = 0, 0, 0
	for _, s := range o.waiters {
		s.rounds = settleRounds + one(o.busy)
	}
	for i := range o.queues {
		o.queues[i].Init()
	}
	for _, h := range o.topics {
		h.place, h.queue, h.flying = nil, queueNone, false
		h.restored = h.restored || restore && h.entered > 0
		h.visit = max(h.visit, h.visiting)
		if !restore || h.restored || h.count > 0 {
			h.visit = 0
		}
		o.unheard += one(h.visit > 0)
		h.entered, h.told, h.visiting = 0, 0, 0
		h.restores = one(h.restored)
		for user, m := range h.members {
			m.restored = m.restored || restore && m.entered
			m.visit = restore && (m.visit || m.visiting) && !m.restored && !m.present
			o.unheard += one(m.visit)
			m.entered, m.told, m.visiting, m.flying = false, false, false, false
			h.restores += one(m.restored)
			o.change(h, user, m)
			h.tidy(user, m)
		}
		o.queueUp(h)
	}
}

// valid says that a batch is of the node's id of now.
func (o *holdings) valid(b *batch) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return b.era == o.era
}

// known is how many entries the register has of this node, and a number that changes with it; settled says that nothing of it is under way.
func (o *holdings) known() (entries int, changes uint64, settled bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.entries, o.changes, o.flying == 0
}
