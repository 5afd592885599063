package pusherhub_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Tests of timeouts run in a bubble, where time passes when everything waits: hub, clients and timers live there,
// and sockets hang on net.Pipe (hubtest.NewPipeServer). A rawClient sees and sends every frame as it is and answers nothing
// by itself, so that silence is silence. A read that waits lets the time pass, so its moment can be asserted to the nanosecond.

// bubble makes a test run in a bubble. There is no t.Run inside.
func bubble(test func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		synctest.Test(t, test)
	}
}

// The opcodes of WebSocket frames that hubtest has no name for.
const (
	opContinuation = 0x0
	opText         = hubtest.OpText
	opBinary       = hubtest.OpBin
	opClose        = hubtest.OpEnd
	opPing         = hubtest.OpPing
	opPong         = hubtest.OpPong
)

// rawClient is a WebSocket client without a will of its own. It expects each frame in its turn, control frames
// included, and waits for it without end: a bubble reports a deadlock, and a socket has a deadline.
type rawClient struct {
	*hubtest.Raw
	socketID string
	t        testing.TB
}

// openRaw connects without expecting a frame. query and header may be empty.
func openRaw(t testing.TB, s *hubtest.Server, key, query string, header http.Header) *rawClient {
	t.Helper()
	target := "/app/" + key + "?" + query
	if _, piped := s.Client.Transport.(hubtest.Pipe); !piped {
		c := &rawClient{Raw: s.DialRaw(t, target), t: t}
		_ = c.SetDeadline(time.Now().Add(hubtest.Patience))
		return c
	}
	r, err := http.NewRequest(http.MethodGet, s.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header.Clone()
	}
	upgradeHeaders(r)
	res, err := s.Client.Do(r)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	pipe, ok := res.Body.(net.Conn)
	if res.StatusCode != http.StatusSwitchingProtocols || !ok {
		t.Fatalf("connecting: found status %d, expected 101", res.StatusCode)
	}
	t.Cleanup(func() { _ = pipe.Close() })
	return &rawClient{Raw: hubtest.NewRaw(t, pipe), t: t}
}

// upgradeHeaders makes r a handshake.
func upgradeHeaders(r *http.Request) {
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

// dialRaw connects to the server's app and expects connection_established.
func dialRaw(t testing.TB, s *hubtest.Server, query string) *rawClient {
	t.Helper()
	c := openRaw(t, s, s.App.Key, query, nil)
	c.expectEstablished()
	return c
}

func (c *rawClient) expectEstablished() {
	c.t.Helper()
	var data struct {
		SocketID string `json:"socket_id"`
	}
	f := c.expect("pusher:connection_established")
	if err := json.Unmarshal([]byte(f.Text()), &data); err != nil {
		c.t.Fatalf("found %s: %v", f.Raw, err)
	}
	c.socketID = data.SocketID
}

// send sends one text message in one frame.
func (c *rawClient) send(text string) {
	c.t.Helper()
	c.sendFrame(hubtest.Fin|opText, text)
}

// sendFrame sends one frame. first holds the flags and the opcode.
func (c *rawClient) sendFrame(first byte, payload string) {
	c.t.Helper()
	c.sendBytes(hubtest.ClientFrame(first, []byte(payload)))
}

func (c *rawClient) sendBytes(wire []byte) {
	c.t.Helper()
	if _, err := c.Write(wire); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

// next returns the next frame of any kind.
func (c *rawClient) next() (opcode byte, payload []byte) {
	c.t.Helper()
	f, err := c.ReadFrame()
	if err != nil {
		c.t.Fatalf("waiting for a frame: %v", err)
	}
	if f.First&0x70 != 0 {
		c.t.Fatalf("found %v, expected no extension bits", f)
	}
	return f.First & 0x0f, f.Payload
}

// expect returns the next frame, which must be that event.
func (c *rawClient) expect(event string) (f hubtest.Frame) {
	c.t.Helper()
	opcode, payload := c.next()
	if err := json.Unmarshal(payload, &f); opcode != opText || err != nil || f.Event != event {
		c.t.Fatalf("found opcode %d %s, expected event %s", opcode, payload, event)
	}
	f.Raw = string(payload)
	return f
}

// expectRaw expects exactly that text as the next frame.
func (c *rawClient) expectRaw(text string) {
	c.t.Helper()
	if opcode, payload := c.next(); opcode != opText || string(payload) != text {
		c.t.Fatalf("found opcode %d %s, expected text %s", opcode, payload, text)
	}
}

// expectAfter expects that text after exactly d in a bubble, and nothing before.
func (c *rawClient) expectAfter(d time.Duration, text string) {
	c.t.Helper()
	start := time.Now()
	c.expectRaw(text)
	if waited := time.Since(start); waited != d {
		c.t.Fatalf("%s came after %s, expected %s", text, waited, d)
	}
}

// expectControl expects exactly that control frame as the next frame.
func (c *rawClient) expectControl(want byte, payload string) {
	c.t.Helper()
	if opcode, found := c.next(); opcode != want || string(found) != payload {
		c.t.Fatalf("found opcode %d %q, expected opcode %d %q", opcode, found, want, payload)
	}
}

// expectQuiet makes sure that nothing came before the answer to a ping that it sends.
func (c *rawClient) expectQuiet() {
	c.t.Helper()
	c.send(`{"event":"pusher:ping"}`)
	c.expect("pusher:pong")
}

// expectClose expects a close frame with that code as the next frame, answers it, expects the end of the connection, and
// returns the reason.
func (c *rawClient) expectClose(code int) (reason string) {
	c.t.Helper()
	opcode, payload := c.next()
	if f := (hubtest.RawFrame{Payload: payload}); opcode != opClose || f.CloseCode() != code {
		c.t.Fatalf("found opcode %d %q, expected a close frame with code %d", opcode, payload, code)
	}
	c.sendFrame(hubtest.Fin|opClose, string(payload[:2]))
	c.expectEnd()
	return string(payload[2:])
}

// expectEnd expects the end of the connection, and nothing before it.
func (c *rawClient) expectEnd() {
	c.t.Helper()
	if f, err := c.ReadFrame(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("found %v (%v), expected the end of the connection", f, err)
	}
}

// expectSilence lets d pass in a bubble, during which no frame may come.
func (c *rawClient) expectSilence(d time.Duration) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(d))
	if f, err := c.ReadFrame(); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("found %v (%v), expected silence", f, err)
	}
	_ = c.SetReadDeadline(time.Time{})
}
