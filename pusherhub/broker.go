package pusherhub

import "context"

// Broker spreads what happens on one node to all nodes of a cluster. A broker serves one
// hub; its methods are called concurrently. Package hubtest holds the conformance suite that
// every broker must pass.
//
// Nothing that goes through a broker holds a secret.
type Broker interface {
	// Open connects the broker to its node. It is called once, before any other method, and
	// returns without waiting for a server that is away: events are then delivered on this node
	// only until it is back. The broker calls node until Close returns.
	Open(ctx context.Context, node Node) error

	// Publish hands m to the Deliver method of every node that has subscribers of the
	// channel, this one included, once each. Messages of one channel that were published one after the other
	// are delivered in that order. m is not changed after the call, by nobody.
	Publish(ctx context.Context, m *Message) error

	// Broadcast hands c to the Execute method of every node, this one included, once each.
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
	// Messages that are published after it returned are delivered here.
	Subscribe(app, channel string) error

	// Unsubscribe says that the channel lost its last subscriber on this node.
	Unsubscribe(app, channel string) error
}

// Node is what a broker delivers to: the hub. Its methods do not block and may be called concurrently.
type Node interface {
	// Deliver queues m for the channel's subscribers on this node.
	Deliver(m *Message)

	// Execute carries out c on this node.
	Execute(c Command)
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
