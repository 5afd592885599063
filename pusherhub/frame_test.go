package pusherhub

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFrameHeaders(t *testing.T) {
	for _, o := range []struct {
		size   int
		header []byte
	}{
		{0, []byte{0x81, 0}},
		{1, []byte{0x81, 1}},
		{125, []byte{0x81, 125}},
		{126, []byte{0x81, 126, 0, 126}},
		{127, []byte{0x81, 126, 0, 127}},
		{65535, []byte{0x81, 126, 0xff, 0xff}},
		{65536, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{1 << 20, []byte{0x81, 127, 0, 0, 0, 0, 0, 16, 0, 0}},
	} {
		payload := bytes.Repeat([]byte("x"), o.size)
		if wire := newFrame(payload).wire; !bytes.Equal(wire, append(o.header, payload...)) {
			t.Errorf("%d bytes: found header %x, expected %x", o.size, wire[:min(len(wire), maxHeader)], o.header)
		}
	}
	if !bytes.Equal(pingFrame, []byte{0x89, 0}) {
		t.Errorf("found ping %x", pingFrame)
	}
}

func TestCloseFrame(t *testing.T) {
	for _, o := range []struct{ name, reason, want string }{
		{"none", "", ""},
		{"short", "bye", "bye"},
		{"just fits", strings.Repeat("x", 123), strings.Repeat("x", 123)},
		{"too long", strings.Repeat("x", 124), strings.Repeat("x", 123)},
		{"cut at a character", strings.Repeat("x", 122) + "é", strings.Repeat("x", 122)},
		{"cut at a long character", strings.Repeat("x", 120) + "😀", strings.Repeat("x", 120)},
		{"long character just fits", strings.Repeat("x", 119) + "😀!", strings.Repeat("x", 119) + "😀"},
	} {
		wire := closeFrame(4100, o.reason)
		want := append([]byte{0x88, byte(2 + len(o.want)), 0x10, 0x04}, o.want...)
		if !bytes.Equal(wire, want) || !utf8.Valid(wire[4:]) {
			t.Errorf("%s: found %q, expected %q", o.name, wire, want)
		}
	}
}

// The reasons that the hub itself gives fit into a close frame.
func TestCloseReasonsFit(t *testing.T) {
	for _, e := range []*CloseError{
		errTLSOnly, errNoSuchApp, errAppDisabled, errOverQuota, errInvalidVersion, errUnsupportedProtocol, errNoProtocol, errOriginNotAllowed,
		errAuthorizationLate, errSigninRefused, errOverCapacity, errDraining, errRestarting, errSlowReader, errRateLimit, errPongTimeout, errInternal,
	} {
		if len(e.Reason) > maxCloseReason || e.Reason == "" || !strings.Contains(e.Error(), e.Reason) {
			t.Errorf("found %v", e)
		}
	}
}

// A peer that pings and does not read gets pongs up to a bound, and is not closed for it.
func TestPongsAreBounded(t *testing.T) {
	q := &sendQueue{writing: true} // somebody writes, and does not get on
	pong := appendFrame(nil, 0xa, make([]byte, 125))
	for range 10_000 {
		if result := q.pushControl(pong); result != pushed {
			t.Fatalf("found result %d, expected pushed", result)
		}
	}
	if n := len(q.control); n > writeChunk+len(pong) {
		t.Errorf("found %d bytes of pongs waiting, expected %d at most", n, writeChunk+len(pong))
	}
}
