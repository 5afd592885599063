//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// Opcodes of WebSocket frames.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa
)

// appendFrame appends a frame from a server.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	return append(appendHeader(dst, op, len(payload), 0), payload...)
}

// appendClientFrame appends a frame from a client. Its mask is zero, which is allowed and leaves the payload as it is.
func appendClientFrame(dst []byte, op byte, payload []byte) []byte {
	dst = appendHeader(dst, op, len(payload), 0x80)
	return append(append(dst, 0, 0, 0, 0), payload...)
}

func appendHeader(dst []byte, op byte, n int, masked byte) []byte {
	dst = append(dst, 0x80|op)
	switch {
	case n < 126:
		return append(dst, masked|byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, masked|126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, masked|127), uint64(n))
	}
}

// frameParser cuts a server's bytes into frames, however they are torn. It looks at payloads only where it has to.
type frameParser struct {
	keep bool // hand out payloads, too; else only those of control frames

	header   [10]byte
	have     int // bytes of header so far
	inside   bool
	op       byte
	left     int // bytes of the payload that are still to come, when inside
	gathered []byte
}

// feed calls frame for each frame that b completes. Its payload is valid during the call only, nil if it is not kept.
func (p *frameParser) feed(b []byte, frame func(op byte, payload []byte)) {
	for len(b) > 0 || p.inside && p.left == 0 {
		if !p.inside {
			b = p.readHeader(b)
			continue
		}
		n := min(p.left, len(b))
		whole := n == p.left
		payload := b[:n]
		b, p.left = b[n:], p.left-n
		if !p.keep && p.op < opClose {
			payload = nil
		} else if !whole || len(p.gathered) > 0 {
			p.gathered = append(p.gathered, payload...)
			payload = p.gathered
		}
		if whole {
			p.inside = false
			frame(p.op, payload)
			p.gathered = p.gathered[:0]
		}
	}
}

// readHeader takes what b has of a header and returns the rest.
func (p *frameParser) readHeader(b []byte) []byte {
	for {
		need := 2
		if p.have >= 2 {
			switch p.header[1] {
			case 126:
				need = 4
			case 127:
				need = 10
			}
		}
		n := copy(p.header[p.have:need], b)
		b, p.have = b[n:], p.have+n
		if p.have < need {
			return b // there is no more
		}
		switch {
		case need == 2 && p.header[1] >= 126:
			continue
		case need == 2:
			p.left = int(p.header[1])
		case need == 4:
			p.left = int(binary.BigEndian.Uint16(p.header[2:]))
		default:
			p.left = int(binary.BigEndian.Uint64(p.header[2:]))
		}
		p.op, p.inside, p.have = p.header[0]&0x0f, true, 0
		return b
	}
}

// Every event's data begins with a stamp of fixed length: who published it, the how manieth it is, and when it was due.
const (
	stampForm = "p00s0000000000t0000000000000000000"
	seqAt     = 4
	timeAt    = 15
	unordered = 99 // a publisher whose events are not counted through
)

// stamp writes a stamp over dst.
func stamp(dst []byte, publisher int, seq, at int64) {
	putDigits(dst[1:3], int64(publisher))
	putDigits(dst[seqAt:timeAt-1], seq)
	putDigits(dst[timeAt:len(stampForm)], at)
}

func putDigits(dst []byte, n int64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
}

func digits(src []byte) (n int64) {
	for _, c := range src {
		n = n*10 + int64(c-'0')
	}
	return n
}

// findStamp returns where the stamp is in an event's frame, -1 if there is none.
func findStamp(payload []byte) int {
	const before = `"data":"`
	i := bytes.Index(payload, []byte(before+stampForm[:1]))
	if i < 0 || i+len(before)+len(stampForm) > len(payload) {
		return -1
	}
	return i + len(before)
}

// eventName is what all events are called.
const eventName = "position"

// eventData is an event's data of that many bytes: a stamp and filling.
func eventData(size int) string {
	return stampForm + strings.Repeat("x", max(0, size-len(stampForm)))
}

// eventFrame is what the hub sends for an event, so that a limit can send the same bytes.
func eventFrame(channel string, size int) []byte {
	return appendFrame(nil, opText, []byte(`{"event":"`+eventName+`","channel":"`+channel+`","data":"`+eventData(size)+`"}`))
}

// numbered returns a name with a number behind it.
func numbered(name string, i int) string { return name + "-" + strconv.Itoa(i) }
