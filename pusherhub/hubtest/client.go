// Package hubtest holds what tests of a hub, of a broker and of a plugin need: a raw Pusher client, a
// server around a hub, and the suites that every broker ([TestBroker]) and every plugin ([TestPlugin]) must pass.
package hubtest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Patience is how long a test waits for what must come. It is never waited out when a test passes.
const Patience = 20 * time.Second

// Frame is one frame from the server.
type Frame struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
	UserID  string          `json:"user_id"`
	Raw     string          `json:"-"` // the whole text
}

// Text returns the data if it is a string, decoded once.
func (f Frame) Text() string {
	var s string
	if json.Unmarshal(f.Data, &s) != nil {
		return ""
	}
	return s
}

// Client is a Pusher client that understands nothing by itself: a test sends and
// expects each frame. It belongs to one goroutine.
type Client struct {
	// WS is the connection below.
	WS *websocket.Conn

	// SocketID is what the server said in connection_established.
	SocketID string

	t testing.TB
}

// Dial connects to {url}/app/{key}, with query (which may be empty) behind it, and expects
// connection_established. url is that of an HTTP server. The connection is closed with the test.
func Dial(t testing.TB, url, key, query string) *Client {
	t.Helper()
	c := Open(t, url, key, query, nil)
	c.expectEstablished()
	return c
}

// expectEstablished expects the first frame and notes the socket id.
func (c *Client) expectEstablished() {
	c.t.Helper()
	f := c.Expect("pusher:connection_established")
	var data struct {
		SocketID        string `json:"socket_id"`
		ActivityTimeout int    `json:"activity_timeout"`
	}
	if err := json.Unmarshal([]byte(f.Text()), &data); err != nil || data.SocketID == "" {
		c.t.Fatalf("connection_established: found %s, expected a socket_id in a string", f.Raw)
	}
	c.SocketID = data.SocketID
}

// Open connects without expecting a frame. header may be nil.
func Open(t testing.TB, url, key, query string, header http.Header) *Client {
	t.Helper()
	return open(t, single, url, key, query, header)
}

func open(t testing.TB, web *http.Client, url, key, query string, header http.Header) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	target := "ws" + strings.TrimPrefix(url, "http") + "/app/" + key
	if query != "" {
		target += "?" + query
	}
	ws, _, err := websocket.Dial(ctx, target, &websocket.DialOptions{HTTPClient: web, HTTPHeader: header})
	if err != nil {
		t.Fatalf("connecting to %s: %v", target, err)
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &Client{WS: ws, t: t}
}

// Send sends one text frame.
func (c *Client) Send(text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := c.WS.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatalf("sending %.200s: %v", text, err)
	}
}

// Next returns the next frame.
func (c *Client) Next() Frame {
	c.t.Helper()
	f, err := c.read()
	if err != nil {
		c.t.Fatalf("waiting for a frame: %v", err)
	}
	return f
}

func (c *Client) read() (f Frame, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_, text, err := c.WS.Read(ctx)
	if err != nil {
		return f, err
	}
	err = json.Unmarshal(text, &f)
	f.Raw = string(text)
	return f, err
}

// Expect returns the next frame, which must be that event.
func (c *Client) Expect(event string) Frame {
	c.t.Helper()
	f := c.Next()
	if f.Event != event {
		c.t.Fatalf("found frame %s, expected event %s", f.Raw, event)
	}
	return f
}

// ExpectRaw expects exactly that text as the next frame.
func (c *Client) ExpectRaw(text string) {
	c.t.Helper()
	if f := c.Next(); f.Raw != text {
		c.t.Fatalf("found frame %s, expected %s", f.Raw, text)
	}
}

// ExpectError expects a pusher:error with that code (0 for null), in either form of data, and returns its message.
func (c *Client) ExpectError(code int) string {
	c.t.Helper()
	f := c.Expect("pusher:error")
	data := []byte(f.Data)
	if text := f.Text(); text != "" {
		data = []byte(text)
	}
	var e struct {
		Code    int
		Message string
	}
	if err := json.Unmarshal(data, &e); err != nil || e.Code != code {
		c.t.Fatalf("found %s, expected code %d", f.Raw, code)
	}
	return e.Message
}

// ExpectQuiet makes sure that nothing came before the answer to a ping that it sends: what the server does
// for this socket it does in order.
func (c *Client) ExpectQuiet() {
	c.t.Helper()
	c.Send(`{"event":"pusher:ping","data":{}}`)
	c.Expect("pusher:pong")
}

// ExpectClose reads until the server's close frame, which must have that code, and returns its
// reason. Frames before it are skipped.
func (c *Client) ExpectClose(code int) string {
	c.t.Helper()
	for {
		_, err := c.read()
		if err == nil {
			continue
		}
		closed, ok := errors.AsType[websocket.CloseError](err)
		if !ok || int(closed.Code) != code {
			c.t.Fatalf("found %v, expected close code %d", err, code)
		}
		return closed.Reason
	}
}

// Subscribe subscribes to a public channel and expects success.
func (c *Client) Subscribe(channel string) Frame {
	c.t.Helper()
	return c.SubscribeWith(channel, "", "")
}

// SubscribeWith subscribes with auth and channel_data, each left out if empty, and expects success.
func (c *Client) SubscribeWith(channel, auth, channelData string) Frame {
	c.t.Helper()
	c.Send(SubscribeFrame(channel, auth, channelData))
	f := c.Expect("pusher_internal:subscription_succeeded")
	if f.Channel != channel {
		c.t.Fatalf("found success for channel %q, expected %q", f.Channel, channel)
	}
	return f
}

// SubscribeFrame is the text of pusher:subscribe. Empty parts are left out.
func SubscribeFrame(channel, auth, channelData string) string {
	data := map[string]string{"channel": channel}
	if auth != "" {
		data["auth"] = auth
	}
	if channelData != "" {
		data["channel_data"] = channelData
	}
	return EventFrame("pusher:subscribe", "", data)
}

// EventFrame is the text of a client's frame. An empty channel is left out.
func EventFrame(event, channel string, data any) string {
	frame := map[string]any{"event": event, "data": data}
	if channel != "" {
		frame["channel"] = channel
	}
	text, err := json.Marshal(frame)
	if err != nil {
		panic("hubtest: " + strconv.Quote(event) + ": " + err.Error())
	}
	return string(text)
}

// Close closes the connection as a client does and waits for the server's answer.
func (c *Client) Close() {
	c.t.Helper()
	_ = c.WS.Close(websocket.StatusNormalClosure, "")
}
