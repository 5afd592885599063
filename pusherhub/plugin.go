package pusherhub

import (
	"context"
	"time"
)

// Plugin is a value with a name and any of the hooks below. Hooks are looked up once, when
// an app is built, and called in the order of the app's plugins. They are called
// concurrently. A hook that panics counts as one that refused; the panic is logged under the plugin's name.
//
// Hooks that may refuse return nil to go on, a [*CloseError] to refuse with a code and a
// reason that the client reads, or any other error, which is logged and of which the client learns only that it was refused.
type Plugin interface {
	// Name is the word that the plugin is known by in configs, logs and metrics.
	Name() string
}

// ConnectHook is asked before a socket is established. A refusal closes the socket with its code.
type ConnectHook interface {
	Plugin
	OnConnect(ctx context.Context, r *ConnectRequest) error
}

// SubscribeHook is asked after a subscription was authorized and before it takes effect. A
// refusal is answered as a failed authorization, with its code and reason; the socket stays open.
type SubscribeHook interface {
	Plugin
	OnSubscribe(ctx context.Context, r *SubscribeRequest) error
}

// ClientEventHook is asked before a client event is forwarded and may change its name and
// data. A refusal is told to the sender in an error frame; the socket stays open.
type ClientEventHook interface {
	Plugin
	OnClientEvent(ctx context.Context, r *ClientEventRequest) error
}

// PublishHook is asked before an event of the HTTP API goes to a channel and may change its
// name and data. A refusal answers the request with 403 and the reason; no event of that request is sent.
type PublishHook interface {
	Plugin
	OnPublish(ctx context.Context, r *PublishRequest) error
}

// Observer is told afterwards what happened, in order, by one goroutine. It may take its time: events
// wait in a bounded queue, and those that find it full are dropped and counted ([Stats.ObservationsDropped]).
type Observer interface {
	Plugin
	Observe(o Observation)
}

// ConnectRequest describes a socket that wants in.
type ConnectRequest struct {
	App       string
	SocketID  string
	ClientIP  string
	Origin    string // of the Origin header; empty when missing
	UserAgent string
}

// SubscribeRequest describes a subscription that was authorized.
type SubscribeRequest struct {
	App      string
	SocketID string
	Channel  string
	UserID   string // the presence member, else the signed-in user; empty if neither
}

// ClientEventRequest describes an event that a client sends to a channel.
type ClientEventRequest struct {
	App      string
	SocketID string
	Channel  string
	UserID   string // the sender on a presence channel, else empty
	Event    string // may be changed; must keep the prefix "client-"
	Data     []byte // the JSON value that goes out; may be replaced, not written to
}

// PublishRequest describes an event that a server publishes to one channel.
type PublishRequest struct {
	App      string
	Channel  string
	SocketID string // excluded from delivery; empty if none
	Event    string // may be changed
	Data     string // may be changed
}

// ObservationType says what happened.
type ObservationType string

// What observers are told.
const (
	Connected         ObservationType = "connected"
	Disconnected      ObservationType = "disconnected"
	SignedIn          ObservationType = "signed_in"
	UserOnline        ObservationType = "user_online"
	UserOffline       ObservationType = "user_offline"
	ChannelOccupied   ObservationType = "channel_occupied"
	ChannelVacated    ObservationType = "channel_vacated"
	MemberAdded       ObservationType = "member_added"
	MemberRemoved     ObservationType = "member_removed"
	SubscriptionCount ObservationType = "subscription_count"
	ClientEvent       ObservationType = "client_event"
	CacheMiss         ObservationType = "cache_miss"
)

// Observation is one thing that happened. Fields that do not apply are empty.
type Observation struct {
	Type     ObservationType
	Time     time.Time
	App      string
	Channel  string
	SocketID string
	UserID   string
	Event    string // the name of a client event
	Data     string // the data of a client event
	Count    int    // subscribers, with SubscriptionCount
}
