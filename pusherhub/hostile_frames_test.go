package pusherhub_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const (
	textOp = hubtest.Fin | hubtest.OpText
	binOp  = hubtest.Fin | hubtest.OpBin
	endOp  = hubtest.Fin | hubtest.OpEnd
	pingOp = hubtest.Fin | hubtest.OpPing
)

// A frame that breaks RFC 6455 ends its socket with the code that the RFC names, and nothing else.
func TestBrokenFrames(t *testing.T) {
	seen := &subscribeLog{}
	s := hostileServer(t, pusherhub.AppConfig{MaxMessageSize: 1000, Plugins: []pusherhub.Plugin{seen}})
	frame := func(first byte, payload string) string { return string(hubtest.ClientFrame(first, []byte(payload))) }
	const event = `{"event":"pusher:ping"}`
	masked := func(header ...byte) string { return string(header) + "\x00\x00\x00\x00" }
	long := strings.Repeat("x", 600)
	const halfTheWorld = "length of half the world"
	for _, broken := range []struct {
		name, bytes string
		code        int
	}{
		{"no mask", "\x81" + string(rune(len(event))) + event, 1002},
		{"reserved bit 1 without an extension", frame(textOp|0x40, event), 1002},
		{"reserved bit 2", frame(textOp|0x20, event), 1002},
		{"reserved bit 3", frame(textOp|0x10, event), 1002},
		{"data opcode 3", frame(0x83, event), 1002},
		{"data opcode 7", frame(0x87, event), 1002},
		{"control opcode 11", frame(0x8b, ""), 1002},
		{"control opcode 15", frame(0x8f, ""), 1002},
		{"ping in fragments", frame(hubtest.OpPing, "a"), 1002},
		{"close in fragments", frame(hubtest.OpEnd, ""), 1002},
		{"ping of 126 bytes", frame(pingOp, strings.Repeat("x", 126)), 1002},
		{"pong of 64 KB", frame(hubtest.Fin|hubtest.OpPong, strings.Repeat("x", 1<<16)), 1002},
		{"continuation of nothing", frame(hubtest.Fin, event), 1002},
		{"text inside a message", frame(hubtest.OpText, `{"event":`) + frame(textOp, event), 1002},
		{"length with the highest bit", masked(0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0), 1002},
		{halfTheWorld, masked(0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0) + long + long, 1009},
		{"oversize", frame(textOp, long+long), 1009},
		{"oversize in fragments", frame(hubtest.OpText, long) + frame(hubtest.Fin, long), 1009},
		{"oversize in a thousand fragments", frame(hubtest.OpText, "") + strings.Repeat(frame(0, "xy"), 1000) + frame(hubtest.Fin, ""), 1009},
		{"text that is not UTF-8", frame(textOp, "{\"event\":\"\xff\"}"), 1007},
		{"text that ends inside a character", frame(textOp, "\xe2\x82"), 1007},
		{"a surrogate in UTF-8", frame(textOp, "\xed\xa0\x80"), 1007},
		{"binary for the second time", frame(binOp, event) + frame(binOp, event), 1003},
		{"close of one byte", frame(endOp, "x"), 1002},
	} {
		t.Run(broken.name, func(t *testing.T) {
			r := attack(t, s)
			r.Send(broken.bytes + frame(textOp, hubtest.SubscribeFrame("too-late", "", "")))
			r.ExpectClose(broken.code)
			if broken.code != 1002 && broken.name != halfTheWorld {
				r.ExpectEnd() // elsewhere the server cannot find the client's close frame and waits a moment for the client
			}
			if seen.has("too-late") {
				t.Error("what came behind the broken frame was acted on")
			}
		})
	}
}

// subscribeLog is a plugin that notes which channels are subscribed to.
type subscribeLog struct {
	mu       sync.Mutex
	channels []string // guarded by mu
}

func (*subscribeLog) Name() string { return "subscribe log" }

func (l *subscribeLog) OnSubscribe(_ context.Context, r *pusherhub.SubscribeRequest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.channels = append(l.channels, r.Channel)
	return nil
}

func (l *subscribeLog) has(channel string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.channels, channel)
}

// Whole messages may come in as many frames as the client likes, with control frames between them, and
// characters may be cut anywhere.
func TestFragmentsAreJoined(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{ChannelCharset: "any"})
	r := attack(t, s)
	message := hubtest.SubscribeFrame("käse-€", "", "")
	r.SendFrame(hubtest.OpText, "")
	for i := range len(message) {
		r.SendFrame(0, message[i:i+1])
		if i%10 == 0 {
			r.SendFrame(pingOp, "between")
			if f := r.NextFrame(); string(f.Payload) != "between" {
				t.Fatalf("found %v, expected a pong", f)
			}
		}
	}
	r.SendFrame(hubtest.Fin, "")
	if f := r.Expect("pusher_internal:subscription_succeeded"); f.Channel != "käse-€" {
		t.Fatalf("found %s", f.Raw)
	}
}

