package cluster

import (
	"context"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Engine is what a [Broker] needs of a server that all nodes reach: a bus that carries bytes, and a register of who holds what. An engine
// serves one broker. All methods but Open and Close may be called concurrently; the broker itself has one Apply and one Send under way at most.
//
// A method that cannot reach the server, or is not answered until ctx ends, returns an error and may be called again. Each of them does
// again what has been done already without harm.
type Engine interface {
	// Open begins to connect and returns without waiting for it. The engine calls h until Close returns: Up whenever there is
	// a new connection, Down when it has been lost or could not be made, Receive and Change with what the bus carries. An engine connects again by itself, with
	// growing, randomized pauses of 5 s at most, for as long as it is open.
	Open(h Handler) error

	// Subscribe has what is sent to a topic received. When it returns nil, the server has confirmed it, and nothing is missed from then on; what was sent
	// just before may come, too. A new connection has no subscriptions.
	// The topic Commands is one of them.
	Subscribe(ctx context.Context, topics []pusherhub.Topic) error

	// Unsubscribe ends that. It does not wait for the server.
	Unsubscribe(topics []pusherhub.Topic)

	// Send has each post received by every node that is subscribed to its topic, the sender included, in the order of the posts for one
	// topic. What is to be kept is kept before it is received by anybody. accepted is how many of them, from the first, the server certainly
	// has; with an error, it may have more: those that are sent again are told apart by who receives them.
	Send(ctx context.Context, posts []Post) (accepted int, err error)

	// Enter gives a node that the register has never seen a lease, which lasts for ttl from now on.
	Enter(ctx context.Context, node string, ttl time.Duration) (Pulse, error)

	// Beat makes the node's lease last for ttl from now on. A node that has been reaped, or that the register does not know any more,
	// is not known, and stays so. One whose lease has ended and that nobody has reaped yet is.
	Beat(ctx context.Context, node string, ttl time.Duration) (Pulse, error)

	// Resign ends the node's lease now, so that another node reaps it at once.
	Resign(ctx context.Context, node string) error

	// Apply enters what a node holds, all changes of a topic in one step that nobody can see half of, unless the topic has so many members that the
	// register keeps them in parts: then all changes of a part. It has each step received as a [Change] by every node that
	// is subscribed to the topic. It returns the transitions that it made, in the order of the updates: within an update, the gain of the topic comes first,
	// its loss last. batch is a number that rises with every call, unless an error has been returned: then the same updates come again
	// with the same number, and what an attempt whose answer was lost has done is answered again and not done again.
	// A node that is not known (see Beat) may apply nothing: known is false then, and nothing was done but what made says, by a part of the
	// register that did not know yet.
	Apply(ctx context.Context, node string, batch uint64, updates []Update) (made []pusherhub.Transition, known bool, err error)

	// Reap ends nodes whose lease has ended: they are not known any more, and nothing can be applied for them. It takes everything of the register that they hold, has that received as changes, and returns the transitions that this made
	// to the one caller who made them, with an error, too. more says that it has done a part only.
	Reap(ctx context.Context) (made []pusherhub.Transition, more bool, err error)

	// Read returns what the register has of each topic, in that order, and the kept event of channels.
	Read(ctx context.Context, topics []pusherhub.Topic) ([]State, error)

	// Count returns how much of a topic there is, without looking at every member. Cached is left out.
	Count(ctx context.Context, t pusherhub.Topic) (pusherhub.Holding, error)

	// Channels returns the channels of an app, with that prefix, that are held by a node. Cached is left out.
	Channels(ctx context.Context, app, prefix string) (map[string]pusherhub.Holding, error)

	// Close ends everything that Open began, and waits for it.
	Close() error
}

// Commands is the topic of what concerns every node.
var Commands = pusherhub.Topic{}

// Handler is what an engine calls: the broker. Receive and Change come in the order of the bus; they do not wait for the engine. Up
// and Down do not wait for anything.
type Handler interface {
	// Up says that there is a new connection. It has no subscriptions. Before the next Up there is a Down.
	Up()

	// Down says that the connection is lost, or why one could not be made: again and again, as the reason may be another one.
	Down(err error)

	// Receive takes the data of a [Post]. It may keep data.
	Receive(data []byte)

	// Change takes a change of the register.
	Change(c Change)

	// LeftOut says that the server can never take a change of a member, because of its size, and that Apply has left it out. Without a user it is a change of
	// the topic itself.
	LeftOut(t pusherhub.Topic, user string, why error)

	// Ignored counts something that came over the bus and that the engine does not understand.
	Ignored()
}

// Post is something to send to a topic.
type Post struct {
	Topic pusherhub.Topic
	Data  []byte

	// Keep has Data kept as the event of the channel until then; zero: it is not kept.
	Keep time.Time
}

// Pulse is what a node learns with a beat.
type Pulse struct {
	// Epoch names the register's memory: it changes when the register has lost it.
	Epoch string

	// Age is how long this memory lasts.
	Age time.Duration

	// Known says that the node has a lease.
	Known bool

	// Holdings is how many entries the register has of the node: one for each topic with a count, and one for each member. -1: not counted this time.
	Holdings int

	// Nodes is how many nodes have a lease.
	Nodes int
}

// Update is what a node changes of what it holds of one topic.
type Update struct {
	Topic pusherhub.Topic

	// Counted says that Count changes.
	Counted bool

	// Count is how much the node holds from now on; 0: nothing any more.
	Count int

	// Restored says that the topic was gained, as a former memory of the register had it, and that this node held it: so its gain, if the topic was not held yet, is
	// no transition; unless its loss was one in the last minute. If Count is 0, the loss is a transition although the register does not know that the node held the topic: unless it is
	// held by another node now, or its loss was a transition in the last minute.
	Restored bool

	// Members are the members that change, each user once.
	Members []MemberUpdate
}

// MemberUpdate is a change of one member of a presence channel.
type MemberUpdate struct {
	pusherhub.Member

	// Gone says that the node has the member no more.
	Gone bool

	// Restored is for the member what [Update].Restored is for the topic.
	Restored bool
}

// Entry is what one node holds of a topic: a count, or a member.
type Entry struct {
	Node string

	// Member is the member; without a UserID the entry is the count.
	Member pusherhub.Member

	// Count is the count; 0: none.
	Count int
}

// State is what the register has of one topic.
type State struct {
	// Version rises with every change of the topic, for as long as the register's memory lasts, also while nobody holds it.
	Version uint64

	// Entries are those of all nodes.
	Entries []Entry

	// Kept is the data of the post that is kept; nil: none.
	Kept []byte
}

// Change is what has happened to entries of a topic.
type Change struct {
	Topic   pusherhub.Topic
	Version uint64 // of the topic, after this change

	// Entries are as they are now.
	Entries []Entry

	// Gone are those that are not there any more; only Node and Member.UserID count.
	Gone []Entry
}
