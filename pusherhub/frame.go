package pusherhub

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// frame is one WebSocket frame as it goes over the wire: built once, immutable, and shared by
// all sockets that get it. Frames of a server carry no mask, so the bytes are the same for all; sockets that negotiated
// compression share a second form, made when the first of them needs it (deflate.go).
type frame struct {
	wire []byte

	// deflateFrom is the size from which the payload is worth compressing; 0: never.
	deflateFrom int
	deflated    deflatedForm

	// parts are the frames that were joined into this one; nil if it is one.
	parts []*frame

	// replaces names the older frames, waiting in a socket's queue, to which this one is to be preferred. Empty: none.
	replaces string
}

const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa

	finalFrame = 0x80
	maxHeader  = 10

	// maxCloseReason is what a close frame has room for beside its code.
	maxCloseReason = 123
)

// newFrame wraps a text payload.
func newFrame(payload []byte) *frame {
	return &frame{wire: appendFrame(make([]byte, 0, maxHeader+len(payload)), opText, payload)}
}

// joinFrames makes one of several that go to the same sockets, so that a burst costs a socket no more than one event.
func joinFrames(frames []*frame) *frame {
	f := &frame{parts: frames}
	size := 0
	for _, part := range frames {
		size += len(part.wire)
		if part.deflateFrom > 0 {
			f.deflateFrom = 1
		}
	}
	f.wire = make([]byte, 0, size)
	for _, part := range frames {
		f.wire = append(f.wire, part.wire...)
	}
	return f
}

// events returns how many events the frame carries.
func (f *frame) events() int { return max(len(f.parts), 1) }

// payload returns what an unjoined frame carries.
func (f *frame) payload() []byte {
	switch f.wire[1] {
	case 126:
		return f.wire[4:]
	case 127:
		return f.wire[10:]
	}
	return f.wire[2:]
}

// appendFrame appends an unmasked, unfragmented frame.
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, finalFrame|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// closeFrame is the frame that ends a connection. A reason that is too long is cut at a character's border, and
// one that is not UTF-8, which a plugin may bring, is mended: browsers fail on it.
func closeFrame(code int, reason string) []byte {
	reason = strings.ToValidUTF8(reason, "\ufffd")
	if len(reason) > maxCloseReason {
		cut := maxCloseReason
		for !utf8.RuneStart(reason[cut]) {
			cut--
		}
		reason = reason[:cut]
	}
	return appendFrame(nil, opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

// closeCodeOf returns the code in a close frame, 0 if there is none.
func closeCodeOf(wire []byte) uint16 {
	if len(wire) < 4 {
		return 0
	}
	return binary.BigEndian.Uint16(wire[2:])
}

// pingFrame is the server's probe, the same for every socket.
var pingFrame = appendFrame(nil, opPing, nil)

// pongTextFrame answers every pusher:ping; textPingFrame is the probe of the option text_ping.
var (
	pongTextFrame = newFrame(eventPayload(eventPong, "", "{}"))
	textPingFrame = newFrame(eventPayload(eventPing, "", "{}"))
)
