package pusherhub

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Config says what a hub serves. It is read by [NewSettings] once and not kept.
type Config struct {
	// Apps are the apps of a static list. With an AppSource they are asked first.
	Apps []*App

	// AppSource finds apps that are not in the list. Default: none.
	AppSource AppSource

	// Broker spreads events to the other nodes of a cluster.
	// Default: a [MemoryBroker], which knows one node only.
	Broker Broker

	// Drain is the time over which the sockets of a hub that shuts down are
	// closed. Default: 6s.
	Drain Duration

	// MaxConnections bounds the sockets of this node over all apps; a socket
	// above it is refused with 4100. Default: unlimited.
	MaxConnections Limit

	// Logger takes what an operator should read. Default: no log.
	Logger *zap.Logger
}

// AppConfig holds what can be set for one app. The JSON names are the words of
// the Caddyfile. Unset options have the defaults of the app's profile.
type AppConfig struct {
	// ID is the app id of the HTTP API's paths (`REVERB_APP_ID`). Required.
	ID string `json:"id,omitempty"`

	// Key is the public app key that clients connect with (`REVERB_APP_KEY`). Required.
	Key string `json:"key,omitempty"`

	// Secret signs and verifies (`REVERB_APP_SECRET`). In a config file use
	// `{env.NAME}` or `{file.PATH}`, so that the secret itself is not stored. Required.
	Secret string `json:"secret,omitempty"`

	// PreviousSecrets are still accepted in signatures while a secret is being replaced.
	PreviousSecrets []string `json:"previous_secrets,omitempty"`

	// Enabled off closes the app's sockets with 4003 and answers its API with 403. Default: on.
	Enabled *bool `json:"enabled,omitempty"`

	// Compat chooses the profile: `reverb` answers as Laravel Reverb does, `pusher`
	// as Pusher Channels does, wherever the two differ. Default: `reverb`.
	Compat string `json:"compat,omitempty"`

	// AllowedOrigins are the hosts that pages may connect from, `*` standing for any run
	// of characters (`*.example.com`); a pattern with a scheme is compared with the whole
	// origin. Default: `*`, every origin.
	AllowedOrigins []string `json:"allowed_origins,omitempty"`

	// AllowMissingOrigin lets clients in that send no Origin (native apps) although
	// allowed_origins is set. Default: off.
	AllowMissingOrigin *bool `json:"allow_missing_origin,omitempty"`

	// TLSOnly refuses plain ws:// with 4000, which makes pusher-js switch to wss://. Default: off.
	TLSOnly *bool `json:"tls_only,omitempty"`

	// StrictProtocol refuses clients whose `protocol` is not 4 to 7 (4007), is missing (4008),
	// or whose `version` cannot be read (4006). Default: off.
	StrictProtocol *bool `json:"strict_protocol,omitempty"`

	// ActivityTimeout is told to clients: after that much silence they ping.
	// Whole seconds. Default: `30s` (`pusher`: `120s`).
	ActivityTimeout Duration `json:"activity_timeout,omitempty"`

	// PingInterval is the silence after which the server sends a WebSocket ping; 30 s
	// later a socket that is still silent is closed with 4201. Default: `60s`.
	PingInterval Duration `json:"ping_interval,omitempty"`

	// TextPing sends `pusher:ping` beside the WebSocket ping. Default: off.
	TextPing *bool `json:"text_ping,omitempty"`

	// MaxConnections bounds the app's open sockets, subscribed or not; more are refused
	// with 4004. Default: unlimited.
	MaxConnections Limit `json:"max_connections,omitempty"`

	// MaxSubscriptions bounds the subscriptions of one socket; more are refused with an
	// error of type LimitReached, and the socket stays. Default: 10000.
	MaxSubscriptions Limit `json:"max_subscriptions,omitempty"`

	// MaxMessageSize bounds one message from a client, in bytes; a larger one closes
	// the socket with 1009. Default: 32 KB.
	MaxMessageSize Size `json:"max_message_size,omitempty"`

	// MaxRequestSize bounds the body of an API request, in bytes; a larger one gets 413.
	// Default: 1 MB.
	MaxRequestSize Size `json:"max_request_size,omitempty"`

	// MaxEventData bounds the `data` of one published event, in bytes after JSON decoding;
	// larger data gets 413. Default: unlimited (`pusher`: 10240).
	MaxEventData Size `json:"max_event_data,omitempty"`

	// MaxChannelsPerEvent bounds the channels of one published event. Default: 100.
	MaxChannelsPerEvent Limit `json:"max_channels_per_event,omitempty"`

	// MaxBatch bounds the events of one batch. Default: 100 (`pusher`: 10).
	MaxBatch Limit `json:"max_batch,omitempty"`

	// MaxChannelNameLength bounds a channel name, in bytes. Default: 200 (`pusher`: 164).
	MaxChannelNameLength Limit `json:"max_channel_name_length,omitempty"`

	// ChannelCharset `strict` allows letters, digits and `_-=@,.;` in channel names, `any`
	// allows everything but control characters. Default: `strict`.
	ChannelCharset string `json:"channel_charset,omitempty"`

	// MaxPresenceMembers bounds the distinct users of a presence channel.
	// Default: unlimited (`pusher`: 100).
	MaxPresenceMembers Limit `json:"max_presence_members,omitempty"`

	// MaxMemberBytes bounds the `channel_data` of a presence member, in bytes.
	// Default: 10 KB (`pusher`: 1 KB).
	MaxMemberBytes Size `json:"max_member_bytes,omitempty"`

	// AcceptClientEventsFrom says who may send client events: `members` of the channel, `all`
	// (anybody, subscribed or not), or `none`. Default: `members`.
	AcceptClientEventsFrom string `json:"accept_client_events_from,omitempty"`

	// ClientEventsOnPublic lets subscribed members send client events on public channels.
	// Default: on (`pusher`: off).
	ClientEventsOnPublic *bool `json:"client_events_on_public,omitempty"`

	// ClientEventData `string` forwards objects, arrays, numbers and booleans as their JSON
	// text in a string, as Pusher documents; `verbatim` forwards the value. Default: `string`.
	ClientEventData string `json:"client_event_data,omitempty"`

	// MaxClientEventsPerSecond bounds the client events of one socket; more get error 4301
	// and are not delivered. Default: unlimited (`pusher`: 10).
	MaxClientEventsPerSecond Limit `json:"max_client_events_per_second,omitempty"`

	// RateLimiting is Reverb's limiter: it counts every message of a socket but pings and
	// pongs. Default: off.
	RateLimiting *RateLimiting `json:"rate_limiting,omitempty"`

	// TerminateCode closes the sockets of terminated users: 4009 keeps clients away until
	// the app connects again, 4200 lets them return at once. Default: 4009.
	TerminateCode int `json:"terminate_code,omitempty"`

	// TerminateByPresence lets terminate_connections also match presence members with the
	// user id that did not sign in. Default: on (`pusher`: off).
	TerminateByPresence *bool `json:"terminate_by_presence,omitempty"`

	// UserAuthentication closes (4009) sockets that have neither signed in nor joined a private
	// or presence channel within user_authentication_timeout. Default: off.
	UserAuthentication *bool `json:"user_authentication,omitempty"`

	// UserAuthenticationTimeout is the time that user_authentication grants. Default: `30s`.
	UserAuthenticationTimeout Duration `json:"user_authentication_timeout,omitempty"`

	// CloseOnFailedSignin closes the socket (4009) when a sign-in is refused. Default: off.
	CloseOnFailedSignin *bool `json:"close_on_failed_signin,omitempty"`

	// Watchlist tells signed-in users when those on their watchlist come and go. Default: off.
	Watchlist *bool `json:"watchlist,omitempty"`

	// SubscriptionCount sends `pusher_internal:subscription_count` to the subscribers of
	// channels that are not presence channels. Default: off.
	SubscriptionCount *bool `json:"subscription_count,omitempty"`

	// CacheTTL is how long the last event of a cache channel is kept. Default: `30m`.
	CacheTTL Duration `json:"cache_ttl,omitempty"`

	// ErrorData is the form of `data` in non-fatal `pusher:error` frames: `object`, `string`
	// (Reverb), or `auto`: the profile's. Default: `auto`.
	ErrorData string `json:"error_data,omitempty"`

	// SubscriptionErrorFrames says what a refused subscribe gets: `pusher_error`,
	// `subscription_error` or `both`. Default: `both`.
	SubscriptionErrorFrames string `json:"subscription_error_frames,omitempty"`

	// TimestampTolerance is how far `auth_timestamp` of an API request may be off; `off`
	// switches the check off, as Reverb does. Default: `600s`.
	TimestampTolerance Duration `json:"timestamp_tolerance,omitempty"`

	// RefuseReplays answers 401 to a POST whose signature was good, but was used before on this node since it started. An app's
	// last 262144 signatures at least are remembered; they are forgotten when timestamp_tolerance has made them useless, with
	// `timestamp_tolerance off` only to make room. Two requests that are alike within one second
	// have the same signature: give repeated events something that differs. Default: off.
	RefuseReplays *bool `json:"refuse_replays,omitempty"`

	// IdempotencyTTL is how long a node remembers the `Idempotency-Key` of a publish (`events`, `batch_events`): the same request
	// with the same key gets the first answer again, with `Idempotency-Replayed: true`, and is not published again. An app's
	// last 65536 keys are remembered, or 4 MiB of their answers. `off` ignores the header. Default: `10m`.
	IdempotencyTTL Duration `json:"idempotency_ttl,omitempty"`

	// CoerceData takes event `data` that is not a string as its JSON text instead of
	// refusing it. Default: off.
	CoerceData *bool `json:"coerce_data,omitempty"`

	// APICORSOrigins are the origins that browsers may call the HTTP API from, `*` for
	// all. Default: none, because the API is for servers.
	APICORSOrigins []string `json:"api_cors_origins,omitempty"`

	// MaxQueue bounds what waits to be written to one socket, in bytes. A reader is slow
	// (and closed with 4100) when its queue is over the bound and took nothing for
	// 5 s, or is over 4 times the bound. Default: 1 MiB.
	MaxQueue Size `json:"max_queue,omitempty"`

	// SlowReaders says what happens to sockets that do not keep up: `close`, or `conflate` with
	// patterns of channels on which only the newest event of a name has to arrive. Default: `close`.
	SlowReaders *SlowReaders `json:"slow_readers,omitempty"`

	// Compression offers permessage-deflate to clients; an event is compressed once for all of them. Default: on.
	Compression *bool `json:"compression,omitempty"`

	// CompressionThreshold is the size of a frame's text from which it is compressed, in bytes. Default: 512.
	CompressionThreshold Size `json:"compression_threshold,omitempty"`

	// Plugins hook into this app, in this order.
	Plugins []Plugin `json:"-"`
}

