package pusherhub

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"unicode/utf8"
)

// incoming cuts what a client sends into messages (RFC 6455): it checks and unmasks frames, joins fragments, and answers the
// control frames between them. coder/websocket could do it, too, but keeps more for each socket, and sets a timer for each
// control frame. Here nothing is allocated: deadlines are the transport's.
type incoming struct {
	c   *conn
	buf *bufio.Reader

	// The frame that is being read.
	left int64   // bytes of its payload still to come
	fin  bool    // it is the last of its message
	mask [4]byte // for its next byte and the three after

	resting      bool // nothing is read of the next message, or of a control frame before it
	afterControl bool // the last frame was a control frame
}

const (
	maskBit        = 0x80
	reservedBits   = 0x30 // RSV2 and RSV3; RSV1 is compressedBit
	lengthIn2      = 126  // in place of a length: it follows in two bytes,
	lengthIn8      = 127  // or in eight
	maxControlSize = 125
)

var (
	errProtocol   = errors.New("the frame breaks RFC 6455")
	errPeerClosed = errors.New("the peer closed the connection")
)

// next goes to the beginning of the next message, which Read then reads. The one before must have been read to its end.
func (in *incoming) next() (opcode byte, compressed bool, err error) {
	first, err := in.nextData()
	if opcode = first & 0x0f; err == nil && opcode == opContinuation {
		err = errProtocol
	}
	return opcode, first&compressedBit != 0, err
}

// Read reads the payload of one message.
func (in *incoming) Read(p []byte) (int, error) {
	for in.left == 0 {
		if in.fin {
			return 0, io.EOF
		}
		first, err := in.nextData()
		if err != nil {
			return 0, noEnd(err)
		}
		if first&^finalFrame != opContinuation {
			return 0, errProtocol
		}
	}
	n, err := in.buf.Read(p[:min(int64(len(p)), in.left)])
	in.unmask(p[:n])
	in.left -= int64(n)
	return n, noEnd(err)
}

// skip drops the rest of the message: what is over the limit, or behind the end of compressed data.
func (in *incoming) skip() error {
	if in.left == 0 && in.fin {
		return nil
	}
	_, err := io.Copy(io.Discard, in)
	return err
}

// noEnd keeps the end of a connection from being taken for the end of a message.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// nextData reads up to the payload of the next frame that carries a part of a message, and returns its first byte.
func (in *incoming) nextData() (first byte, err error) {
	for {
		in.resting = in.fin
		first, length, err := in.header()
		if err != nil {
			return 0, err
		}
		switch first & 0x0f {
		case opContinuation, opText, opBinary:
			in.left, in.fin, in.afterControl = length, first&finalFrame != 0, false
			return first, nil
		case opClose, opPing, opPong:
			if err := in.control(first, length); err != nil {
				return 0, err
			}
			in.afterControl = true
		default:
			return 0, errProtocol
		}
	}
}

// header reads a frame's header.
func (in *incoming) header() (first byte, length int64, err error) {
	b, err := in.take(2)
	if err != nil {
		return 0, 0, err
	}
	in.resting = false
	first, second := b[0], b[1]
	reserved := byte(reservedBits)
	if opcode := first & 0x0f; !in.c.queue.deflate || opcode != opText && opcode != opBinary {
		reserved |= compressedBit
	}
	if second&maskBit == 0 || first&reserved != 0 {
		return 0, 0, errProtocol
	}
	switch length = int64(second &^ maskBit); length {
	case lengthIn2:
		if b, err = in.take(2); err == nil {
			length = int64(binary.BigEndian.Uint16(b))
		}
	case lengthIn8:
		if b, err = in.take(8); err == nil {
			length = int64(binary.BigEndian.Uint64(b))
		}
	}
	if err != nil {
		return 0, 0, err
	}
	if length < 0 {
		return 0, 0, errProtocol
	}
	b, err = in.take(len(in.mask))
	copy(in.mask[:], b)
	return first, length, err
}

// take returns the next n bytes, which stay where they are until more are read. n is at most maxControlSize.
func (in *incoming) take(n int) ([]byte, error) {
	b, err := in.buf.Peek(n)
	if err != nil {
		return nil, err
	}
	_, err = in.buf.Discard(n)
	return b, err
}

// control acts on one control frame.
func (in *incoming) control(first byte, length int64) error {
	if first&finalFrame == 0 || length > maxControlSize {
		return errProtocol
	}
	payload, err := in.take(int(length))
	if err != nil {
		return err
	}
	in.unmask(payload)
	switch first & 0x0f {
	case opPing:
		in.c.pong(payload)
	case opClose:
		if !validClose(payload) {
			return errProtocol
		}
		in.c.closeBack(payload)
		return errPeerClosed
	}
	return nil
}

// unmask uncovers p, the next bytes of the frame.
func (in *incoming) unmask(p []byte) {
	n := len(p)
	mask := binary.LittleEndian.Uint32(in.mask[:])
	for wide := uint64(mask)<<32 | uint64(mask); len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
	}
	for i := range p {
		p[i] ^= in.mask[i&3]
	}
	binary.LittleEndian.PutUint32(in.mask[:], bits.RotateLeft32(mask, -8*(n&3)))
}

// validClose reports whether a client may close with that payload: nothing, or a code that may be sent and a reason.
func validClose(payload []byte) bool {
	if len(payload) == 0 {
		return true
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return false
	}
	switch code := binary.BigEndian.Uint16(payload); code {
	case 1004, 1005, 1006: // these only stand for something, inside of programs
		return false
	default:
		return code >= 1000 && code <= 1014 || code >= 3000 && code <= 4999
	}
}
