package cluster

import (
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// followed is a topic that this node hears of. Its lock is held while the node is called about the topic, so that the calls come one after the other, and
// none comes after the end. No other lock is taken with it but the node's.
type followed struct {
	topic pusherhub.Topic
	ready chan struct{} // closed when the node was told the first roster
	times int           // guarded by follows.mu: how often it is followed

	mu      sync.RWMutex
	ended   bool   // guarded by mu, like everything below
	session uint64 // of the last read; what changes is of use in that session only
	version uint64
	others  others
	ghosts  bool // others may have nodes that the register does not have
	last    map[string]heard

	reading bool     // a read is under way, and
	missed  []Change // what has changed since it began,
	lost    bool     // if that is not too much to keep
}

// heard is what was received last of an origin.
type heard struct {
	number uint64
	at     time.Time
}

// The messages of a topic that come twice come within forgetAfter. Up to so many origins are not looked through for old ones.
const (
	forgetAfter  = 10 * time.Minute
	fewOrigins   = 16
	missedChange = 10_000
)

// duplicate says that this node has received the envelope on this topic before. The caller holds mu.
func (f *followed) duplicate(e *envelope) bool {
	last, known := f.last[e.origin]
	if known && e.number <= last.number {
		return true
	}
	now := time.Now()
	if f.last == nil {
		f.last = make(map[string]heard)
	}
	if !known && len(f.last) >= fewOrigins {
		for origin, h := range f.last {
			if now.Sub(h.at) > forgetAfter {
				delete(f.last, origin)
			}
		}
	}
	f.last[e.origin] = heard{e.number, now}
	return false
}

// change takes over what has changed and tells the node.
func (f *followed) change(c Change, b *Broker) {
	_, now, _ := b.link.state()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended:
	case f.reading && len(f.missed) < missedChange:
		f.missed = append(f.missed, c)
	case f.reading:
		f.lost = true
	case now != nil && f.session == now.number:
		f.carryOut(c, b)
	}
}

// carryOut does that with mu held. What is older than what was read is known.
func (f *followed) carryOut(c Change, b *Broker) {
	if c.Version <= f.version {
		return
	}
	f.version = c.Version
	if r, differs := f.others.apply(c, b.origin); differs {
		b.node.Roster(r)
	}
}

// beginRead has changes kept, because the read that begins now may not have them.
func (f *followed) beginRead() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reading, f.lost, f.missed = true, false, nil
}

// failRead ends a read that was not answered: what is known stays.
func (f *followed) failRead(b *Broker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	missed := f.missed
	f.reading, f.missed = false, nil
	if f.lost {
		f.session = 0
	}
	for _, c := range missed {
		if !f.ended && f.session != 0 {
			f.carryOut(c, b)
		}
	}
}

// endRead takes over what was read in a session, and tells the node. It returns false if it has to be read again.
func (f *followed) endRead(state State, s *session, b *Broker) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	missed := f.missed
	f.reading, f.missed = false, nil
	if f.ended {
		return true
	}
	if f.lost {
		f.session = 0
		return false
	}
	if f.session != s.number || f.version != state.Version || f.ghosts {
		f.takeOver(state, s, b)
	}
	for _, c := range missed {
		f.carryOut(c, b)
	}
	return true
}

// takeOver makes what was read all that is known. While the register is filled again, what was known before stays, too.
func (f *followed) takeOver(state State, s *session, b *Broker) {
	var read others
	for _, e := range state.Entries {
		if originOf(e.Node) != b.origin {
			read.put(e)
		}
	}
	f.ghosts = time.Now().Before(s.wholeAt)
	if f.ghosts {
		read.keep(&f.others)
	}
	f.session, f.version, f.others = s.number, state.Version, read
	b.node.Roster(pusherhub.Roster{
		Topic: f.topic, Count: read.count(), Members: read.all(), Full: true, Cached: keptMessage(state.Kept),
	})
	f.tellReady()
}

func (f *followed) tellReady() {
	select {
	case <-f.ready:
	default:
		close(f.ready)
	}
}

// end ends the calls of the node.
func (f *followed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
}
