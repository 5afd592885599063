package pusherhub_test

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const compressedOp = textOp | 0x40

// compressed is a message as RFC 7692 wants it; last ends the stream, which it allows.
func compressed(t *testing.T, text string, last bool) string {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write([]byte(text)); err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	if last {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	return strings.TrimSuffix(out.String(), "\x00\x00\xff\xff")
}

// Clients may compress what they send, each message by itself, in one frame or more.
func TestCompressedMessages(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{Compression: new(true), MaxMessageSize: 1000})
	dial := func(t *testing.T) *hubtest.Raw {
		t.Helper()
		r := s.DialRaw(t, "/app/"+s.App.Key+"?protocol=7", "Sec-WebSocket-Extensions: permessage-deflate")
		r.Expect("pusher:connection_established")
		return r
	}
	const ping = `{"event":"pusher:ping","data":{}}`
	r := dial(t)
	packed := compressed(t, ping, false)
	for range 2 {
		r.SendFrame(compressedOp, packed)
		r.Expect("pusher:pong")
	}
	r.SendText(ping)
	r.Expect("pusher:pong")
	r.SendFrame(hubtest.OpText|0x40, packed[:5])
	r.SendFrame(pingOp, "between")
	if f := r.NextFrame(); string(f.Payload) != "between" {
		t.Fatalf("found %v, expected a pong", f)
	}
	r.SendFrame(hubtest.Fin, packed[5:])
	r.Expect("pusher:pong")
	r.SendFrame(compressedOp, compressed(t, ping, true)+strings.Repeat("and what nobody reads", 1000))
	r.Expect("pusher:pong")
	r.SendText(ping)
	r.Expect("pusher:pong")

	for _, broken := range []struct {
		name, payload string
		first         byte
		code          int
	}{
		{"not compressed", ping, compressedOp, 1002},
		{"cut off", packed[:5], compressedOp, 1002},
		{"larger than it looks", compressed(t, strings.Repeat(" ", 1<<20), false), compressedOp, 1009},
		{"a compressed ping", packed, pingOp | 0x40, 1002},
	} {
		t.Run(broken.name, func(t *testing.T) {
			r := dial(t)
			r.SendFrame(broken.first, broken.payload)
			r.ExpectClose(broken.code)
		})
	}
}

// A message whose compressed data ends early is not acted on before it ends itself, and holds up nothing.
func TestCompressedMessageEndsWithItsLastFrame(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{Compression: new(true)})
	r := s.DialRaw(t, "/app/"+s.App.Key+"?protocol=7", "Sec-WebSocket-Extensions: permessage-deflate")
	r.Expect("pusher:connection_established")
	r.SendFrame(hubtest.OpText|0x40, compressed(t, `{"event":"pusher:ping"}`, true))
	for _, text := range []string{"between", "again"} {
		r.SendFrame(pingOp, text)
		if f := r.NextFrame(); string(f.Payload) != text {
			t.Fatalf("found %v, expected the pong %s", f, text)
		}
	}
	r.SendFrame(hubtest.Fin, "")
	r.Expect("pusher:pong")
}