// RateLimiting is the limiter of Reverb's config file: a fixed window per socket.
type RateLimiting struct {
	// MaxAttempts is the number of messages in a window. Default: 60.
	MaxAttempts int `json:"max_attempts,omitempty"`

	// Decay is the length of a window (`decay_seconds` at Reverb). Default: `60s`.
	Decay Duration `json:"decay,omitempty"`

	// TerminateOnLimit closes the socket with 4100, which clients answer with a
	// reconnect after a second or more. Default: off, error 4301 only.
	TerminateOnLimit *bool `json:"terminate_on_limit,omitempty"`
}

// The profiles of [AppConfig.Compat].
const (
	CompatReverb = "reverb"
	CompatPusher = "pusher"
)

// WithDefaults returns c with each unset option taken from d. ID, Key and
// secrets belong to one app and are never taken over.
func (c AppConfig) WithDefaults(d AppConfig) AppConfig {
	d.ID, d.Key, d.Secret, d.PreviousSecrets, d.Plugins = "", "", "", nil, nil
	to, from := reflect.ValueOf(&c).Elem(), reflect.ValueOf(d)
	for i := range to.NumField() {
		if to.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
	return c
}

// profileDefaults returns what unset options of a profile mean (protocol: limits, heartbeat, users).
func profileDefaults(compat string) AppConfig {
	d := AppConfig{
		Compat:                    CompatReverb,
		AllowedOrigins:            []string{"*"},
		ActivityTimeout:           Duration(30 * time.Second),
		PingInterval:              Duration(time.Minute),
		MaxConnections:            Unlimited,
		MaxSubscriptions:          10000,
		MaxMessageSize:            32 << 10,
		MaxRequestSize:            1 << 20,
		MaxEventData:              Unlimited,
		MaxChannelsPerEvent:       100,
		MaxBatch:                  100,
		MaxChannelNameLength:      200,
		ChannelCharset:            "strict",
		MaxPresenceMembers:        Unlimited,
		MaxMemberBytes:            10 << 10,
		AcceptClientEventsFrom:    "members",
		ClientEventsOnPublic:      new(true),
		ClientEventData:           "string",
		MaxClientEventsPerSecond:  Unlimited,
		TerminateCode:             CodeUnauthorized,
		TerminateByPresence:       new(true),
		UserAuthenticationTimeout: Duration(30 * time.Second),
		CacheTTL:                  Duration(30 * time.Minute),
		ErrorData:                 "auto",
		SubscriptionErrorFrames:   "both",
		TimestampTolerance:        Duration(600 * time.Second),
		IdempotencyTTL:            Duration(10 * time.Minute),
		MaxQueue:                  1 << 20,
		Compression:               new(true),
		CompressionThreshold:      512,
		Enabled:                   new(true),
	}
	if compat == CompatPusher {
		d.Compat = CompatPusher
		d.ActivityTimeout = Duration(120 * time.Second)
		d.MaxEventData = 10 << 10
		d.MaxBatch = 10
		d.MaxChannelNameLength = 164
		d.MaxPresenceMembers = 100
		d.MaxMemberBytes = 1 << 10
		d.ClientEventsOnPublic = new(false)
		d.MaxClientEventsPerSecond = 10
		d.TerminateByPresence = new(false)
	}
	return d
}

// validate reports everything that is wrong with a config whose defaults are filled in.
func (c AppConfig) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, required := range []struct{ word, value string }{{"id", c.ID}, {"key", c.Key}, {"secret", c.Secret}} {
		if strings.TrimSpace(required.value) == "" {
			wrong("%s is missing or blank", required.word)
		}
	}
	for _, old := range c.PreviousSecrets {
		if strings.TrimSpace(old) == "" {
			wrong("a previous secret is blank")
		}
	}
	for _, id := range []struct{ word, value string }{{"id", c.ID}, {"key", c.Key}} {
		if strings.ContainsAny(id.value, "/?#%: \t\r\n") {
			wrong("%s %q cannot stand in a URL path: expected letters, digits, '-', '_' or '.'", id.word, id.value)
		}
	}
	for _, o := range []struct {
		word, value string
		oneOf       []string
	}{
		{"compat", c.Compat, []string{CompatReverb, CompatPusher}},
		{"channel_charset", c.ChannelCharset, []string{"strict", "any"}},
		{"accept_client_events_from", c.AcceptClientEventsFrom, []string{"members", "all", "none"}},
		{"client_event_data", c.ClientEventData, []string{"string", "verbatim"}},
		{"error_data", c.ErrorData, []string{"auto", "object", "string"}},
		{"subscription_error_frames", c.SubscriptionErrorFrames, []string{"both", "pusher_error", "subscription_error"}},
	} {
		if !slices.Contains(o.oneOf, o.value) {
			last := len(o.oneOf) - 1
			wrong("%s: found %q, expected %s or %s", o.word, o.value, strings.Join(o.oneOf[:last], ", "), o.oneOf[last])
		}
	}
	for _, o := range []struct {
		word  string
		value int64
	}{
		{"max_connections", int64(c.MaxConnections)},
		{"max_subscriptions", int64(c.MaxSubscriptions)},
		{"max_message_size", int64(c.MaxMessageSize)},
		{"max_request_size", int64(c.MaxRequestSize)},
		{"max_event_data", int64(c.MaxEventData)},
		{"max_channels_per_event", int64(c.MaxChannelsPerEvent)},
		{"max_batch", int64(c.MaxBatch)},
		{"max_channel_name_length", int64(c.MaxChannelNameLength)},
		{"max_presence_members", int64(c.MaxPresenceMembers)},
		{"max_member_bytes", int64(c.MaxMemberBytes)},
		{"max_client_events_per_second", int64(c.MaxClientEventsPerSecond)},
		{"max_queue", int64(c.MaxQueue)},
		{"compression_threshold", int64(c.CompressionThreshold)},
	} {
		if o.value < Unlimited {
			wrong("%s: found %d, expected a positive number or unlimited (-1)", o.word, o.value)
		}
	}
	for _, o := range []struct {
		word  string
		value Duration
		least time.Duration
	}{
		{"activity_timeout", c.ActivityTimeout, time.Second},
		{"ping_interval", c.PingInterval, time.Second},
		{"user_authentication_timeout", c.UserAuthenticationTimeout, time.Millisecond},
		{"cache_ttl", c.CacheTTL, time.Millisecond},
	} {
		if time.Duration(o.value) < o.least {
			wrong("%s: found %s, expected at least %s", o.word, time.Duration(o.value), o.least)
		}
	}
	if time.Duration(c.ActivityTimeout)%time.Second != 0 {
		wrong("activity_timeout: found %s, expected whole seconds, because clients are told a number of seconds", time.Duration(c.ActivityTimeout))
	}
	if c.MaxMessageSize == Unlimited || c.MaxRequestSize == Unlimited || c.MaxQueue == Unlimited {
		wrong("max_message_size, max_request_size and max_queue cannot be unlimited: they bound the memory that a stranger can take")
	}
	if c.TerminateCode < 4000 || c.TerminateCode > 4299 {
		wrong("terminate_code: found %d, expected 4000 to 4299 (clients never return after 4300 and above)", c.TerminateCode)
	}
	if err := c.SlowReaders.validate(); err != nil {
		errs = append(errs, err)
	}
	if r := c.RateLimiting; r != nil && (r.MaxAttempts < 0 || r.Decay < 0) {
		wrong("rate_limiting: found max_attempts %d and decay %s, expected positive values", r.MaxAttempts, time.Duration(r.Decay))
	}
	return errors.Join(errs...)
}
