package cluster

import (
	"cmp"
	"slices"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Snapshot is all that a [Register] knows, in a form that can be sent. Times are Unix nanoseconds of the register's clock.
type Snapshot struct {
	Epoch   string
	Born    int64  // when this memory began
	At      int64  // of the last call
	Seq     uint64 // of the last call
	Version uint64 // of the last change of any topic
	Nodes   []NodeSnapshot
	Topics  []TopicSnapshot
	Losses  []LossSnapshot // in the order of time
}

// NodeSnapshot is what a register knows of a node.
type NodeSnapshot struct {
	Node     string
	Until    int64                  // when its lease ends
	Ended    bool                   `json:",omitempty"` // it is reaped in part
	Next     uint64                 // the number after that of its last batch
	Made     []pusherhub.Transition `json:",omitempty"` // the answer to that batch
	Holdings []HoldingSnapshot      `json:",omitempty"`
}

// HoldingSnapshot is what a node holds of a topic.
type HoldingSnapshot struct {
	Topic   pusherhub.Topic
	Count   int                `json:",omitempty"`
	Members []pusherhub.Member `json:",omitempty"` // by user
}

// TopicSnapshot is what a register knows of a topic besides who holds it.
type TopicSnapshot struct {
	Topic   pusherhub.Topic
	Version uint64
	Kept    []byte `json:",omitempty"`
	Until   int64  `json:",omitempty"` // when Kept expires; 0: nothing is kept
}

// LossSnapshot is a loss that was a transition in the last minute.
type LossSnapshot struct {
	Topic  pusherhub.Topic
	UserID string `json:",omitempty"` // empty: the topic itself
	At     int64
}

// Snapshot returns what the register knows after the call with the number Seq. Two registers that know the same have equal snapshots.
// What it refers to must not be changed.
func (r *Register) Snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Snapshot{Epoch: r.epoch, Born: r.born, At: r.at, Seq: r.seq, Version: r.version}
	for _, n := range r.ended {
		s.Nodes = append(s.Nodes, n.snapshot(true))
	}
	ended := len(s.Nodes)
	for _, n := range r.nodes {
		s.Nodes = append(s.Nodes, n.snapshot(false))
	}
	slices.SortFunc(s.Nodes[ended:], func(a, b NodeSnapshot) int { return cmp.Compare(a.Node, b.Node) })
	for _, t := range r.topics {
		topic := TopicSnapshot{Topic: t.name, Version: t.version}
		if t.kept != nil {
			topic.Kept, topic.Until = t.kept, t.keptUntil
		}
		s.Topics = append(s.Topics, topic)
	}
	slices.SortFunc(s.Topics, func(a, b TopicSnapshot) int { return compareTopics(a.Topic, b.Topic) })
	for _, l := range r.losses.queue {
		if r.losses.at[l.lossKey] == l.at {
			s.Losses = append(s.Losses, LossSnapshot{Topic: l.topic, UserID: l.user, At: l.at})
		}
	}
	return s
}

func (n *node) snapshot(ended bool) NodeSnapshot {
	s := NodeSnapshot{Node: n.id, Until: n.until, Ended: ended, Next: n.next, Made: n.made}
	for place := n.holdings.Front(); place != nil; place = place.Next() {
		h := place.Value.(*holding)
		holding := HoldingSnapshot{Topic: h.topic.name, Count: h.count}
		for _, m := range h.members {
			holding.Members = append(holding.Members, m)
		}
		slices.SortFunc(holding.Members, func(a, b pusherhub.Member) int { return cmp.Compare(a.UserID, b.UserID) })
		s.Holdings = append(s.Holdings, holding)
	}
	return s
}

func compareTopics(a, b pusherhub.Topic) int {
	return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.UserID, b.UserID))
}

// Restore makes the register a copy of the one that the snapshot is of, and forgets what it knew. The clock of the copy goes on from the time of the snapshot.
// It hands out no changes.
func (r *Register) Restore(now time.Time, s Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock, r.clockAt = now, s.At
	r.registerState = newRegisterState(s.Epoch, s.Born)
	r.at, r.seq, r.version = s.At, s.Seq, s.Version
	for _, t := range s.Topics {
		state := r.topic(t.Topic)
		state.version = t.Version
		if t.Until > 0 {
			r.keep(t.Topic, t.Kept, t.Until)
		}
	}
	for _, n := range s.Nodes {
		r.restoreNode(n)
	}
	for _, l := range s.Losses {
		r.losses.add(lossKey{l.Topic, l.UserID}, l.At)
	}
}

func (r *Register) restoreNode(s NodeSnapshot) {
	n := newNode(s.Node)
	n.until, n.next, n.made = s.Until, s.Next, s.Made
	if s.Ended {
		r.ended = append(r.ended, n)
	} else {
		r.nodes[n.id] = n
	}
	for _, holding := range s.Holdings {
		h := r.topic(holding.Topic).holding(n)
		r.setCount(h, holding.Count)
		for _, m := range holding.Members {
			h.setMember(m)
		}
	}
}
