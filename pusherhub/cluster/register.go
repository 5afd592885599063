package cluster

import (
	"slices"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Register is the register of an [Engine], in memory: who holds what, with leases. Engines whose server has none use it: [Bus] has one for all,
// and a cluster of nodes that elect a leader has one on the leader, and a copy on each node that may become the leader ([Register.Follow]).
// What its methods mean is said at [Engine].
//
// What a register does depends on the calls and their times only. So a copy that is told the same calls is the same,
// down to the versions.
//
// Its methods may be called concurrently. The time that they take is that of the caller, who must not move from one clock to another.
type Register struct {
	changed func(Change) // static; called with mu held
	carried func(Call)   // static; called with mu held

	mu sync.Mutex
	registerState

	// The register's clock showed clockAt when the caller's showed clock. The two run alike, and a copy goes on with the clock of the original.
	clock   time.Time
	clockAt int64
}

// registerState is what a register knows. Times are Unix nanoseconds of the register's clock, which never goes back.
type registerState struct {
	epoch   string
	born    int64
	at      int64  // of the last call
	seq     uint64 // of the last call
	version uint64 // of the last change of any topic, so that versions rise although nothing is kept of a topic that nobody holds

	nodes  map[string]*node
	ended  []*node // reaped in part only, in the order of their end
	topics map[pusherhub.Topic]*topic
	apps   map[string]map[pusherhub.Topic]*topic // those channels of an app of which a node holds a count
	losses lossMemory
	kept   keptQueue
}

// NewRegister returns an empty register with a new epoch.
//
// changed takes the changes, in order; carried takes each call that changes something, in the order in which they are carried out, and before the
// changes that it makes: a copy that follows is told of them. Either may be nil. They are called with the register locked: they must neither wait nor call it.
func NewRegister(now time.Time, changed func(Change), carried func(Call)) *Register {
	r := &Register{changed: changed, carried: carried, clock: now, clockAt: now.UnixNano()}
	r.registerState = newRegisterState(newEpoch(), r.clockAt)
	return r
}

func newRegisterState(epoch string, born int64) registerState {
	return registerState{
		epoch:  epoch,
		born:   born,
		at:     born,
		nodes:  make(map[string]*node),
		topics: make(map[pusherhub.Topic]*topic),
		apps:   make(map[string]map[pusherhub.Topic]*topic),
		losses: lossMemory{at: make(map[lossKey]int64)},
	}
}

// Enter is [Engine].Enter.
func (r *Register) Enter(now time.Time, node string, ttl time.Duration) Pulse {
	return r.Carry(now, Call{Op: OpEnter, Node: node, TTL: ttl}).Pulse
}

// Beat is [Engine].Beat.
func (r *Register) Beat(now time.Time, node string, ttl time.Duration) Pulse {
	return r.Carry(now, Call{Op: OpBeat, Node: node, TTL: ttl}).Pulse
}

// Resign is [Engine].Resign.
func (r *Register) Resign(now time.Time, node string) {
	r.Carry(now, Call{Op: OpResign, Node: node})
}

// Apply is [Engine].Apply. The register keeps what updates refer to: it must not be changed any more.
func (r *Register) Apply(now time.Time, node string, batch uint64, updates []Update) (made []pusherhub.Transition, known bool) {
	answer := r.Carry(now, Call{Op: OpApply, Node: node, Batch: batch, Updates: updates})
	return answer.Made, answer.Known
}

// Reap is [Engine].Reap. It takes limit entries of nodes whose lease has ended, or a few more. limit is at least 1.
func (r *Register) Reap(now time.Time, limit int) (made []pusherhub.Transition, more bool) {
	answer := r.Carry(now, Call{Op: OpReap, Limit: limit})
	return answer.Made, answer.More
}

// Keep keeps the data of those posts that are to be kept ([Post]), and must not be changed any more.
func (r *Register) Keep(now time.Time, posts []Post) {
	var keep []Post
	for _, post := range posts {
		if !post.Keep.IsZero() {
			keep = append(keep, post)
		}
	}
	if len(keep) > 0 {
		r.Carry(now, Call{Op: OpKeep, Posts: keep})
	}
}

// enter gives a node a lease. The lock must be held.
func (r *Register) enter(id string, ttl time.Duration) Pulse {
	ended := slices.ContainsFunc(r.ended, func(n *node) bool { return n.id == id })
	if r.nodes[id] == nil && !ended {
		r.nodes[id] = newNode(id)
	}
	return r.beat(id, ttl)
}

// beat makes the lease of a node last for ttl from now on. The lock must be held.
func (r *Register) beat(id string, ttl time.Duration) Pulse {
	pulse := Pulse{Epoch: r.epoch, Age: time.Duration(r.at - r.born)}
	if n := r.nodes[id]; n != nil {
		n.until = r.at + int64(ttl)
		pulse.Known, pulse.Holdings = true, n.entries
	}
	for _, n := range r.nodes {
		if n.until > r.at {
			pulse.Nodes++
		}
	}
	return pulse
}
