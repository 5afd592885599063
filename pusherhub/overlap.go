package pusherhub

import (
	"hash/maphash"
	"sync"
)

// overlap has what both of a hub's brokers bring delivered once, while the hub changes from one to the other and both may be nodes of the same cluster. Copies
// are known by what they say: of equal messages, the n-th that one broker brings is the n-th of the other.
type overlap struct {
	next *tenure

	mu    sync.Mutex     // held during a delivery, so that none overtakes the one that it is a copy behind; before all other locks
	ahead map[uint64]int // guarded by mu: how many more of a message the next broker has brought than the one before; none are 0
}

func newOverlap(next node) *overlap {
	return &overlap{next: next.tenure, ahead: make(map[uint64]int)}
}

// deliver delivers m, which the broker of that tenure has brought, unless it is a copy.
func (o *overlap) deliver(h *Hub, by *tenure, m *Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key, one := m.hash(), -1
	if by == o.next {
		one = 1
	}
	before := o.ahead[key]
	if o.ahead[key] += one; o.ahead[key] == 0 {
		delete(o.ahead, key)
	}
	if m.own || before*one >= 0 {
		h.deliver(m)
	}
}

// hash is the same for messages that say the same.
func (m *Message) hash() uint64 {
	var sum maphash.Hash
	sum.SetSeed(hashSeed)
	for _, field := range []string{m.App, m.Channel, m.Event, m.Except} {
		maphash.WriteComparable(&sum, field)
	}
	_, _ = sum.Write(m.Payload) // never fails
	return sum.Sum64()
}
