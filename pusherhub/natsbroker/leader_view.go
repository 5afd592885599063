package natsbroker

import (
	"errors"
	"sync"
	"time"
)

// errSplit makes a member connect again that has seen what the register of its leader does not know.
var errSplit = errors.New("the cluster was split")

// view is who leads, as far as a member knows, and what it has seen of the register. It is used by the loop, by the link's reader, and by those who ask.
type view struct {
	mu sync.Mutex // no other lock is taken while it is held

	known   bool
	claim   claim
	heard   time.Time     // when the leader said something
	changed chan struct{} // closed when known or claim change

	// last is the claim that was followed last, even if it is not known any more; seen is the last call of its term of which the broker has seen something.
	last    claim
	seen    uint64
	hadLast bool

	epoch    string // of which the broker knows; empty: none
	node     string // that the broker entered last
	disowned string // a node that the broker must enter anew, with another id
}

// attach begins with a new connection: who leads is not known.
func (v *view) attach() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.known = false
	v.wake()
}

// wake tells those who wait for a change. The lock must be held.
func (v *view) wake() {
	close(v.changed)
	v.changed = make(chan struct{})
}

// current returns who leads, and what is closed when somebody else does.
func (v *view) current() (c claim, known bool, changed <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.claim, v.known, v.changed
}

// observe takes a claim, and reports whether it is the one that counts.
func (v *view) observe(l *link, c claim) (counts bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.take(l, c)
}

// take is observe with the lock held.
func (v *view) take(l *link, c claim) (counts bool) {
	switch {
	case v.known && v.claim.same(c):
		v.claim.Standby, v.last.Standby = c.Standby, c.Standby
		v.heard = time.Now()
		return true
	case v.known && !c.better(v.claim):
		return false
	}
	split := v.hadLast && v.last.Epoch == c.Epoch && !v.last.same(c) && (c.Term != v.last.Term+1 || v.seen > c.Base)
	if !v.hadLast || !v.last.same(c) {
		v.seen = 0
	}
	v.known, v.claim, v.last, v.hadLast, v.heard = true, c, c, true, time.Now()
	v.wake()
	if split {
		v.disowned = v.node
		l.lose(errSplit)
		return false
	}
	return true
}

// ruled reports whether a ruling is to be handed to the broker.
func (v *view) ruled(l *link, r ruling) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.take(l, r.Claim) {
		return false
	}
	if v.epoch == "" {
		v.epoch = r.Claim.Epoch
	}
	if v.epoch != r.Claim.Epoch {
		return false // the broker reads everything when it learns of the other memory
	}
	v.seen = max(v.seen, r.Seq)
	return true
}

// answered reports whether a reply is to be handed to the broker. pulse says that it tells the broker of the register's epoch.
func (v *view) answered(l *link, r reply, pulse bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.take(l, r.Claim) {
		return false
	}
	if pulse || v.epoch == "" {
		v.epoch = r.Claim.Epoch
	}
	v.seen = max(v.seen, r.Seq)
	return true
}

// enters notes the node that the broker enters.
func (v *view) enters(node string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.node = node
}

// isDisowned reports whether the broker must not use that node any more.
func (v *view) isDisowned(node string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return node != "" && v.disowned == node
}

// forget gives up a leader, unless another one is followed already.
func (v *view) forget(c claim) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known && v.claim.same(c) {
		v.known = false
		v.wake()
	}
}

// lastHeard returns when a leader said something.
func (v *view) lastHeard() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.heard
}

// knowsEpoch reports whether that is the register's epoch as the broker knows it.
func (v *view) knowsEpoch(epoch string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.epoch == epoch
}

// followed returns the claim that was followed last.
func (v *view) followed() (c claim, any bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.last, v.hadLast
}
