package pusherhub

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// maskedFrame is a frame as a client sends it.
func maskedFrame(first byte, payload []byte) []byte {
	wire := appendFrame(nil, opText, payload)
	header := len(wire) - len(payload)
	wire[0], wire[1] = first, wire[1]|maskBit
	mask := [4]byte{1, 2, 4, 8}
	out := append(append([]byte(nil), wire[:header]...), mask[:]...)
	for i, b := range payload {
		out = append(out, b^mask[i%4])
	}
	return out
}

// However a message is cut into frames and into reads, it is the same message.
func TestIncomingPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) // the same cuts each time
	for _, size := range []int{0, 1, 7, 8, 125, 126, 127, readBuffer, 5000, 1<<16 - 1, 1 << 16, 70_000} {
		message := make([]byte, size)
		for i := range message {
			message[i] = byte(random.Uint32())
		}
		for range 20 {
			var wire []byte
			rest, opcode := message, byte(opBinary)
			for len(rest) > 0 && random.IntN(3) > 0 {
				n := random.IntN(len(rest) + 1)
				wire = append(wire, maskedFrame(opcode, rest[:n])...)
				rest, opcode = rest[n:], opContinuation
			}
			wire = append(wire, maskedFrame(finalFrame|opcode, rest)...)
			var r io.Reader = bytes.NewReader(wire)
			if random.IntN(2) == 0 {
				r = iotest.HalfReader(r)
			}
			in := &incoming{c: new(conn), buf: bufio.NewReaderSize(r, readBuffer)}
			if opcode, compressed, err := in.next(); opcode != opBinary || compressed || err != nil {
				t.Fatalf("%d bytes: found opcode %d, compressed %t, %v", size, opcode, compressed, err)
			}
			r = in
			if random.IntN(2) == 0 {
				r = iotest.HalfReader(r)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, message) {
				t.Fatalf("%d bytes: found %d others, %v", size, len(got), err)
			}
			if _, _, err := in.next(); !errors.Is(err, io.EOF) {
				t.Fatalf("%d bytes: found %v behind the message, expected the end", size, err)
			}
		}
	}
}

// A connection that ends inside of a message has not ended the message.
func TestIncomingCutOff(t *testing.T) {
	wire := append(maskedFrame(opText, []byte("first")), maskedFrame(finalFrame|opContinuation, []byte("second"))...)
	for n := range wire {
		in := &incoming{c: new(conn), buf: bufio.NewReaderSize(bytes.NewReader(wire[:n]), readBuffer)}
		if _, _, err := in.next(); err != nil {
			continue
		}
		if got, err := io.ReadAll(in); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of %d: found %q, %v", n, len(wire), got, err)
		}
	}
}

func TestValidClose(t *testing.T) {
	for code, valid := range map[uint16]bool{
		0: false, 999: false, 1000: true, 1003: true, 1004: false, 1005: false, 1006: false, 1007: true, 1014: true, 1015: false,
		2999: false, 3000: true, 4001: true, 4999: true, 5000: false,
	} {
		if found := validClose(binary.BigEndian.AppendUint16(nil, code)); found != valid {
			t.Errorf("code %d: found %t, expected %t", code, found, valid)
		}
	}
	for payload, valid := range map[string]bool{"": true, "\x03": false, "\x03\xe8bye": true, "\x03\xe8b\xff": false} {
		if found := validClose([]byte(payload)); found != valid {
			t.Errorf("%q: found %t, expected %t", payload, found, valid)
		}
	}
}
