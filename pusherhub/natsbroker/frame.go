package natsbroker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// What travels through NATS is a frame, a protobuf message:
//
//	1 version  how the rest is to be read; nodes leave alone what is newer than they are
//	2 kind     what the body is
//	3 body
//	4 stream   of a body that did not fit into one message: what its parts have in common
//	5 part     the number of this part, from 0
//	6 parts    how many there are
//
// Fields that are not known are skipped, and so are kinds.
const frameVersion = 1

// kind says what the body of a frame is.
type kind uint64

const (
	kindPost     kind = 1  // bytes of a [cluster.Post]
	kindRuling   kind = 2  // a ruling
	kindNotice   kind = 3  // a notice
	kindQuestion kind = 4  // a question
	kindReply    kind = 5  // a reply
	kindRecord   kind = 6  // a record
	kindCopy     kind = 7  // a snapshot
	kindReceipt  kind = 8  // a receipt
	kindCall     kind = 9  // who calls, and the number of the call
	kindAnswer   kind = 10 // who answers
)

const (
	frameOverhead = 128       // what a frame adds to its body, or less
	maxBody       = 512 << 20 // bounds a body
	maxParts      = 1 << 16
	maxAssembled  = 512 << 20       // bounds bodies of which parts are missing, all together
	assemblyLasts = 2 * time.Minute // how long the parts of a body may take
)

type frame struct {
	kind        kind
	body        []byte
	stream      string
	part, parts uint64
}

// encodeFrames returns a body in frames of at most max bytes. stream must be of this body alone.
func encodeFrames(k kind, body []byte, stream string, limit int) [][]byte {
	room := max(limit-frameOverhead, 1)
	if len(body) <= room {
		return [][]byte{frame{kind: k, body: body}.encode()}
	}
	parts := (len(body) + room - 1) / room
	frames := make([][]byte, 0, parts)
	for part := range parts {
		piece := body[part*room : min(len(body), (part+1)*room)]
		frames = append(frames, frame{kind: k, body: piece, stream: stream, part: uint64(part), parts: uint64(parts)}.encode())
	}
	return frames
}

func (f frame) encode() []byte {
	b := make([]byte, 0, len(f.body)+len(f.stream)+48)
	b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), frameVersion)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(f.kind))
	if f.parts > 0 {
		b = protowire.AppendString(protowire.AppendTag(b, 4, protowire.BytesType), f.stream)
		b = protowire.AppendVarint(protowire.AppendTag(b, 5, protowire.VarintType), f.part)
		b = protowire.AppendVarint(protowire.AppendTag(b, 6, protowire.VarintType), f.parts)
	}
	return protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), f.body)
}

// decodeFrame reads a frame. Its body is part of data.
func decodeFrame(data []byte) (f frame, err error) {
	var version uint64
	for len(data) > 0 {
		field, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return frame{}, fmt.Errorf("reading a frame: %w", protowire.ParseError(n))
		}
		data = data[n:]
		var number uint64
		var content []byte
		switch wire { //nolint:exhaustive // the others are skipped
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(data)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(field, wire, data)
		}
		if n < 0 {
			return frame{}, fmt.Errorf("reading field %d of a frame: %w", field, protowire.ParseError(n))
		}
		data = data[n:]
		switch {
		case field == 1 && wire == protowire.VarintType:
			version = number
		case field == 2 && wire == protowire.VarintType:
			f.kind = kind(number)
		case field == 3 && wire == protowire.BytesType:
			f.body = content
		case field == 4 && wire == protowire.BytesType:
			f.stream = string(content)
		case field == 5 && wire == protowire.VarintType:
			f.part = number
		case field == 6 && wire == protowire.VarintType:
			f.parts = number
		}
	}
	switch {
	case version != frameVersion:
		return frame{}, fmt.Errorf("found version %d of a frame, expected %d", version, frameVersion)
	case f.parts > maxParts || f.part >= max(f.parts, 1):
		return frame{}, fmt.Errorf("found part %d of %d in a frame, expected %d at most", f.part, f.parts, maxParts)
	}
	return f, nil
}

// assembler puts together bodies that came in parts. A publisher's parts come in order and without gaps, or the connection is lost, and the assembler with it; parts
// of several publishers come in between. It belongs to who reads the connection.
type assembler struct {
	open map[string]*assembly
	size int // bytes of all that are open
}

type assembly struct {
	body  []byte
	next  uint64
	begun time.Time
}

// errPart says that the parts before it are missing: they were sent before this node was subscribed.
var errPart = errors.New("found a part of something whose beginning is missing")

// add takes a frame and reports whether it completed a body, which is in whole then.
func (a *assembler) add(f frame, now time.Time) (whole frame, complete bool, err error) {
	if f.parts <= 1 {
		return f, true, nil
	}
	found := a.open[f.stream]
	if f.part == 0 && found == nil {
		a.expire(now)
		found = &assembly{begun: now}
		if a.open == nil {
			a.open = make(map[string]*assembly)
		}
		a.open[f.stream] = found
	}
	if found == nil || found.next != f.part {
		a.drop(f.stream)
		return frame{}, false, errPart
	}
	if len(found.body)+len(f.body) > maxBody || a.size+len(f.body) > maxAssembled {
		a.drop(f.stream)
		return frame{}, false, fmt.Errorf("found a body that is too long, expected %d bytes at most", maxBody)
	}
	found.body = append(found.body, f.body...)
	found.next++
	a.size += len(f.body)
	if found.next < f.parts {
		return frame{}, false, nil
	}
	a.drop(f.stream)
	return frame{kind: f.kind, body: found.body}, true, nil
}

func (a *assembler) drop(stream string) {
	if found := a.open[stream]; found != nil {
		a.size -= len(found.body)
		delete(a.open, stream)
	}
}

// expire drops what its publisher did not finish.
func (a *assembler) expire(now time.Time) {
	for stream, found := range a.open {
		if now.Sub(found.begun) > assemblyLasts {
			a.drop(stream)
		}
	}
}

// streamName names the parts of one body: a node and a number.
func streamName(node string, number uint64) string {
	return string(binary.AppendUvarint([]byte(node), number))
}