// Frame headers with random bits, in front of random bytes: the server answers or closes, and forgets the socket.
func TestMutatedFrameHeaders(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	random := rand.New(rand.NewPCG(1, 2))
	good := hubtest.ClientFrame(textOp, []byte(hubtest.SubscribeFrame("news", "", "")))
	for range 300 {
		r := attack(t, s)
		bytes := append([]byte(nil), good...)
		for range 1 + random.IntN(3) {
			bytes[random.IntN(8)] ^= 1 << random.IntN(8)
		}
		if random.IntN(2) == 0 {
			bytes = bytes[:random.IntN(len(bytes))]
		}
		tail := make([]byte, random.IntN(64))
		for i := range tail {
			tail[i] = byte(random.Uint32())
		}
		_ = r.TrySend(append(bytes, tail...))
		_ = r.Conn.(*net.TCPConn).CloseWrite()
		r.ExpectEnd()
	}
}

// Garbage costs its sender a few error frames and then nothing is answered; the socket still works.
func TestHundredThousandGarbageFrames(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	r := attack(t, s)
	garbage := []string{"", "{", "{{{", "[", "]", "nul", `"x`, `{"event"}`, `{"event":1}`, `{"event":"pusher:subscribe"}`, "\u2028", "\x00", "💥"}
	burst := ""
	for i := range 1000 {
		burst += string(hubtest.ClientFrame(textOp, []byte(garbage[i%len(garbage)])))
	}
	burst += string(hubtest.ClientFrame(textOp, []byte(`{"event":"pusher:ping"}`)))
	before, errors, start := heap(), 0, time.Now()
	for range 100 {
		r.Send(burst)
		for f := r.NextFrame(); !strings.Contains(string(f.Payload), "pusher:pong"); f = r.NextFrame() {
			errors++
		}
	}
	if windows := 1 + int(time.Since(start)/(10*time.Second)); errors < 10 || errors > 10*(windows+1) {
		t.Errorf("found %d error frames in %s, expected ten in each ten seconds", errors, time.Since(start))
	}
	expectHeap(t, before, 1<<20)
	r.SendText(hubtest.SubscribeFrame("news", "", ""))
	r.Expect("pusher_internal:subscription_succeeded")
}

// Deep nesting is refused without recursion that could eat the stack.
func TestHundredThousandBrackets(t *testing.T) {
	brackets := strings.Repeat("[", 100_000)
	s := hostileServer(t, pusherhub.AppConfig{MaxMessageSize: 1 << 20})
	for _, message := range []string{
		brackets, strings.Repeat(`{"event":`, 100_000), `{"event":"client-x","data":` + brackets,
		`{"event":"pusher:subscribe","data":"` + brackets + `"}`, `{"event":"client-x","data":` + brackets + strings.Repeat("]", 100_000) + "}",
	} {
		r := attack(t, s)
		r.SendText(message)
		r.Expect("pusher:error")
		r.SendText(`{"event":"pusher:ping"}`)
		r.Expect("pusher:pong")
	}

	small := hostileServer(t, pusherhub.AppConfig{})
	r := attack(t, small)
	r.SendText(brackets)
	r.ExpectClose(1009)
}

// Whatever code a client closes with, it has left: it is gone from presence channels, before its TCP connection is if the
// code is one that may travel.
func TestCloseCodesOfClients(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	watcher := s.Join(t, "presence-room", `{"user_id":"watcher"}`)
	code := func(code uint16, reason string) string {
		return string(binary.BigEndian.AppendUint16(nil, code)) + reason
	}
	for _, closing := range []struct{ name, payload string }{
		{"soketi: 4200", code(4200, "")},
		{"1000", code(1000, "bye")},
		{"1001", code(1001, "")},
		{"none", ""},
		{"4301", code(4301, "")},
		{"4999", code(4999, strings.Repeat("x", 123))},
		{"1005, which never travels", code(1005, "")},
		{"1006, which never travels", code(1006, "")},
		{"0", code(0, "")},
		{"999", code(999, "")},
		{"65535", code(65535, "")},
		{"a reason that is not UTF-8", code(1000, "\xff")},
	} {
		t.Run(closing.name, func(t *testing.T) {
			r := s.DialRaw(t, "/app/"+s.App.Key)
			c := &hubtest.Client{SocketID: socketID(t, r.Expect("pusher:connection_established"))}
			member := `{"user_id":"guest"}`
			r.SendText(hubtest.SubscribeFrame("presence-room", s.Auth(c, "presence-room", member), member))
			r.Expect("pusher_internal:subscription_succeeded")
			watcher.Expect("pusher_internal:member_added")
			r.Send(string(hubtest.ClientFrame(endOp, []byte(closing.payload))) +
				string(hubtest.ClientFrame(textOp, []byte(`{"event":"client-x","channel":"presence-room","data":1}`))))
			if f := r.NextFrame(); f.First != endOp {
				t.Fatalf("found %v, expected a close frame", f)
			} else if f.CloseCode() == 1002 {
				_ = r.Close() // the server cannot tell whether its answer was read, and waits for the end
			}
			watcher.Expect("pusher_internal:member_removed")
		})
	}
	watcher.Close()
}
