package pusherhub

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unique"
)

// ConnectionQuery says which sockets are asked for. Conditions that are empty do not count; of several, all must hold.
type ConnectionQuery struct {
	Page

	// UserID is the user who is signed in, or on a presence channel.
	UserID string

	// IP is the client's address, or a range of addresses such as 192.0.2.0/24.
	IP string

	// Channel is a channel that the sockets are subscribed to.
	Channel string
}

// ConnectionInfo is what can be told of a socket.
type ConnectionInfo struct {
	SocketID      string    `json:"socket_id"`
	UserID        string    `json:"user_id,omitempty"` // who is signed in, else who is on one of its presence channels
	SignedIn      bool      `json:"signed_in"`
	IP            string    `json:"ip"` // of the client, as trusted proxies say
	UserAgent     string    `json:"user_agent,omitempty"`
	ConnectedAt   time.Time `json:"connected_at"`
	Protocol      int       `json:"protocol,omitempty"` // the version that the client named
	Subscriptions int       `json:"subscriptions"`
	QueueBytes    int       `json:"queue_bytes"` // what the client has not taken yet, the kernel's buffers aside
	Closing       bool      `json:"closing,omitempty"`
}

// ConnectionDetail is what can be told of one socket.
type ConnectionDetail struct {
	ConnectionInfo

	// Channels are the socket's subscriptions, one page of them.
	Channels []Subscription `json:"channels"`
}

// Subscription is one of a socket's subscriptions.
type Subscription struct {
	Channel string `json:"channel"`
	UserID  string `json:"user_id,omitempty"` // as whom; presence channels only
}

// Connections lists, by socket id, sockets of an app on this node. next is the After of the next page, empty if there is none. The
// error is [ErrAppNotFound], a [*RequestError] or that of the app's source.
func (h *Hub) Connections(ctx context.Context, app string, q ConnectionQuery) (list []ConnectionInfo, next string, err error) {
	page, err := newPage[*conn](q.Page)
	if err != nil {
		return nil, "", err
	}
	var ips netip.Prefix
	if q.IP != "" {
		if ips, err = parseIPs(q.IP); err != nil {
			return nil, "", err
		}
	}
	err = h.with(ctx, app, func(_ *App, state *appState) error {
		if state == nil {
			return nil
		}
		state.eachOf(q, func(c *conn) {
			if q.IP == "" || c.from(ips) {
				page.offer(c.id, c)
			}
		})
		return nil
	})
	conns, next := page.entries()
	list = make([]ConnectionInfo, len(conns))
	for i, c := range conns {
		list[i] = c.info()
	}
	return list, next, err
}

// eachOf calls visit for every socket that meets the conditions on channel and user.
func (s *appState) eachOf(q ConnectionQuery, visit func(*conn)) {
	if q.UserID != "" {
		for _, c := range s.socketsOf(q.UserID, true) {
			if q.Channel == "" || c.isOn(q.Channel) {
				visit(c)
			}
		}
		return
	}
	if q.Channel == "" {
		s.conns.each(visit)
		return
	}
	if ch := s.channel(q.Channel); ch != nil {
		for _, c := range ch.sockets() {
			visit(c)
		}
	}
}

// sockets returns the channel's subscribers.
func (ch *channel) sockets() []*conn {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	list := make([]*conn, len(ch.subs))
	for i, sub := range ch.subs {
		list[i] = sub.conn
	}
	return list
}

// Connection tells of one socket, with a page of its subscriptions. next is the After of the next page, empty if there is none.
// The error is that of [Hub.Connections]; a socket that is not on this node is a [*RequestError] with 404.
func (h *Hub) Connection(ctx context.Context, app, socketID string, channels Page) (detail ConnectionDetail, next string, err error) {
	page, err := newPage[Subscription](channels)
	if err != nil {
		return detail, "", err
	}
	err = h.with(ctx, app, func(_ *App, state *appState) error {
		var c *conn
		if state != nil {
			c = state.conns.find(socketID)
		}
		if c == nil {
			return &RequestError{Status: http.StatusNotFound, Reason: fmt.Sprintf("socket %q is not on this node", socketID)}
		}
		detail.ConnectionInfo = c.info()
		for _, sub := range c.subscriptions() {
			page.offer(sub.Channel, sub)
		}
		detail.Channels, next = page.entries()
		return nil
	})
	return detail, next, err
}

// maxUserAgent bounds what is kept of a client's User-Agent, in bytes.
const maxUserAgent = 256

// describe keeps of the handshake what is told of the socket later.
func (c *conn) describe(userAgent string) {
	c.since = time.Now().UnixMilli()
	if userAgent != "" {
		c.userAgent = unique.Make(userAgent[:min(len(userAgent), maxUserAgent)])
	}
}

// agent returns the client's User-Agent.
func (c *conn) agent() string {
	if c.userAgent == (unique.Handle[string]{}) {
		return ""
	}
	return strings.ToValidUTF8(c.userAgent.Value(), "\ufffd")
}

// info tells of the socket. Anybody may ask.
func (c *conn) info() ConnectionInfo {
	info := ConnectionInfo{
		SocketID: c.id, IP: c.clientIP, UserAgent: c.agent(), ConnectedAt: time.UnixMilli(c.since).UTC(), Protocol: c.protocol,
		QueueBytes: c.queue.bytes(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	info.Closing, info.Subscriptions = c.closing, c.subs.len()
	if c.user != nil {
		info.SignedIn, info.UserID = true, c.user.id
		return info
	}
	for _, sub := range c.subs.all() {
		if sub.seat != nil && (info.UserID == "" || sub.seat.userID < info.UserID) {
			info.UserID = sub.seat.userID
		}
	}
	return info
}

// subscriptions tells what the socket is subscribed to. Anybody may ask.
func (c *conn) subscriptions() []Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Subscription, 0, c.subs.len())
	for _, sub := range c.subs.all() {
		told := Subscription{Channel: sub.channel.name}
		if sub.seat != nil {
			told.UserID = sub.seat.userID
		}
		list = append(list, told)
	}
	return list
}

// bytes returns how many bytes wait to be written.
func (q *sendQueue) bytes() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size + len(q.control) + len(q.rest) + len(q.last)
}
