package pusherhub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// clientEvent handles client-*: it goes to the other subscribers, rebuilt from what the
// server knows, so that nobody can speak in another's name.
func (c *conn) clientEvent(m clientMessage) {
	app := c.app()
	if len(m.channel) == 0 || len(m.event) > maxEventName {
		c.invalidMessage()
		return
	}
	name := string(m.channel)
	kind := KindOf(name)
	sub := c.subs.get(name)
	switch {
	case app.cfg.AcceptClientEventsFrom == "none":
		c.sendError(CodeClientEventRejected, textClientEventsOff, name)
		return
	case kind.Encrypted || kind.Access == AccessUser:
		c.sendError(CodeUnauthorized, textClientEventsHere, name)
		return
	case kind.Access == AccessPublic && !isOn(app.cfg.ClientEventsOnPublic):
		c.sendError(CodeUnauthorized, textPublicClientEvent, name)
		return
	case sub == nil && app.cfg.AcceptClientEventsFrom != "all":
		text := textNotMember
		if !app.reverb() {
			text = fmt.Sprintf(textNotSubscribed, name)
		}
		c.sendError(CodeUnauthorized, text, "")
		return
	case app.cfg.MaxEventData.exceeded(dataSize(m.data)):
		c.sendError(CodeClientEventRejected, fmt.Sprintf(textEventTooLarge, app.cfg.MaxEventData), name)
		return
	case app.cfg.MaxClientEventsPerSecond > 0 && !c.events.allow(time.Now(), int(app.cfg.MaxClientEventsPerSecond), time.Second):
		c.sendError(CodeClientEventRejected, textRateLimit, name)
		return
	}
	r := ClientEventRequest{
		App: app.ID(), SocketID: c.id, ClientIP: c.clientIP, Channel: name, Event: string(m.event),
		Data: clientEventData(app.cfg.ClientEventData, m.data),
	}
	if sub != nil && sub.seat != nil {
		r.UserID = sub.seat.userID // only this goroutine changes a seat
	}
	r, refused := app.hooks.clientEvent(c.hub, r)
	if refused != nil {
		c.sendError(refused.Code, refused.Reason, name)
		return
	}
	if c.state.observed() { // before anybody gets it
		c.observe(Observation{Type: ClientEvent, Channel: name, SocketID: c.id, UserID: r.UserID, Event: r.Event, Data: observedData(r.Data)})
		c.state.awaitKept()
	}
	if err := c.hub.broker().Publish(context.Background(), &Message{
		own: true, App: app.ID(), Channel: name, Event: r.Event, Except: c.id,
		Payload: appendEvent(nil, r.Event, name, r.Data, r.UserID),
	}); err != nil {
		c.hub.publishFailed(app.ID(), name, err)
		return
	}
	c.state.counters.clientEvents.Add(1)
}

// clientEventData is the JSON value that a client event goes out with. Pusher types data as a string: by default everything
// but strings and null goes out as its JSON text in a string, which clients decode again.
func clientEventData(form string, data []byte) []byte {
	switch {
	case isNull(data):
		return []byte("null")
	case form == "verbatim" || data[0] == '"':
		return append([]byte(nil), data...)
	default:
		return appendString(nil, data)
	}
}

// dataSize is the length of a client event's data as the limit counts it: of a string, that of its text.
func dataSize(data []byte) int {
	if text, ok := stringValue(data); ok {
		return len(text)
	}
	return len(data)
}

// observedData is a client event's data as webhooks carry it: always a string.
func observedData(data []byte) string {
	if text, ok := stringValue(data); ok {
		return string(text)
	}
	return string(data)
}

// errBadChange is what a client event hook did wrong.
var errBadChange = errors.New("the event was changed into one that clients cannot take: without the prefix client- or with data that is not JSON")

// clientEvent asks the client event hooks, each of which sees what the one before made of the event.
func (k hooks) clientEvent(h *Hub, r ClientEventRequest) (ClientEventRequest, *CloseError) {
	if len(k.onClientEvent) == 0 {
		return r, nil
	}
	asked := new(r) // on the heap only if there is somebody to ask
	for _, hook := range k.onClientEvent {
		err := h.callHook(hook, func() error { return hook.OnClientEvent(context.Background(), asked) })
		if err == nil && (!strings.HasPrefix(asked.Event, prefixClientEvent) || !utf8.Valid(asked.Data) || !validJSON(asked.Data)) {
			err = errBadChange
		}
		if err != nil {
			return r, h.refusal(hook, err, CodeClientEventRejected, &CloseError{CodeClientEventRejected, "Client event rejected"})
		}
	}
	r.Event, r.Data = asked.Event, asked.Data
	return r, nil
}
