package natsbroker

import (
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// What the members of a council say to each other is JSON in frames (leader_pack.go). Fields that are not known are skipped.

// claim says who leads, and of which memory. Leaders put it in whatever they say.
type claim struct {
	// Epoch names the register's memory, and Born says when it began, in Unix nanoseconds of the clock of the node that began it.
	Epoch string
	Born  int64

	// Term is one more with each leader of the same memory. Base is the number of the last call that this leader knows of the one before.
	Term uint64
	Base uint64

	// Leader is the member that leads, Standby the one that has a copy of all that the leader has answered. Empty: none has.
	Leader  string
	Standby string
}

// better reports whether c counts if both claims are made: of one memory, the later term; of two, the older memory.
func (c claim) better(than claim) bool {
	switch {
	case c.Epoch == than.Epoch:
		return c.Term > than.Term || c.Term == than.Term && c.Leader < than.Leader
	case c.Born != than.Born:
		return c.Born < than.Born
	}
	return c.Epoch < than.Epoch
}

// same reports whether it is the same leader in the same term.
func (c claim) same(as claim) bool {
	return c.Epoch == as.Epoch && c.Term == as.Term && c.Leader == as.Leader
}

// notice is what a member says of itself to all, every tick.
type notice struct {
	Member string
	Since  int64 // when it began, Unix nanoseconds: the oldest may begin a memory

	Lead *claim `json:",omitempty"` // of the one that leads
	Ask  bool   `json:",omitempty"` // asks all for a notice, at once
	Bye  bool   `json:",omitempty"` // ends

	Question uint64 `json:",omitempty"` // asks all for a notice that answers this
	To       string `json:",omitempty"` // the member whose question is answered
	Answer   uint64 `json:",omitempty"` // the question that is answered
}

// question is asked by a member and answered by the leader. One of its fields is set, besides ID.
type question struct {
	ID string // the same when it is asked again

	Call     *cluster.Call     `json:",omitempty"`
	Read     []pusherhub.Topic `json:",omitempty"`
	Count    *pusherhub.Topic  `json:",omitempty"`
	Channels *channelsOf       `json:",omitempty"`
}

type channelsOf struct{ App, Prefix string }

// reply is the answer to a question.
type reply struct {
	Claim   claim
	Seq     uint64 // the last call that is in the answer
	Refused bool   `json:",omitempty"` // who was asked does not lead

	Answer   cluster.Answer               `json:",omitzero"`
	States   []cluster.State              `json:",omitempty"`
	Holding  pusherhub.Holding            `json:",omitzero"`
	Channels map[string]pusherhub.Holding `json:",omitempty"`
}

// ruling is a change of a topic, for all who are subscribed to it.
type ruling struct {
	Claim  claim
	Seq    uint64 // the call that made it
	Change cluster.Change
}

// record is a call that the leader has carried out, for the standby.
type record struct {
	Claim    claim
	Question string // that it answers
	Call     cluster.Call
	Answer   cluster.Answer
}

// snapshot is the leader's register, for a member that is to be the standby.
type snapshot struct {
	Claim    claim
	Snapshot cluster.Snapshot
}

// receipt tells the leader how far the copy of a member goes.
type receipt struct {
	Member string
	Epoch  string
	Term   uint64
	Seq    uint64
	Lacks  bool `json:",omitempty"` // something is missing: a snapshot is needed
}
