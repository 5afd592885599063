package cluster

import (
	"fmt"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Call is a call of a [Register] that may change it, in a form that can be sent to the register, and to the copies that follow it.
// Strings are UTF-8.
type Call struct {
	// Seq and At are set when the call is carried out: its number, one more than that of the call before, and its time on the register's clock, Unix nanoseconds.
	Seq uint64
	At  int64

	// Op says which call it is; other fields that it does not take are empty.
	Op Op

	Node    string        `json:",omitempty"`
	TTL     time.Duration `json:",omitempty"`
	Batch   uint64        `json:",omitempty"`
	Updates []Update      `json:",omitempty"`
	Limit   int           `json:",omitempty"`
	Posts   []Post        `json:",omitempty"` // only those to be kept
}

// Op names a call of a [Register].
type Op string

// The calls.
const (
	OpEnter  Op = "enter"  // Node, TTL; answered with Pulse
	OpBeat   Op = "beat"   // Node, TTL; answered with Pulse
	OpResign Op = "resign" // Node
	OpApply  Op = "apply"  // Node, Batch, Updates; answered with Made and Known
	OpReap   Op = "reap"   // Limit; answered with Made and More
	OpKeep   Op = "keep"   // Posts
)

// Answer is the answer to a [Call].
type Answer struct {
	Pulse Pulse                  `json:",omitzero"`
	Made  []pusherhub.Transition `json:",omitempty"`
	Known bool                   `json:",omitempty"`
	More  bool                   `json:",omitempty"`
}

// Carry carries out a call that was made elsewhere. One with an Op that the register does not know does nothing, and has an empty answer.
func (r *Register) Carry(now time.Time, c Call) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Seq, c.At = r.seq+1, max(r.at, r.clockAtTime(now))
	return r.carry(c)
}

// Follow carries out a call that the original has carried out: it makes the same of the copy. One that the copy knows already is left alone. An error says that
// calls before it are missing: the copy needs a snapshot then. From now on the clock of the copy goes on from the time of the call.
func (r *Register) Follow(now time.Time, c Call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.Seq <= r.seq:
		return nil
	case c.Seq != r.seq+1:
		return fmt.Errorf("following a register: found call %d, expected %d", c.Seq, r.seq+1)
	}
	r.clock, r.clockAt = now, c.At
	r.carry(c)
	return nil
}

// carry carries out a call. The lock must be held.
func (r *Register) carry(c Call) (a Answer) {
	r.seq, r.at = c.Seq, c.At
	if r.carried != nil {
		r.carried(c)
	}
	r.expire()
	switch c.Op {
	case OpEnter:
		a.Pulse = r.enter(c.Node, c.TTL)
	case OpBeat:
		a.Pulse = r.beat(c.Node, c.TTL)
	case OpResign:
		if n := r.nodes[c.Node]; n != nil {
			n.until = r.at
		}
	case OpApply:
		a.Made, a.Known = r.apply(c.Node, c.Batch, c.Updates)
	case OpReap:
		a.Made, a.More = r.reap(c.Limit)
	case OpKeep:
		for _, post := range c.Posts {
			if until := post.Keep.UnixNano(); until > r.at {
				r.keep(post.Topic, post.Data, until)
			}
		}
	}
	return a
}

// clockAtTime returns what the register's clock shows. The lock must be held.
func (r *Register) clockAtTime(now time.Time) int64 {
	return r.clockAt + int64(now.Sub(r.clock))
}
