package pusherhub

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// FuzzFrameHeader lets another implementation read the frames that the hub builds.
func FuzzFrameHeader(f *testing.F) {
	f.Add([]byte("{}"), uint32(126), uint16(4001), "Application does not exist")
	f.Fuzz(func(t *testing.T, payload []byte, length uint32, code uint16, reason string) {
		long := bytes.Repeat([]byte("é"), int(length%70_000)/2)
		wire := newFrame(payload).wire
		wire = appendFrame(wire, opPing, long[:min(len(long), 125)])
		wire = append(wire, newFrame(long).wire...)
		wire = append(wire, closeFrame(int(code), reason)...)

		c := readerOf(t, wire)
		for _, sent := range [][]byte{payload, long} {
			kind, got, err := c.Read(context.Background())
			if err != nil || kind != websocket.MessageText || !bytes.Equal(got, sent) {
				t.Fatalf("sent %d bytes: found %d of kind %v, %v", len(sent), len(got), kind, err)
			}
		}
		if !usableCode(code) {
			return // the hub closes with no such code, and no client takes it
		}
		_, _, err := c.Read(context.Background())
		closed, ok := errors.AsType[websocket.CloseError](err)
		if !ok || closed.Code != websocket.StatusCode(code) {
			t.Fatalf("closed with %d %q: found %v", code, reason, err)
		}
		if !utf8.ValidString(closed.Reason) {
			t.Fatalf("closed with reason %q: found %q, which a browser refuses", reason, closed.Reason)
		}
		if utf8.ValidString(reason) && closed.Reason != reason &&
			(!strings.HasPrefix(reason, closed.Reason) || len(closed.Reason) <= maxCloseReason-utf8.UTFMax) {
			t.Fatalf("closed with reason %q: found %q", reason, closed.Reason)
		}
	})
}

func usableCode(code uint16) bool { return code >= 3000 && code < 5000 }

// readerOf returns a client that receives wire.
func readerOf(t *testing.T, wire []byte) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(context.Background(), "ws://hub.example", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: canned{bytes.NewReader(wire)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(-1)
	return c
}

// canned answers a handshake and then says what it was given.
type canned struct{ *bytes.Reader }

func (canned) Write(p []byte) (int, error) { return len(p), nil }
func (canned) Close() error                { return nil }

// acceptKey is the proof that a server has read the handshake (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusSwitchingProtocols,
		Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Accept": {acceptKey(r.Header.Get("Sec-WebSocket-Key"))},
		},
		Body: io.ReadWriteCloser(c),
	}, nil
}
