package pusherhub_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const probeTimeout = 30 * time.Second

// expectProbe expects the server's ping after silence of interval, a tenth more or less.
func (c *rawClient) expectProbe(interval time.Duration) {
	c.t.Helper()
	start := time.Now()
	c.expectControl(opPing, "")
	if silence := time.Since(start); silence < interval*9/10 || silence > interval*11/10 {
		c.t.Fatalf("probed after %s of silence, expected %s, a tenth more or less", silence, interval)
	}
}

// expectPongTimeout expects the end of a socket that did not answer the probe that has just come.
func (c *rawClient) expectPongTimeout(errorFrame bool) {
	c.t.Helper()
	start := time.Now()
	const reason = "Pong reply not received in time"
	if errorFrame {
		c.expectRaw(`{"event":"pusher:error","data":{"code":4201,"message":"` + reason + `"}}`)
	}
	opcode, payload := c.next()
	if opcode != opClose || string(payload) != "\x10\x69"+reason {
		c.t.Fatalf("found opcode %d %q, expected close 4201 %s", opcode, payload, reason)
	}
	if waited := time.Since(start); waited != probeTimeout {
		c.t.Fatalf("closed %s after the probe, expected %s", waited, probeTimeout)
	}
	start = time.Now()
	c.expectEnd()
	if waited := time.Since(start); waited > 5*time.Second {
		c.t.Fatalf("the TCP connection ended %s after the close frame, expected 5s at most", waited)
	}
}

func TestPusherPing(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	for _, data := range []string{`,"data":{}`, `,"data":""`, `,"data":null`, ``, `,"data":"{}"`} {
		t.Run("T10 pusher:ping with "+data+", row 7", func(t *testing.T) {
			c := s.Dial(t)
			c.Send(`{"event":"pusher:ping"` + data + `}`)
			c.ExpectRaw(`{"event":"pusher:pong","data":"{}"}`)
		})
	}
	t.Run("pusher:pong from a client is not answered", func(t *testing.T) {
		c := s.Dial(t)
		c.Send(`{"event":"pusher:pong","data":{}}`)
		c.Send(`{"event":"pusher:pong"}`)
		c.ExpectQuiet()
	})
}

func TestWebSocketPing(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	for name, payload := range map[string]string{"no payload": "", "text": "1700000000", "bytes": "\x00\xff\x80", "125 bytes": strings.Repeat("p", 125)} {
		t.Run("T11 WebSocket ping is answered with the same payload: "+name, func(t *testing.T) {
			c := dialRaw(t, s, "")
			c.sendFrame(hubtest.Fin|opPing, payload)
			c.expectControl(opPong, payload)
			c.expectQuiet()
		})
	}
	t.Run("T11 .NET: many WebSocket pings per second", func(t *testing.T) {
		c := dialRaw(t, s, "protocol=5&client=pusher-dotnet-client")
		for i := range 200 {
			c.sendFrame(hubtest.Fin|opPing, string([]byte{byte(i)}))
			c.expectControl(opPong, string([]byte{byte(i)}))
		}
		c.expectQuiet()
	})
}

