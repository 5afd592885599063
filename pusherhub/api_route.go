package pusherhub

import (
	"net/http"
	"net/url"
	"strings"
)

// endpoint is one of the documented endpoints of the HTTP API.
type endpoint uint8

const (
	postEvents endpoint = iota
	postBatchEvents
	getChannels
	getChannel
	getChannelUsers
	postChannelEvents // deprecated
	getChannelStats   // deprecated
	postTerminate
	getConnections // Reverb's
)

// method is what the endpoint is called with; HEAD goes for GET.
func (e endpoint) method() string {
	switch e {
	case postEvents, postBatchEvents, postChannelEvents, postTerminate:
		return http.MethodPost
	case getChannels, getChannel, getChannelUsers, getChannelStats, getConnections:
	}
	return http.MethodGet
}

// publishes reports whether the endpoint sends events.
func (e endpoint) publishes() bool {
	return e == postEvents || e == postBatchEvents || e == postChannelEvents
}

// operation is what the endpoint is called in traces.
func (e endpoint) operation() string {
	switch e {
	case postEvents, postBatchEvents, postChannelEvents:
		return "publish"
	case getChannels:
		return "channels"
	case getChannel, getChannelStats:
		return "channel"
	case getChannelUsers:
		return "users"
	case postTerminate:
		return "terminate"
	case getConnections:
	}
	return "connections"
}

// route is a parsed path of the API.
type route struct {
	endpoint endpoint
	appID    string // empty: the app is named by auth_key
	subject  string // the channel or the user id
}

// parseRoute reads an escaped path without the mount prefix. Each segment is decoded once, so a name
// may hold an escaped slash.
func parseRoute(escaped string) (route, bool) {
	parts := strings.Split(escaped, "/")
	for i, part := range parts {
		decoded, err := url.PathUnescape(part)
		if err != nil {
			return route{}, false
		}
		parts[i] = decoded
	}
	if len(parts) < 2 || parts[0] != "" {
		return route{}, false
	}
	if len(parts) == 4 && parts[1] == "users" && parts[2] != "" && parts[3] == "terminate_connections" {
		return route{endpoint: postTerminate, subject: parts[2]}, true // as the Python SDK calls it
	}
	if len(parts) < 4 || parts[1] != "apps" || parts[2] == "" {
		return route{}, false
	}
	rt := route{appID: parts[2]}
	if len(parts) > 4 {
		rt.subject = parts[4]
	}
	switch rest := parts[3:]; {
	case len(rest) == 1 && rest[0] == "events":
		rt.endpoint = postEvents
	case len(rest) == 1 && rest[0] == "batch_events":
		rt.endpoint = postBatchEvents
	case len(rest) == 1 && rest[0] == "channels":
		rt.endpoint = getChannels
	case len(rest) == 1 && rest[0] == "connections":
		rt.endpoint = getConnections
	case rt.subject == "":
		return route{}, false
	case len(rest) == 2 && rest[0] == "channels":
		rt.endpoint = getChannel
	case len(rest) == 3 && rest[0] == "channels" && rest[2] == "users":
		rt.endpoint = getChannelUsers
	case len(rest) == 3 && rest[0] == "channels" && rest[2] == "events":
		rt.endpoint = postChannelEvents
	case len(rest) == 3 && rest[0] == "channels" && rest[2] == "stats":
		rt.endpoint = getChannelStats
	case len(rest) == 3 && rest[0] == "users" && rest[2] == "terminate_connections":
		rt.endpoint = postTerminate
	default:
		return route{}, false
	}
	return rt, true
}
