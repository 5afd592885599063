package pusherhub

import (
	"context"
	"time"
)

// Plugin is a value with a name and any of the hooks below. Hooks are looked up once, when
// an app is built, and called in the order of the app's plugins. They are called
// concurrently. A hook that panics counts as one that refused; the panic is logged under the plugin's name.
//
// Hooks that may refuse return nil to go on, a [*LimitError] to say "too much", a [*CloseError] to refuse with a code and a
// reason that the client reads, or any other error, which is logged and of which the client learns only that it was refused.
//
// A plugin that works on its own, or that has to carry something over when settings change, is an [AttachHook].
type Plugin interface {
	// Name is the word that the plugin is known by in configs, logs and metrics.
	Name() string
}

// AttachHook is told for which apps the plugin works, so that it can begin work of its own and end it. Making a plugin
// must begin nothing: configs are also made to be checked only.
type AttachHook interface {
	Plugin

	// OnAttach is called before any other hook of an app that goes live with this plugin: by [Hub.Apply], or, for an app
	// that a source finds, when it is first used. It is called again whenever the app's settings change. old is the plugin that
	// stood in this one's place until now (the app's first, second, ... plugin of that name); nil if there was none; the
	// plugin itself if it stays. What is to outlive a change of settings (queues, counters) is taken over from old here: old may still be inside of a
	// hook or of one call of Observe or Keep, is told nothing more about the app after that, and its OnDetach is not called. It must not block.
	OnAttach(app *App, old Plugin)

	// OnDetach is called when the app has gone, has lost the plugin, or the hub closes, after the plugin
	// was told all observations. It may take its time until ctx ends, to finish what it has begun.
	OnDetach(ctx context.Context, app *App)
}

// ConnectHook is asked before a socket is established. A refusal closes the socket with its code; a [*LimitError] is 4100,
// with which clients come back after a while.
type ConnectHook interface {
	Plugin
	OnConnect(ctx context.Context, r *ConnectRequest) error
}

// DisconnectHook is told when a socket is gone: exactly once for every OnConnect that returned nil, or would have been
// asked if the plugin had that hook. Unlike [Observer] it misses none, so it can keep counts. It must not block.
type DisconnectHook interface {
	Plugin
	OnDisconnect(r *ConnectRequest)
}

// MessageHook is asked about every message of a client, pings included, before it is looked at. A refused message is
// dropped and answered with an error frame: with 4301 for a [*LimitError], else with the refusal's code. It is on the
// path of everything that clients send: it must be quick, and must not keep r.
type MessageHook interface {
	Plugin
	OnMessage(ctx context.Context, r *MessageRequest) error
}

// SubscribeHook is asked after a subscription was authorized and before it takes effect. A
// refusal is answered as a failed authorization, with its code and reason, a [*LimitError] with type LimitReached and status 429; the socket stays open.
type SubscribeHook interface {
	Plugin
	OnSubscribe(ctx context.Context, r *SubscribeRequest) error
}

// ClientEventHook is asked before a client event is forwarded and may change its name and
// data. A refusal is told to the sender in an error frame, a [*LimitError] as 4301; the socket stays open.
type ClientEventHook interface {
	Plugin
	OnClientEvent(ctx context.Context, r *ClientEventRequest) error
}

// PublishHook is asked before an event of the HTTP API goes to a channel and may change its
// name and data. A refusal answers the request with 403 and the reason, a [*LimitError] with 429 and Retry-After; no event of that request is sent.
type PublishHook interface {
	Plugin
	OnPublish(ctx context.Context, r *PublishRequest) error
}

// Observer is told afterwards what happened to an app: in order, one observation at a time, by a goroutine of the hub. Different apps are told
// about concurrently. It may take its time: events wait in a bounded queue, and those that find it full
// are dropped and counted ([Stats.ObservationsDropped]).
type Observer interface {
	Plugin
	Observe(o Observation)
}

// KeepingObserver is an [Observer] for which nothing is dropped, because it stores what it is told. Its
// Observe is not called. Who finds the queue full waits; and what a client did is kept before the client, or anybody else, hears of its effect,
// so that nothing that somebody saw is lost when the process dies.
type KeepingObserver interface {
	Observer

	// Keep stores one observation or more of one app, in order. When it returns they outlive the process. It may wait for room, but
	// not any more once ctx ends, which it does when the hub closes: then it stores them nevertheless.
	Keep(ctx context.Context, batch []Observation)
}

// Measurer is a [Plugin], [Broker] or [AppSource] with figures of its own, which are shown beside the hub's ([Stats.Measures]).
type Measurer interface {
	// Measures returns the figures of this moment. It is called concurrently and must be quick.
	Measures() []Measure
}

// Measure is one figure of a [Measurer].
type Measure struct {
	Name    string // in snake case, without the name of who measures; that of a counter ends in _total
	Help    string // one sentence
	Counter bool   // only rises; else it is a gauge
	App     string // the app that it is about; empty: none
	Value   float64
}

// ConnectRequest describes a socket that wants in.
type ConnectRequest struct {
	App       string
	SocketID  string
	ClientIP  string
	Origin    string // of the Origin header; empty when missing
	UserAgent string
}

// MessageRequest describes a message that a client sent.
type MessageRequest struct {
	App      string
	SocketID string
	ClientIP string
	UserID   string // the signed-in user; empty if none
	Size     int    // bytes
}

// SubscribeRequest describes a subscription that was authorized.
type SubscribeRequest struct {
	App      string
	SocketID string
	ClientIP string
	Channel  string
	UserID   string // the presence member, else the signed-in user; empty if neither
}

// ClientEventRequest describes an event that a client sends to a channel.
type ClientEventRequest struct {
	App      string
	SocketID string
	ClientIP string
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
	ClientIP string // of the server that publishes
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
	Undelivered       ObservationType = "undelivered" // an event of the HTTP API that nobody was there to get
)

// Observation is one thing that happened. Fields that do not apply are empty.
type Observation struct {
	Type     ObservationType
	Time     time.Time
	App      string
	Channel  string
	SocketID string
	UserID   string
	ClientIP string // with Connected and Disconnected
	Event    string // the name, with ClientEvent and Undelivered
	Data     string // the data, with ClientEvent and Undelivered
	Count    int    // subscribers, with SubscriptionCount
}