func TestSilentClient(t *testing.T) {
	t.Run("T13 silent client probed and closed 4201", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := dialRaw(t, s, "protocol=7")
		c.send(hubtest.SubscribeFrame("news", "", ""))
		c.expect("pusher_internal:subscription_succeeded")
		c.expectProbe(time.Minute)
		c.expectPongTimeout(true)
		if n := s.Hub.Stats().PongTimeouts; n != 1 {
			t.Errorf("found %d pong timeouts counted, expected 1", n)
		}
	}))
	t.Run("T14 client without a subscription likewise, row 46", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := dialRaw(t, s, "protocol=7")
		c.expectProbe(time.Minute)
		c.expectPongTimeout(true)
	}))
	for _, profile := range []struct {
		compat, query string
		errorFrame    bool
	}{
		{"reverb", "protocol=7", true},
		{"reverb", "protocol=5", true},
		{"pusher", "protocol=7", false},
		{"pusher", "protocol=6", false},
		{"pusher", "protocol=5", true},
		{"pusher", "", false},
	} {
		t.Run("error frame before close 4201 in profile "+profile.compat+" "+profile.query, bubble(func(t *testing.T) {
			c := dialRaw(t, hubtest.NewPipeServer(t, pusherhub.AppConfig{Compat: profile.compat}), profile.query)
			c.expectProbe(time.Minute)
			c.expectPongTimeout(profile.errorFrame)
		}))
	}
	t.Run("a socket that ends the TCP connection without a close frame is gone at once", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := dialRaw(t, s, "")
		_ = c.Close()
		later(time.Millisecond)
		if n := s.Hub.Stats().Connections; n != 0 {
			t.Errorf("found %d connections, expected none", n)
		}
	}))
}

func TestSignsOfLife(t *testing.T) {
	for name, sign := range map[string]func(c *rawClient){
		"WebSocket pongs":      func(c *rawClient) { c.sendFrame(hubtest.Fin|opPong, "") },
		"unasked pongs":        func(c *rawClient) { c.sendFrame(hubtest.Fin|opPong, "x") },
		"WebSocket pings":      func(c *rawClient) { c.sendFrame(hubtest.Fin|opPing, ""); c.expectControl(opPong, "") },
		"pusher:ping":          func(c *rawClient) { c.send(`{"event":"pusher:ping"}`); c.expect("pusher:pong") },
		"pusher:pong":          func(c *rawClient) { c.send(`{"event":"pusher:pong"}`) },
		"any text":             func(c *rawClient) { c.send(`{"event":"nonsense"}`) },
		"a part of a message":  func(c *rawClient) { c.sendFrame(opText, `{"event":`); c.finishPing() },
		"a single byte of one": func(c *rawClient) { c.sendBytewise(`{"event":"pusher:pong"}`, time.Second) },
	} {
		t.Run("T13 client that sends only "+name+" survives", bubble(func(t *testing.T) {
			s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
			c := dialRaw(t, s, "")
			for range 5 {
				c.expectProbe(time.Minute)
				c.expectSilence(probeTimeout - time.Second)
				sign(c)
			}
			c.expectQuiet()
		}))
	}
	t.Run("T13 client that speaks more often than the interval is never probed", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := dialRaw(t, s, "")
		for range 20 {
			c.expectSilence(50 * time.Second)
			c.expectQuiet()
		}
	}))
}

func (c *rawClient) finishPing() {
	c.t.Helper()
	c.sendFrame(hubtest.Fin|opContinuation, `"pusher:ping"}`)
	c.expect("pusher:pong")
}

// sendBytewise sends a text message byte by byte.
func (c *rawClient) sendBytewise(text string, pause time.Duration) {
	c.t.Helper()
	for _, b := range hubtest.ClientFrame(hubtest.Fin|opText, []byte(text)) {
		c.sendBytes([]byte{b})
		later(pause / 100)
	}
}

func TestPingInterval(t *testing.T) {
	t.Run("option ping_interval", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{PingInterval: pusherhub.Duration(10 * time.Second)})
		c := dialRaw(t, s, "protocol=7")
		c.expectProbe(10 * time.Second)
		c.expectPongTimeout(true)
	}))
	t.Run("probes of sockets that came at once are spread", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		moments := make(map[time.Duration]bool)
		for range 20 {
			c := dialRaw(t, s, "")
			start := time.Now()
			c.expectControl(opPing, "")
			moments[time.Since(start)] = true
			_ = c.Close()
		}
		if len(moments) < 5 {
			t.Errorf("found %d different intervals on 20 sockets, expected many", len(moments))
		}
	}))
	t.Run("option text_ping off: the probe is a WebSocket ping alone, row 6", bubble(func(t *testing.T) {
		c := dialRaw(t, hubtest.NewPipeServer(t, pusherhub.AppConfig{}), "")
		c.expectProbe(time.Minute)
		c.expectSilence(probeTimeout - time.Nanosecond)
	}))
	t.Run("option text_ping on: both", bubble(func(t *testing.T) {
		c := dialRaw(t, hubtest.NewPipeServer(t, pusherhub.AppConfig{TextPing: new(true)}), "protocol=7")
		var ws, text int
		for range 2 {
			switch opcode, payload := c.next(); {
			case opcode == opPing:
				ws++
			case string(payload) == `{"event":"pusher:ping","data":"{}"}`:
				text++
			}
		}
		if ws != 1 || text != 1 {
			t.Fatalf("found %d WebSocket pings and %d pusher:ping, expected one each", ws, text)
		}
		c.expectPongTimeout(true)
	}))
}

