package ratelimit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Config says what is limited, and per what. The JSON names are the words of the Caddyfile.
type Config struct {
	// PerApp bounds what an app's clients and servers do together.
	PerApp Limits `json:"per_app,omitzero"`

	// PerSocket bounds messages, bytes, client_events and subscriptions of one connection.
	PerSocket Limits `json:"per_socket,omitzero"`

	// PerUser bounds the same of one user over all connections: the user who signed in or, with subscriptions and
	// client events on presence channels, the member. Connections without a user are not bounded by it.
	PerUser Limits `json:"per_user,omitzero"`

	// PerIP bounds what comes from one IP address. IPv6 addresses count as one if they begin with the same 64 bits,
	// because that is what one customer has. Clients whose address is not known are not bounded by it.
	PerIP Limits `json:"per_ip,omitzero"`
}

// Limits are those of one scope. Zero values do not limit.
type Limits struct {
	// Connections is the number of sockets that may be open at once. Sockets that were open before there was a limit do not count.
	Connections int `json:"connections,omitempty"`

	// Handshakes is the rate of new connections, refused ones included.
	Handshakes Rate `json:"handshakes,omitzero"`

	// Messages is the rate of messages from clients, pings included.
	Messages Rate `json:"messages,omitzero"`

	// ClientEvents is the rate of client events ("whispers").
	ClientEvents Rate `json:"client_events,omitzero"`

	// Publishes is the rate of events of the HTTP API. An event counts once for each of its channels, and a request that has
	// more than the burst cannot succeed.
	Publishes Rate `json:"publishes,omitzero"`

	// Subscriptions is the rate of subscriptions.
	Subscriptions Rate `json:"subscriptions,omitzero"`

	// Bytes is the rate of bytes in messages from clients. A message that is larger than the burst takes all of it.
	Bytes Rate `json:"bytes,omitzero"`
}

// scope is what something is counted per, the narrowest first.
type scope int

const (
	perSocket scope = iota
	perUser
	perIP
	perApp
	scopes
)

func (s scope) String() string {
	return [scopes]string{"per_socket", "per_user", "per_ip", "per_app"}[s]
}

// where says it to the client.
func (s scope) where() string {
	return [scopes]string{"on this connection", "by this user", "from your IP address", "in this app"}[s]
}

// thing is what is counted.
type thing int

const (
	connections thing = iota // those that are open; the others are rates
	handshakes
	messages
	clientEvents
	publishes
	subscriptions
	messageBytes
	things
)

func (t thing) String() string {
	return [things]string{"connections", "handshakes", "messages", "client_events", "publishes", "subscriptions", "bytes"}[t]
}

// what says it to the client.
func (t thing) what() string {
	return [things]string{"connections", "connection attempts", "messages", "client events", "published events", "subscriptions", "bytes"}[t]
}

// possible are the things that a scope can count: a socket is one connection, a user is known after the handshake only, and
// servers that publish are neither.
var possible = [scopes][]thing{
	perSocket: {messages, clientEvents, subscriptions, messageBytes},
	perUser:   {messages, clientEvents, subscriptions, messageBytes},
	perIP:     {connections, handshakes, messages, clientEvents, publishes, subscriptions, messageBytes},
	perApp:    {connections, handshakes, messages, clientEvents, publishes, subscriptions, messageBytes},
}

func (c *Config) limits() [scopes]*Limits {
	return [scopes]*Limits{&c.PerSocket, &c.PerUser, &c.PerIP, &c.PerApp}
}

func (l *Limits) rates() [things]*Rate {
	return [things]*Rate{
		handshakes: &l.Handshakes, messages: &l.Messages, clientEvents: &l.ClientEvents, publishes: &l.Publishes,
		subscriptions: &l.Subscriptions, messageBytes: &l.Bytes,
	}
}

// Validate reports everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	for s, limits := range c.limits() {
		if limits.Connections < 0 {
			errs = append(errs, fmt.Errorf("%s connections: found %d, expected a positive number", scope(s), limits.Connections))
		}
		for t, rate := range limits.rates() {
			switch {
			case rate == nil && limits.Connections == 0, rate != nil && *rate == Rate{}:
			case !slices.Contains(possible[s], thing(t)):
				errs = append(errs, fmt.Errorf("%s %s cannot be counted: expected one of %s", scope(s), thing(t), words(possible[s])))
			case rate != nil:
				if err := rate.validate(); err != nil {
					errs = append(errs, fmt.Errorf("%s %s: %w", scope(s), thing(t), err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

func words(list []thing) string {
	names := make([]string, 0, len(list))
	for _, t := range list {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}
