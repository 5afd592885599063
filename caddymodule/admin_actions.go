package caddymodule

import (
	"bytes"
	"encoding/json"
	"net"

	"github.com/onecharge/pusherhub/pusherhub"
)

// adminTarget says in JSON who is meant.
type adminTarget struct {
	SocketID string `json:"socket_id"`
	User     idText `json:"user"`
	IP       string `json:"ip"`
}

func (t adminTarget) target() pusherhub.Target {
	return pusherhub.Target{SocketID: t.SocketID, UserID: string(t.User), IP: t.IP}
}

// disconnect closes the sockets of a user or an address, or one socket.
func (q *adminRequest) disconnect() (any, error) {
	var body struct {
		adminTarget
		Reconnect bool `json:"reconnect"`
	}
	if err := q.decode(&body, `{"user": "7"}, {"ip": "192.0.2.7"} or {"socket_id": "1.2", "reconnect": true}`); err != nil {
		return nil, err
	}
	sockets, err := q.hub.Disconnect(q.r.Context(), q.app(), body.target(), body.Reconnect)
	return struct {
		Node    string `json:"node"`
		Sockets int    `json:"sockets"` // of this node
	}{nodeName(), sockets}, err
}

// unsubscribe takes a user or a socket out of one channel.
func (q *adminRequest) unsubscribe() (any, error) {
	var body struct {
		adminTarget
		Channel string `json:"channel"`
	}
	if err := q.decode(&body, `{"user": "7", "channel": "presence-room"}`); err != nil {
		return nil, err
	}
	subscriptions, err := q.hub.Unsubscribe(q.r.Context(), q.app(), body.target(), body.Channel)
	return struct {
		Node          string `json:"node"`
		Subscriptions int    `json:"subscriptions"` // of this node
	}{nodeName(), subscriptions}, err
}

// publish publishes an event.
func (q *adminRequest) publish() (any, error) {
	var body struct {
		Name     string          `json:"name"`
		Channel  string          `json:"channel"`
		Channels []string        `json:"channels"`
		Data     json.RawMessage `json:"data"`
		SocketID string          `json:"socket_id"`
	}
	if err := q.decode(&body, `{"name": "notice", "channel": "news", "data": {"text": "hello"}}`); err != nil {
		return nil, err
	}
	if body.Channel != "" {
		body.Channels = append(body.Channels, body.Channel)
	}
	data, err := eventData(body.Data)
	if err != nil {
		return nil, err
	}
	ip, _, err := net.SplitHostPort(q.r.RemoteAddr)
	if err != nil {
		ip = q.r.RemoteAddr // a unix socket has no port
	}
	err = q.hub.Publish(q.r.Context(), q.app(), pusherhub.Event{
		Name: body.Name, Data: data, Channels: body.Channels, SocketID: body.SocketID, ClientIP: ip,
	})
	return struct {
		Channels int `json:"channels"`
	}{len(body.Channels)}, err
}

// eventData is an event's data as clients get it: text as it is, everything else as its JSON.
func eventData(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", badRequest("data: found nothing, expected text or any other JSON value")
	}
	if raw[0] == '"' {
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", badRequest("data: %w", err)
	}
	return compact.String(), nil
}