// expectAuthorizationTimeout expects to be closed for want of authorization after exactly d.
func (c *rawClient) expectAuthorizationTimeout(d time.Duration) {
	c.t.Helper()
	start := time.Now()
	c.expectRefusal(4009, "Connection not authorized within timeout")
	if took := time.Since(start); took != d {
		c.t.Errorf("closed after %s, expected %s", took, d)
	}
}

func TestUserAuthenticationTimeout(t *testing.T) {
	config := pusherhub.AppConfig{
		UserAuthentication:        new(true),
		UserAuthenticationTimeout: pusherhub.Duration(20 * time.Second),
	}
	t.Run("a socket that authorizes itself in no way is closed 4009", bubble(func(t *testing.T) {
		c := dialRaw(t, hubtest.NewPipeServer(t, config), "")
		c.send(hubtest.SubscribeFrame("news", "", ""))
		c.expect("pusher_internal:subscription_succeeded")
		c.send(hubtest.SubscribeFrame("private-x", "wrong", ""))
		c.expect("pusher:subscription_error")
		c.expect("pusher:error")
		c.expectAuthorizationTimeout(20 * time.Second)
	}))
	t.Run("its default is 30s", bubble(func(t *testing.T) {
		c := dialRaw(t, hubtest.NewPipeServer(t, pusherhub.AppConfig{UserAuthentication: new(true)}), "")
		c.expectAuthorizationTimeout(30 * time.Second)
	}))
	t.Run("off, nothing happens", bubble(func(t *testing.T) {
		c := dialRaw(t, hubtest.NewPipeServer(t, pusherhub.AppConfig{UserAuthenticationTimeout: config.UserAuthenticationTimeout}), "")
		c.expectProbe(time.Minute)
	}))
	for name, authorize := range map[string]func(s *hubtest.Server, c *rawClient) string{
		"a private channel": func(s *hubtest.Server, c *rawClient) string {
			return hubtest.SubscribeFrame("private-x", s.App.Key+":"+hubtest.Sign(s.App.Secret, c.socketID+":private-x"), "")
		},
		"a presence channel": func(s *hubtest.Server, c *rawClient) string {
			return hubtest.SubscribeFrame("presence-x", s.App.Key+":"+hubtest.Sign(s.App.Secret, c.socketID+`:presence-x:{"user_id":"1"}`), `{"user_id":"1"}`)
		},
		"a sign-in": func(s *hubtest.Server, c *rawClient) string {
			data, _ := json.Marshal(map[string]string{
				"auth":      s.App.Key + ":" + hubtest.Sign(s.App.Secret, c.socketID+`::user::{"id":"1"}`),
				"user_data": `{"id":"1"}`,
			})
			return `{"event":"pusher:signin","data":` + string(data) + `}`
		},
	} {
		t.Run(name+" is authorization", bubble(func(t *testing.T) {
			s := hubtest.NewPipeServer(t, config)
			c := dialRaw(t, s, "")
			later(20*time.Second - time.Nanosecond)
			c.send(authorize(s, c))
			c.next()
			c.expectProbe(time.Minute)
		}))
	}
}
