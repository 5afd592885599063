package webhooks

import (
	"net/http"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// Config says where webhooks go and how. It is read by [New] once and not kept. The JSON names are the words of the
// Caddyfile. The zero value of an option means its default.
type Config struct {
	// Endpoints are told about the app's events, each for itself: what one does not take does not hold up another. Several
	// entries with one URL are one endpoint that gets what any of them lets through; their headers must be the same. At
	// least one is required.
	Endpoints []Endpoint `json:"endpoints,omitempty"`

	// Batch puts events that happen at about the same time into one request. Off: one event in a request. Default: on.
	Batch *bool `json:"batch,omitempty"`

	// BatchSize bounds the events in one request. A request also ends at 1 MiB of events. Default: 100.
	BatchSize pusherhub.Limit `json:"batch_size,omitempty"`

	// BatchWindow is how long the first event of a request waits for others; `off` sends at once. What happened while the
	// previous request was under way goes into the next one without waiting. Default: 50ms.
	BatchWindow pusherhub.Duration `json:"batch_window,omitempty"`

	// Hold is how long channel_vacated and member_removed wait. If the channel is occupied again, or the member is back, within
	// that time, neither that nor the return is told, as at Pusher; `off` tells everything at once. Default: 3s.
	Hold pusherhub.Duration `json:"hold,omitempty"`

	// Timeout bounds one try, from the connect to the end of the answer. It counts as taken if its status came in time. Default: 10s.
	Timeout pusherhub.Duration `json:"timeout,omitempty"`

	// RetryFor is how long a request that was not answered with 2xx is tried again, with growing pauses, before its
	// events are dropped and counted; `off` tries once. Receivers refuse webhooks that are older than 5 minutes. Default: 5m.
	RetryFor pusherhub.Duration `json:"retry_for,omitempty"`

	// MaxQueue bounds what waits for one endpoint of one app in memory, in bytes of JSON; events that find the queue
	// full are dropped and counted. It says nothing about a spool. Default: 8 MiB.
	MaxQueue pusherhub.Size `json:"max_queue,omitempty"`

	// Spool is a directory in which events are stored until they are delivered, so that neither a restart nor `kill -9` loses one.
	// It is made if need be, and holds one file for each app. Only one process can use it at a time. When a reload brings another directory, or none,
	// events that wait in the old one stay there until it is used again. Default: none, events wait in memory.
	Spool string `json:"spool,omitempty"`

	// SpoolSize bounds what is stored for one app, in bytes on disk. When it is reached nothing is dropped: clients whose
	// actions would have to be stored wait. At least 1 MiB. Default: 256 MiB.
	SpoolSize pusherhub.Size `json:"spool_size,omitempty"`

	// AllowPrivate are host patterns (`*.railway.internal`) and networks (`10.0.0.0/8`) of endpoints that may be in a private
	// network. It is for who makes Transport; this package does not look at it. Default: none.
	AllowPrivate []string `json:"allow_private,omitempty"`

	// Transport carries the requests to http and https endpoints. It must not follow redirects. Default: an [http.Transport] that
	// connects to any address.
	Transport http.RoundTripper `json:"-"`

	// Site carries the requests to endpoints such as `site:/path`. They come to it as they are written: the request's URL has the
	// scheme "site", no host, the path and the query; Host is empty. Default: none, and such endpoints are an error.
	Site http.RoundTripper `json:"-"`

	// Logger takes what an operator should read. Default: no log.
	Logger *zap.Logger `json:"-"`
}

// Endpoint is one receiver of webhooks. The JSON is that of soketi's `webhooks`.
type Endpoint struct {
	// URL is where requests are posted to: `https://…`; `http://…`, which nobody should use but inside of a private network, because
	// the body is signed but not secret; or `site:/path`, which stays in the process. The log shows host and path; what is secret belongs into
	// the query, the user information or a header. Required.
	URL string `json:"url"`

	// EventTypes are the events that the endpoint is told about: channel_occupied, channel_vacated, member_added,
	// member_removed, client_event, cache_miss, subscription_count, which are the default, and those that Pusher does not know:
	// connected, disconnected, user_online, user_offline, undelivered.
	EventTypes []string `json:"event_types,omitempty"`

	// Filter chooses by channel. Default: all channels.
	Filter *Filter `json:"filter,omitempty"`

	// Headers are sent along. Those that the protocol fixes (Content-Type, X-Pusher-Key, X-Pusher-Signature) and those that
	// belong to the connection cannot be set. Values may be secret. Default: none.
	Headers map[string]string `json:"headers,omitempty"`
}

// Filter chooses the events of an endpoint by the name of the channel. An event has to meet all that is set. Events that are about no
// channel (connected, disconnected, user_online, user_offline) are not filtered.
type Filter struct {
	// ChannelNameStartsWith is what the name has to start with. Default: anything.
	ChannelNameStartsWith string `json:"channel_name_starts_with,omitempty"`

	// ChannelNameEndsWith is what the name has to end with. Default: anything.
	ChannelNameEndsWith string `json:"channel_name_ends_with,omitempty"`
}
