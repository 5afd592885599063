package pusherhub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// pingOf is a pusher:ping of that many bytes.
func pingOf(size int) string {
	const text = `{"event":"pusher:ping","data":"PAD"}`
	return strings.Replace(text, "PAD", strings.Repeat("x", size-len(text)+3), 1)
}

func TestFragmentedMessages(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	t.Run("a message in many frames is one message", func(t *testing.T) {
		c := dialRaw(t, s, "")
		text := hubtest.SubscribeFrame("news", "", "")
		c.sendFrame(opText, text[:1])
		for i := 1; i < len(text)-1; i++ {
			c.sendFrame(opContinuation, text[i:i+1])
		}
		c.sendFrame(hubtest.Fin|opContinuation, text[len(text)-1:])
		c.expectRaw(succeeded("news"))
		c.expectQuiet()
	})
	t.Run("control frames may come between its frames", func(t *testing.T) {
		c := dialRaw(t, s, "")
		c.sendFrame(opText, `{"event":`)
		c.sendFrame(hubtest.Fin|opPing, "between")
		c.expectControl(opPong, "between")
		c.sendFrame(opContinuation, ``)
		c.sendFrame(hubtest.Fin|opPong, "")
		c.finishPing()
	})
	t.Run("a character may be split between them", func(t *testing.T) {
		c := dialRaw(t, s, "")
		c.sendFrame(opText, `{"event":"pusher:ping","data":"`+"\xc3")
		c.sendFrame(hubtest.Fin|opContinuation, "\xa9"+`"}`)
		c.expect("pusher:pong")
	})
	t.Run("max_message_size is about the whole message", func(t *testing.T) {
		for _, o := range []struct {
			size int
			fits bool
		}{{32 << 10, true}, {32<<10 + 1, false}} {
			c := dialRaw(t, s, "")
			text := pingOf(o.size)
			c.sendFrame(opText, text[:20<<10])
			c.sendFrame(opContinuation, text[20<<10:30<<10])
			c.sendFrame(hubtest.Fin|opContinuation, text[30<<10:])
			if o.fits {
				c.expect("pusher:pong")
			} else {
				c.expectClose(1009)
			}
		}
	})
	for name, wire := range map[string][]byte{
		"a continuation of nothing":         hubtest.ClientFrame(hubtest.Fin|opContinuation, []byte("x")),
		"a text inside of a message":        append(hubtest.ClientFrame(opText, []byte("x")), hubtest.ClientFrame(hubtest.Fin|opText, []byte("x"))...),
		"a fragmented ping":                 hubtest.ClientFrame(opPing, []byte("x")),
		"a ping of 126 bytes":               hubtest.ClientFrame(hubtest.Fin|opPing, make([]byte, 126)),
		"an unknown opcode":                 hubtest.ClientFrame(hubtest.Fin|0x3, []byte("x")),
		"a reserved bit":                    hubtest.ClientFrame(hubtest.Fin|0x40|opText, []byte("x")),
		"a frame without a mask":            {hubtest.Fin | opText, 1, 'x'},
		"a length with its top bit set":     {hubtest.Fin | opText, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'x'},
		"a close frame with half of a code": hubtest.ClientFrame(hubtest.Fin|opClose, []byte{3}),
		"a close frame with code 1005":      hubtest.ClientFrame(hubtest.Fin|opClose, hubtest.ClosePayload(1005, "")),
	} {
		t.Run(name+" is a protocol error", func(t *testing.T) {
			c := dialRaw(t, s, "")
			c.sendBytes(wire)
			if opcode, payload := c.next(); opcode != opClose || (hubtest.RawFrame{Payload: payload}).CloseCode() != 1002 {
				t.Errorf("found opcode %d %q, expected a close frame with code 1002", opcode, payload)
			}
		})
	}
}

