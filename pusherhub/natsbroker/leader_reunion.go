package natsbroker

import (
	"errors"
	"sync"
	"time"
)

// reunionTimeout is how long a member that stood still waits for the others. Servers that have lost each other look for each other once a second.
const reunionTimeout = 5 * time.Second

// errApart says that this member does not know yet what has become of the others.
var errApart = errors.New("waiting for the other nodes, after this one stood still")

// reunion notices that this process stood still, as one does that is stopped, or has no CPU, and knows which members it has not found again since.
// A server in this process stood still, too, and other servers have given it up: what is sent before they have found each other is lost, and nothing
// that was believed before is certain: others may lead. The zero value has noticed nothing.
type reunion struct {
	mu      sync.Mutex // no other lock is taken while it is held
	seen    time.Time  // guarded by mu, like everything below: when the process certainly ran last; zero: not known
	working bool       // the loop does something that may take long
	stood   bool       // it stood still, and the loop does not know yet
	number  uint64     // how often it did
	missing map[string]bool
	until   time.Time // when those who are missing are given up
}

// reset has the time until see is called next not count, and nobody missing.
func (r *reunion) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen, r.stood, r.missing = time.Time{}, false, nil
}

// see notes that the process runs. If it had not been seen for longer than that, it stood still.
func (r *reunion) see(now time.Time, limit time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stood = r.stood || !r.seen.IsZero() && !r.working && now.Sub(r.seen) > limit
	r.seen = now
}

// work says that the loop does something that may take as long as if the process stood still, or has done it.
func (r *reunion) work(begins bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.working = begins; !r.seen.IsZero() {
		r.seen = time.Now()
	}
}

// begin reports whether the process stood still. From now on these members are missing.
func (r *reunion) begin(members map[string]peer, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stood {
		return false
	}
	r.stood, r.missing, r.until = false, make(map[string]bool), now.Add(reunionTimeout)
	r.number++
	for id := range members {
		r.missing[id] = true
	}
	return true
}

// question is the number under which members that are missing are asked; 0: none is.
func (r *reunion) question() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.missing) == 0 {
		return 0
	}
	return r.number
}

// answered takes the answer of a member.
func (r *reunion) answered(member string, number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number == r.number {
		delete(r.missing, member)
	}
}

// apart reports whether members may be missing.
func (r *reunion) apart(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.After(r.until) {
		r.missing = nil
	}
	return r.stood || len(r.missing) > 0
}
