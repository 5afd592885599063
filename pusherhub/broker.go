package pusherhub

import "context"

// Broker spreads what happens on one node to all nodes of a cluster. A broker serves one
// hub; its methods are called concurrently. Package hubtest holds the conformance suite that
// every broker must pass.
//
// What else a broker can do is said by more interfaces: [InterestBroker] for one that hears only of what its node needs,
// [RosterBroker] for one that knows who is where, [ReadyBroker] for one that knows whether it reaches the others, and [Measurer] for one with figures of its own.
// Package cluster implements all of them on anything that can carry messages and keep a register.
//
// Nothing that goes through a broker holds a secret.
type Broker interface {
	// Open connects the broker to its node. It is called once, before any other method, and
	// returns without waiting for a server that is away: events are then delivered on this node
	// only until it is back. The broker calls node until Close returns.
	Open(ctx context.Context, node Node) error

	// Publish hands m to the Deliver method of every node that has subscribers of the
	// channel, this one included, once each at most. Messages of one channel that were published one after the other
	// are delivered in that order. m is not changed after the call, by nobody.
	//
	// While the other nodes cannot be reached, m is delivered on this node, and nil returned. The broker may keep it for the others
	// until they can be reached again, but neither without bound nor for long; what it drops, it counts.
	Publish(ctx context.Context, m *Message) error

	// Broadcast hands c to the Execute method of every node, this one included, once each. With an
	// error, other than ErrBrokerClosed, this node has executed c and nobody knows about the others: a command may be repeated.
	Broadcast(ctx context.Context, c Command) error

	// Close ends what Open began and waits for calls of the node that are under way. After it returns,
	// the node is not called, Publish and Broadcast answer ErrBrokerClosed, and Close does nothing.
	Close() error
}

// InterestBroker is a [Broker] that wants to know which channels have subscribers on its
// node, so that it hears of no others.
type InterestBroker interface {
	Broker

	// Subscribe says that the channel has its first subscriber on this node.
	// Messages that are published after it returned, on any node, are delivered here. If the other nodes cannot be reached, it returns at once or
	// after a moment, and subscribes as soon as they can be.
	Subscribe(app, channel string) error

	// Unsubscribe says that the channel lost its last subscriber on this node. After it returns, nothing of the channel is
	// delivered here.
	Unsubscribe(app, channel string) error
}

// Node is what a broker delivers to: the hub. Its methods do not wait for sockets and may be called concurrently, from within the
// broker's own methods, too, but not from within [RosterBroker.Hold], Join and Leave.
type Node interface {
	// Deliver queues m for the channel's subscribers on this node.
	Deliver(m *Message)

	// Execute carries out c on this node.
	Execute(c Command)

	// Roster takes over what the other nodes have of a topic ([RosterBroker]). Calls for one topic come one after the other.
	Roster(r Roster)

	// Report makes this node the one that reports a transition: it alone, of all nodes, is told ([RosterBroker]).
	Report(t Transition)

	// Reports says whether Report still reaches anybody. A node that ends has nobody left to tell before its broker is closed, so the
	// broker leaves it to other nodes to take dead ones out of the register.
	Reports() bool
}

// Message is one event on one channel, on its way to the subscribers. Immutable.
type Message struct {
	// App is the app id.
	App string

	// Channel is the channel's name.
	Channel string

	// Event is the event's name.
	Event string

	// Payload is the JSON text that subscribers get, the same for all.
	Payload []byte

	// Except is the socket id of the one subscriber that does not get it. Empty: none.
	Except string

	// Cache is the event's data as published if the channel is to keep the event for
	// subscribers to come; nil if not.
	Cache *string

	// CacheUntil is how long the event is kept, in Unix milliseconds. 0: it is not.
	CacheUntil int64

	own bool // this hub published it: it is no copy of another message
}

// Command asks every node to do something with its own sockets. Fields that the command does not need are empty.
type Command struct {
	// Name is one of the Command constants. A node leaves a name that it does not know alone.
	Name string

	// App is the app id.
	App string

	// UserID is the user that the command is about.
	UserID string

	// SocketID is the socket that the command is about.
	SocketID string

	// IP is the client address, or the range of addresses such as 192.0.2.0/24, that the command is about.
	IP string

	// Channel is the channel that the command is about.
	Channel string

	// Reconnect asks the clients to come back at once.
	Reconnect bool
}

// The commands.
const (
	CommandTerminate   = "terminate"   // closes the sockets of a user (UserID)
	CommandDisconnect  = "disconnect"  // closes a socket, or those of a user or an address (SocketID, UserID or IP; Reconnect)
	CommandUnsubscribe = "unsubscribe" // takes a socket or a user out of one channel (SocketID or UserID; Channel)
)