func TestMessageSize(t *testing.T) {
	for _, o := range []struct {
		name   string
		config pusherhub.AppConfig
		limit  int
	}{
		{"profile reverb", pusherhub.AppConfig{}, 32 << 10},
		{"profile pusher", pusherhub.AppConfig{Compat: "pusher"}, 32 << 10},
		{"option max_message_size", pusherhub.AppConfig{MaxMessageSize: 10_000}, 10_000},
		{"option max_message_size, large", pusherhub.AppConfig{MaxMessageSize: 1 << 20}, 1 << 20},
	} {
		t.Run("1009 oversize at the exact boundary, row 42: "+o.name, func(t *testing.T) {
			s := hubtest.NewServer(t, o.config)
			c := dialRaw(t, s, "")
			for range 3 {
				c.send(pingOf(o.limit))
				c.expect("pusher:pong")
			}
			c.send(pingOf(o.limit + 1))
			if reason := c.expectClose(1009); reason != "Maximum message size exceeded" {
				t.Errorf("found reason %q", reason)
			}
		})
	}
	t.Run("1009 before the rest of the message has come", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := dialRaw(t, s, "")
		wire := hubtest.ClientFrame(hubtest.Fin|opText, make([]byte, 1<<20))
		const header = 14
		c.sendBytes(wire[:header+32<<10])
		c.expectSilence(time.Second)
		c.sendBytes(wire[header+32<<10 : header+32<<10+1])
		start := time.Now()
		if opcode, payload := c.next(); opcode != opClose || (hubtest.RawFrame{Payload: payload}).CloseCode() != 1009 {
			t.Fatalf("found opcode %d %q, expected a close frame with code 1009", opcode, payload)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %s for the close frame", waited)
		}
		for at := header + 32<<10 + 1; at < len(wire); at += 1 << 10 { // what still comes is read and dropped
			c.sendBytes(wire[at:min(at+1<<10, len(wire))])
		}
		c.sendFrame(hubtest.Fin|opClose, "\x03\xf1")
		c.expectEnd()
	}))
	t.Run("1009 for a client that goes on for ever ends, too", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := dialRaw(t, s, "")
		c.sendBytes([]byte{hubtest.Fin | opText, 0x80 | 127, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4}) // a TB
		c.sendBytes(make([]byte, 64<<10))
		if opcode, _ := c.next(); opcode != opClose {
			t.Fatalf("found opcode %d", opcode)
		}
		start := time.Now()
		for {
			if _, err := c.Write(make([]byte, 1<<10)); err != nil {
				break
			}
			later(100 * time.Millisecond)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it could write for %s", took)
		}
	}))
}

func TestInvalidText(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	for name, text := range map[string]string{
		"a lone byte":           "\xff",
		"overlong":              "{\"event\":\"pusher:ping\",\"data\":\"\xc0\x80\"}",
		"a surrogate":           "{\"event\":\"\xed\xa0\x80\"}",
		"cut off":               "{\"event\":\"pusher:ping\"}\xc3",
		"in data nobody reads":  "{\"event\":\"pusher:pong\",\"data\":\"\xfe\"}",
		"beyond U+10FFFF":       "\xf4\x90\x80\x80",
		"in a channel's name":   "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"\xe9\"}}",
		"in a client's message": "{\"event\":\"client-x\",\"channel\":\"news\",\"data\":\"\x80\"}",
	} {
		t.Run("invalid UTF-8 is closed 1007: "+name, func(t *testing.T) {
			c := dialRaw(t, s, "")
			c.send(text)
			c.expectClose(1007)
		})
	}
	t.Run("all of Unicode goes through", func(t *testing.T) {
		a, b := s.Dial(t), s.Dial(t)
		joinPrivate(s, a, "private-x")
		joinPrivate(s, b, "private-x")
		const text = "é\u2028\u2029\U0001F600\U0010FFFF\ufffd\u007f"
		a.Send(whisper("private-x", `,"data":"`+text+`"`))
		b.ExpectRaw(whisper("private-x", `,"data":"`+text+`"`))
	})
}

func TestBinary(t *testing.T) {
	const text = "Binary frames are not supported, send JSON in text frames"
	for _, o := range []struct{ compat, want string }{
		{"reverb", `{"event":"pusher:error","data":"{\"code\":4200,\"message\":\"` + text + `\"}"}`},
		{"pusher", `{"event":"pusher:error","data":{"code":null,"message":"` + text + `"}}`},
	} {
		t.Run("one binary frame is an error, a second closes 1003, in profile "+o.compat, func(t *testing.T) {
			c := dialRaw(t, hubtest.NewServer(t, pusherhub.AppConfig{Compat: o.compat}), "")
			c.sendFrame(hubtest.Fin|opBinary, `{"event":"pusher:ping"}`)
			c.expectRaw(o.want)
			c.expectQuiet()
			c.sendFrame(hubtest.Fin|opBinary, "")
			c.expectClose(1003)
		})
	}
}

func TestCloseHandshake(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	for name, payload := range map[string]string{
		"no code": "", "1000": "\x03\xe8", "1001 with a reason": "\x03\xe9bye", "4999": "\x13\x87",
	} {
		t.Run("a client's close frame is answered: "+name, func(t *testing.T) {
			c := dialRaw(t, s, "")
			c.sendFrame(hubtest.Fin|opClose, payload)
			if opcode, answer := c.next(); opcode != opClose || len(payload) >= 2 && string(answer[:2]) != payload[:2] {
				t.Errorf("found opcode %d %q, expected the same close code", opcode, answer)
			}
			c.expectEnd()
		})
	}
}
