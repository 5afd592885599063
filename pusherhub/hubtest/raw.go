package hubtest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The first byte of a WebSocket frame: a flag and an opcode.
const (
	Fin    = 0x80
	OpText = 0x1
	OpBin  = 0x2
	OpEnd  = 0x8 // close
	OpPing = 0x9
	OpPong = 0xa
)

// Raw is a WebSocket peer that keeps no rule by itself: it sends the bytes that a test wants sent and shows
// each frame as it came. Unlike [Client] it may be written to by one goroutine and read by another.
type Raw struct {
	net.Conn

	// Header is that of the last HTTP answer: of the server's 101.
	Header http.Header

	t  testing.TB
	in *bufio.Reader
}

// RawFrame is one frame from the server.
type RawFrame struct {
	First   byte // flags and opcode
	Payload []byte
}

// String returns what a failed test should show.
func (f RawFrame) String() string { return fmt.Sprintf("frame %#x %.300q", f.First, f.Payload) }

// CloseCode returns the code of a close frame, 1005 if it has none.
func (f RawFrame) CloseCode() int {
	if len(f.Payload) < 2 {
		return 1005
	}
	return int(binary.BigEndian.Uint16(f.Payload))
}

// DialRaw upgrades a TCP connection by hand. target is the path with its query; each header is one line.
func (s *Server) DialRaw(t testing.TB, target string, header ...string) *Raw {
	t.Helper()
	r := s.DialTCP(t)
	r.Send(HandshakeText(target, header...))
	r.ExpectUpgrade()
	return r
}

// ExpectUpgrade reads the answer to a handshake, which must be 101.
func (r *Raw) ExpectUpgrade() {
	r.t.Helper()
	if res := r.ReadResponse(); res.StatusCode != http.StatusSwitchingProtocols {
		r.t.Fatalf("upgrading: found status %s, expected 101", res.Status)
	}
}

// ReadResponse reads an HTTP answer. Its body comes from the connection.
func (r *Raw) ReadResponse() *http.Response {
	r.t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(Patience))
	res, err := http.ReadResponse(r.in, nil)
	if err != nil {
		r.t.Fatalf("waiting for an HTTP answer: %v", err)
	}
	r.Header = res.Header
	return res
}

// DialTCP connects to the server and says nothing.
func (s *Server) DialTCP(t testing.TB) *Raw {
	t.Helper()
	nc, err := net.DialTimeout("tcp", strings.TrimPrefix(s.URL, "http://"), Patience)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return NewRaw(t, nc)
}

// NewRaw talks over a connection that is upgraded already.
func NewRaw(t testing.TB, nc net.Conn) *Raw {
	return &Raw{Conn: nc, t: t, in: bufio.NewReader(nc)}
}

// HandshakeText is a handshake as a client sends it.
func HandshakeText(target string, header ...string) string {
	lines := append([]string{
		"GET " + target + " HTTP/1.1", "Host: hub.example", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, header...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// ClientFrame is a masked frame. first holds the flags and the opcode.
func ClientFrame(first byte, payload []byte) []byte {
	frame := []byte{first}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n <= 0xffff:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	mask := []byte{0x37, 0xfa, 0x21, 0x3d}
	frame = append(frame, mask...)
	for i, b := range payload {
		frame = append(frame, b^mask[i%4])
	}
	return frame
}

// ClosePayload is the payload of a close frame.
func ClosePayload(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

// Send sends bytes as they are.
func (r *Raw) Send(bytes string) {
	r.t.Helper()
	if err := r.TrySend([]byte(bytes)); err != nil {
		r.t.Fatalf("sending %.100q: %v", bytes, err)
	}
}

// TrySend is Send for a server that may have closed.
func (r *Raw) TrySend(bytes []byte) error {
	_ = r.SetWriteDeadline(time.Now().Add(Patience))
	_, err := r.Write(bytes)
	return err
}

// SendFrame sends one masked frame.
func (r *Raw) SendFrame(first byte, payload string) {
	r.t.Helper()
	r.Send(string(ClientFrame(first, []byte(payload))))
}

// SendText sends one text message.
func (r *Raw) SendText(text string) {
	r.t.Helper()
	r.SendFrame(Fin|OpText, text)
}

// ReadFrame waits for one frame, for as long as the read deadline allows. A masked or fragmented one, which a
// server never sends, is an error.
func (r *Raw) ReadFrame() (f RawFrame, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r.in, head[:2]); err != nil {
		return f, err
	}
	f.First = head[0]
	if head[1]&0x80 != 0 || head[0]&Fin == 0 {
		return f, fmt.Errorf("found frame header %x, expected one unmasked, final frame", head[:2])
	}
	size := uint64(head[1])
	switch size {
	case 126:
		_, err = io.ReadFull(r.in, head[:2])
		size = uint64(binary.BigEndian.Uint16(head[:2]))
	case 127:
		_, err = io.ReadFull(r.in, head[:8])
		size = binary.BigEndian.Uint64(head[:8])
	}
	if err != nil {
		return f, err
	}
	f.Payload = make([]byte, size)
	_, err = io.ReadFull(r.in, f.Payload)
	return f, err
}

// NextFrame is ReadFrame of a frame that must come.
func (r *Raw) NextFrame() RawFrame {
	r.t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(Patience))
	f, err := r.ReadFrame()
	if err != nil {
		r.t.Fatalf("waiting for a frame: %v", err)
	}
	return f
}

// Expect returns the next frame, which must be text with that event.
func (r *Raw) Expect(event string) Frame {
	r.t.Helper()
	raw := r.NextFrame()
	f := Frame{Raw: string(raw.Payload)}
	if raw.First != Fin|OpText || json.Unmarshal(raw.Payload, &f) != nil || f.Event != event {
		r.t.Fatalf("found %v, expected event %s", raw, event)
	}
	return f
}

// ExpectClose reads until the server's close frame, which must have that code, and answers it. It returns the reason.
func (r *Raw) ExpectClose(code int) string {
	r.t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(Patience))
	for {
		f, err := r.ReadFrame()
		if err != nil {
			r.t.Fatalf("found %v, expected close code %d", err, code)
		}
		if f.First != Fin|OpEnd {
			continue
		}
		if f.CloseCode() != code {
			r.t.Fatalf("found close code %d %q, expected %d", f.CloseCode(), f.Payload, code)
		}
		_ = r.TrySend(ClientFrame(Fin|OpEnd, f.Payload))
		return string(f.Payload[min(2, len(f.Payload)):])
	}
}

// ExpectEnd reads until the connection ends.
func (r *Raw) ExpectEnd() {
	r.t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(Patience))
	_, err := io.Copy(io.Discard, r.in)
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() { // a reset is an end, too
		r.t.Fatal("the server does not end the connection")
	}
}
