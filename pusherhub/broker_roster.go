package pusherhub

import "context"

// RosterBroker is an [InterestBroker] that keeps a register for the whole cluster: which node holds how much of which [Topic], and which
// members a presence channel has on which node. From it come presence, counts, and who is online, over all nodes.
//
// Each node says what it holds itself (Hold, Join, Leave), and is told what all others together hold of the topics that it follows ([Node].Roster):
// of channels between Subscribe and Unsubscribe, of other topics between Follow and Unfollow. The first that it is told of a topic is Full, and it is told before
// Subscribe or Follow returns, unless the register cannot be reached or is slow: then later. A node puts the two together itself, so whatever comes late,
// twice or not at all, its own clients see a history without contradictions, and the truth as soon as the broker knows it.
//
// # Leases
//
// A node holds what it holds for as long as it lives: it keeps a lease. When a node has died, or could not be reached for as long as the lease lasts,
// its holdings are taken out of the register as if it had given them up, within the lease (default: 10s). A node that was only
// paused or cut off finds out when it is back, and enters everything again.
//
// # Transitions
//
// A topic, or a member of a presence channel, that is held by one node after having been held by none has been gained; when the last one gives it up
// or loses it, it is lost. Each gain and each loss is reported by exactly one node ([Node].Report): the one that caused it, or, after a
// node's death, one that is left. Gains and losses of one topic alternate. A register that has lost its memory (a server that came back empty) is filled again
// by the nodes that live, and what it held before is not gained again. While the register keeps up with what
// it is told, all that comes is reported, however soon it goes again; what goes and comes back at once may not have been away. What happens while the register
// cannot be reached is reported as what has become of it.
type RosterBroker interface {
	InterestBroker

	// Hold says how much of a topic this node has from now on: subscriptions of a channel, sockets of an app; for a user who is signed in here, 1.
	// 0: nothing any more. It only notes that and does not block; the caller holds locks that [Node]'s methods take. Changes that
	// make no transition may be held back for a moment, so that many become one.
	Hold(t Topic, count int)

	// Join says that this node has a member on a presence channel, with that data. Again for the same user: with other data.
	// The rest is as with Hold. What a node has joined and holds is entered before what it publishes afterwards.
	Join(t Topic, m Member)

	// Leave says that this node has a member no more.
	Leave(t Topic, userID string)

	// Follow has [Node].Roster called for topics other than channels. A topic that is followed several times is followed until it was
	// unfollowed as often.
	Follow(topics ...Topic)

	// Unfollow ends that.
	Unfollow(topics ...Topic)

	// Lookup says what all nodes together hold of a topic, this node included, as far as the register knows. An error, if the register cannot be reached.
	Lookup(ctx context.Context, t Topic) (Holding, error)

	// LookupMembers returns the ids of the users on a presence channel, each once. Errors are as with Lookup.
	LookupMembers(ctx context.Context, t Topic) ([]string, error)

	// LookupChannels returns the channels of an app, with that prefix, of which a node holds something. Errors are as with Lookup.
	LookupChannels(ctx context.Context, app, prefix string) (map[string]Holding, error)

	// Settle waits until the register knows what this node holds now, and this node has reported what came of it, or until ctx ends.
	Settle(ctx context.Context) error
}

// Topic is what a node can hold something of: a channel, a user who is signed in, or, with neither Channel nor UserID, an app.
type Topic struct {
	App     string
	Channel string // empty, unless it is a channel
	UserID  string // empty, unless it is a user
}

// Member is a user on a presence channel, as one node has it.
type Member struct {
	UserID string
	Info   []byte // the raw JSON of user_info; nil if there is none
	Since  int64  // when the oldest socket of the user on this node joined, Unix nanoseconds: the oldest one's data counts
}

// Roster is what all other nodes together hold of a topic.
type Roster struct {
	Topic

	// Count is the sum of what they hold.
	Count int

	// Members are the members that have changed, each user once: with the data of the oldest.
	Members []Member

	// Gone are the users who are on none of the other nodes any more.
	Gone []string

	// Full says that Members are all that there are, and that Gone is empty.
	Full bool

	// Cached is the event that the cluster keeps for the channel; nil: none is known. Only with Full.
	Cached *Message
}

// Transition is what happened to a topic, or to a member of a presence channel, in the whole cluster.
type Transition struct {
	Topic

	// Member is the user of a presence channel that it is about; empty: the topic itself.
	Member string

	// Gained says that it was held by nobody before; otherwise nobody holds it now.
	Gained bool
}

// Holding is how much of a topic there is in the whole cluster.
type Holding struct {
	Count   int      // the sum of what the nodes hold
	Members int      // distinct users on a presence channel
	Cached  *Message // the event that is kept for the channel; nil: none
}
