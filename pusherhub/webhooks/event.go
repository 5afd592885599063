package webhooks

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
)

// pusherEvents are the events that an endpoint is told about unless it names others.
var pusherEvents = []string{
	string(pusherhub.ChannelOccupied), string(pusherhub.ChannelVacated), string(pusherhub.MemberAdded), string(pusherhub.MemberRemoved),
	string(pusherhub.ClientEvent), string(pusherhub.CacheMiss), string(pusherhub.SubscriptionCount),
}

// furtherEvents are those that Pusher does not have. Their names are those of the observations too.
var furtherEvents = []string{
	string(pusherhub.Connected), string(pusherhub.Disconnected), string(pusherhub.UserOnline), string(pusherhub.UserOffline),
	string(pusherhub.Undelivered),
}

// userChannel is how the channels begin that carry the events for one user. Nobody is told about them as channels.
const userChannel = "#server-to-user-"

// event is an event as it stands in a request. All events have a channel, because Pusher's PHP library
// reads it without asking. All values are strings but the count (protocol: webhooks).
type event struct {
	Name              string  `json:"name"`
	Channel           string  `json:"channel"`
	UserID            string  `json:"user_id,omitempty"`
	Event             string  `json:"event,omitempty"`
	Data              *string `json:"data,omitempty"`
	SocketID          string  `json:"socket_id,omitempty"`
	ClientIP          string  `json:"client_ip,omitempty"`
	SubscriptionCount *int    `json:"subscription_count,omitempty"`
}

// eventOf returns what is told about an observation. false: nothing is told about such.
func eventOf(o pusherhub.Observation) (e event, told bool) {
	e = event{Name: string(o.Type), Channel: o.Channel}
	user, isUser := strings.CutPrefix(o.Channel, userChannel)
	switch o.Type {
	case pusherhub.ChannelOccupied, pusherhub.ChannelVacated, pusherhub.CacheMiss:
	case pusherhub.MemberAdded, pusherhub.MemberRemoved:
		e.UserID = o.UserID
	case pusherhub.SubscriptionCount:
		e.SubscriptionCount = &o.Count
	case pusherhub.ClientEvent:
		e.UserID, e.Event, e.Data, e.SocketID = o.UserID, o.Event, &o.Data, o.SocketID
	case pusherhub.Connected, pusherhub.Disconnected:
		e.UserID, e.SocketID, e.ClientIP = o.UserID, o.SocketID, o.ClientIP
	case pusherhub.UserOnline, pusherhub.UserOffline:
		e.UserID = o.UserID
	case pusherhub.Undelivered:
		e.UserID, e.Event, e.Data = o.UserID, o.Event, &o.Data
		if isUser {
			e.UserID = user
		}
		return e, true
	case pusherhub.SignedIn:
		return event{}, false
	}
	return e, !isUser
}

// encode returns the event's JSON.
func (e event) encode() []byte {
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	_ = to.Encode(e) // strings and a number cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
