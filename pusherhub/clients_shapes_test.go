package pusherhub_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// nativeClient is a client library that cannot run here: what it sends, as recorded, and what its parser insists on.
type nativeClient struct {
	name      string
	query     string
	header    string
	early     string // sent right behind the handshake, before it is answered
	ping      string // empty: it pings with WebSocket pings only
	subscribe string // with CHANNEL, AUTH and DATA to be filled in; AUTH and DATA with their commas are left out if empty
	whisper   string // a client event on CHANNEL
	heard     string // its data, as others get it
	needs     func(*testing.T, shape)
}

// shape is a frame as parsers look at it.
type shape struct {
	Event   string
	Channel *string
	Data    json.RawMessage
	UserID  json.RawMessage `json:"user_id"`
	raw     []byte
}

var nativeClients = []nativeClient{
	{
		name: "Java", query: "protocol=5&client=java-client&version=2.4.4",
		ping:      `{"event": "pusher:ping"}`,
		subscribe: `{"event":"pusher:subscribe","data":{"channel":"CHANNEL","auth":"AUTH","channel_data":"DATA"}}`,
		whisper:   `{"event":"client-typing","channel":"CHANNEL","data":"{\"at\":1}"}`, heard: `"{\"at\":1}"`,
		needs: func(t *testing.T, f shape) {
			if f.Data == nil {
				t.Errorf("Java throws on a frame without data: %s", f.raw)
			}
			wantNumericCode(t, f)
			wantTextID(t, f)
		},
	},
	{
		name: "Swift", query: "protocol=7&client=pusher-websocket-swift&version=10.1.5",
		header:    "Sec-WebSocket-Protocol: pusher-channels-protocol-7",
		subscribe: `{"data":{"channel":"CHANNEL","auth":"AUTH","channel_data":"DATA"},"event":"pusher:subscribe"}`,
		whisper:   `{"channel":"CHANNEL","data":{"at":1},"event":"client-typing"}`, heard: `"{\"at\":1}"`,
		needs: func(t *testing.T, f shape) {
			if !strings.HasSuffix(f.Event, "error") && !isText(f.Data) {
				t.Errorf("Swift drops a frame whose data is no string: %s", f.raw)
			}
			wantTextID(t, f)
		},
	},
	{
		name: ".NET", query: "protocol=5&client=pusher-dotnet-client&version=2.1.0",
		subscribe: `{"event":"pusher:subscribe","data":{"channel":"CHANNEL","auth":"AUTH","channel_data":"DATA"}}`,
		whisper:   `{"event":"client-typing","channel":"CHANNEL","data":[1,"two"]}`, heard: `"[1,\"two\"]"`,
		needs: func(t *testing.T, f shape) {
			if f.Event == "" || f.Data == nil {
				t.Errorf(".NET emits nothing for a frame without event or data: %s", f.raw)
			}
			wantNumericCode(t, f)
		},
	},
	{
		name: "Dart", query: "protocol=7&client=dart&version=1.2.3",
		ping:      `{"event":"pusher:ping","data":{}}`,
		subscribe: `{"event":"pusher:subscribe","data":{"channel":"CHANNEL","auth":"AUTH","channel_data":"DATA"}}`,
		whisper:   `{"event":"client-typing","data":7,"channel":"CHANNEL"}`, heard: `"7"`,
		needs: func(t *testing.T, f shape) {
			if f.Event == "pusher_internal:subscription_succeeded" && strings.HasPrefix(*f.Channel, "presence-") {
				var data struct {
					Presence struct{ Hash map[string]json.RawMessage }
				}
				if json.Unmarshal([]byte(textOf(f.Data)), &data) != nil || data.Presence.Hash == nil {
					t.Errorf("Dart needs an object hash: %s", f.raw)
				}
			}
		},
	},
	{
		name: "Pysher", query: "client=Pysher&version=1.0.8&protocol=6",
		early:     `{"event":"pusher:ping","data":""}`,
		ping:      `{"event":"pusher:ping","data":""}`,
		subscribe: `{"event": "pusher:subscribe", "data": {"channel": "CHANNEL", "auth": "AUTH", "channel_data": "DATA"}}`,
		whisper:   `{"event": "client-typing", "channel": "CHANNEL", "data": null}`, heard: `null`,
		needs: func(t *testing.T, f shape) {
			if f.Event == "pusher:error" && !isText(f.Data) {
				t.Errorf("Pysher leaves on an error with an object although the socket stays open: %s", f.raw)
			}
			if strings.HasPrefix(f.Event, "pusher_internal:") && !isText(f.Data) {
				t.Errorf("Pysher decodes data as JSON text: %s", f.raw)
			}
		},
	},
}

// TestNativeClientShapes lets each client connect, ping, subscribe, whisper and be refused in its own way.
func TestNativeClientShapes(t *testing.T) {
	for _, n := range nativeClients {
		t.Run(n.name, func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{RateLimiting: &pusherhub.RateLimiting{MaxAttempts: 20}})
			c := n.connect(t, s)
			n.pingOften(t, c)
			n.subscribeAll(t, s, c)
			n.meetOthers(t, s, c)
			n.survivesRefusal(t, s, c)
		})
		t.Run(n.name+" with an unknown key", func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{})
			r := s.DialRaw(t, "/app/unknown?"+n.query, n.headers()...)
			f := parseShape(t, r.NextFrame())
			wantNumericCode(t, f)
			if isText(f.Data) {
				t.Errorf("a fatal error must carry an object: %s", f.raw)
			}
			r.ExpectClose(4001) // what Java and Swift act on
			r.ExpectEnd()
		})
	}
}

// nativeConn is a connected client.
type nativeConn struct {
	*hubtest.Raw
	auth *hubtest.Client // holds the socket id, for signing
}

func (n nativeClient) headers() []string {
	if n.header == "" {
		return nil
	}
	return []string{n.header}
}

func (n nativeClient) connect(t *testing.T, s *hubtest.Server) *nativeConn {
	t.Helper()
	r := s.DialTCP(t)
	handshake := hubtest.HandshakeText("/app/"+s.App.Key+"?"+n.query, n.headers()...)
	if n.early != "" {
		handshake += string(hubtest.ClientFrame(hubtest.Fin|hubtest.OpText, []byte(n.early)))
	}
	r.Send(handshake)
	r.ExpectUpgrade()
	_, offered, _ := strings.Cut(n.header, ": ")
	if got := r.Header.Values("Sec-WebSocket-Protocol"); strings.Join(got, ",") != offered {
		t.Errorf("found sub-protocol %q, expected %q", got, offered)
	}
	c := &nativeConn{Raw: r, auth: &hubtest.Client{}}
	f := n.next(t, c, "pusher:connection_established")
	var data struct {
		SocketID        string `json:"socket_id"`
		ActivityTimeout int    `json:"activity_timeout"`
	}
	if err := json.Unmarshal([]byte(textOf(f.Data)), &data); err != nil || data.SocketID == "" || data.ActivityTimeout == 0 {
		t.Fatalf("found %s, expected a socket_id and a number of seconds: %v", f.raw, err)
	}
	c.auth.SocketID = data.SocketID
	if n.early != "" {
		n.next(t, c, "pusher:pong")
	}
	return c
}

// pingOften pings more often than the rate limit would let messages through.
func (n nativeClient) pingOften(t *testing.T, c *nativeConn) {
	t.Helper()
	for range 50 {
		if n.ping != "" {
			c.SendText(n.ping)
			n.next(t, c, "pusher:pong")
			continue
		}
		c.SendFrame(hubtest.Fin|hubtest.OpPing, "are you there?")
		if f := c.NextFrame(); f.First != hubtest.Fin|hubtest.OpPong || string(f.Payload) != "are you there?" {
			t.Fatalf("found %v, expected a pong with the same payload", f)
		}
	}
}

const nativeMember = `{"user_id":10,"user_info":{"name":"Ann"}}`

func (n nativeClient) subscribeAll(t *testing.T, s *hubtest.Server, c *nativeConn) {
	t.Helper()
	for _, channel := range []string{"news", "private-orders", "presence-room"} {
		auth, member := "", ""
		if channel != "news" {
			if channel == "presence-room" {
				member = nativeMember
			}
			auth = s.Auth(c.auth, channel, member)
		}
		c.SendText(n.subscribeText(channel, auth, member))
		f := n.next(t, c, "pusher_internal:subscription_succeeded")
		expected := "{}"
		if member != "" {
			expected = `{"presence":{"count":1,"ids":["10"],"hash":{"10":{"name":"Ann"}}}}`
		}
		if *f.Channel != channel || textOf(f.Data) != expected {
			t.Fatalf("found %s, expected data %s", f.raw, expected)
		}
	}
}

func (n nativeClient) subscribeText(channel, auth, member string) string {
	quoted, _ := json.Marshal(member)
	text := strings.NewReplacer("CHANNEL", channel, `"DATA"`, string(quoted), "AUTH", auth).Replace(n.subscribe)
	for _, empty := range []string{`,"auth":""`, `, "auth": ""`, `,"channel_data":""`, `, "channel_data": ""`} {
		text = strings.ReplaceAll(text, empty, "")
	}
	return text
}

// meetOthers exchanges events with a second member and gets one from the API.
func (n nativeClient) meetOthers(t *testing.T, s *hubtest.Server, c *nativeConn) {
	t.Helper()
	other := s.Join(t, "presence-room", `{"user_id":"11"}`)
	if f := n.next(t, c, "pusher_internal:member_added"); textOf(f.Data) != `{"user_id":"11","user_info":{}}` {
		t.Fatalf("found %s", f.raw)
	}
	c.SendText(strings.ReplaceAll(n.whisper, "CHANNEL", "presence-room"))
	other.ExpectRaw(`{"event":"client-typing","channel":"presence-room","data":` + n.heard + `,"user_id":"10"}`)
	other.Send(`{"event":"client-back","channel":"presence-room","data":{"n":[true]}}`)
	if f := n.next(t, c, "client-back"); textOf(f.Data) != `{"n":[true]}` || textOf(f.UserID) != "11" {
		t.Fatalf("found %s", f.raw)
	}
	s.Publish("news", "App\\Events\\Moved", `not JSON "at all"`)
	if f := n.next(t, c, "App\\Events\\Moved"); textOf(f.Data) != `not JSON "at all"` {
		t.Fatalf("found %s", f.raw)
	}
	other.Close()
	if f := n.next(t, c, "pusher_internal:member_removed"); textOf(f.Data) != `{"user_id":"11"}` {
		t.Fatalf("found %s", f.raw)
	}
}

// survivesRefusal subscribes with a bad signature and goes on.
func (n nativeClient) survivesRefusal(t *testing.T, s *hubtest.Server, c *nativeConn) {
	t.Helper()
	c.SendText(n.subscribeText("private-secret", s.App.Key+":00", ""))
	n.next(t, c, "pusher:subscription_error")
	n.next(t, c, "pusher:error")
	s.Publish("private-orders", "still", "here")
	n.next(t, c, "still")
	c.SendFrame(hubtest.Fin|hubtest.OpEnd, string(hubtest.ClosePayload(1000, "")))
	c.ExpectClose(1000)
	c.ExpectEnd()
}

// next reads a frame, which must be that event and have the shape that the client needs.
func (n nativeClient) next(t *testing.T, c *nativeConn, event string) shape {
	t.Helper()
	f := parseShape(t, c.NextFrame())
	if f.Event != event {
		t.Fatalf("found %s, expected %s", f.raw, event)
	}
	n.needs(t, f)
	return f
}

func parseShape(t *testing.T, frame hubtest.RawFrame) (f shape) {
	t.Helper()
	if frame.First != hubtest.Fin|hubtest.OpText || json.Unmarshal(frame.Payload, &f) != nil {
		t.Fatalf("found %v, expected a text frame with JSON", frame)
	}
	f.raw = frame.Payload
	return f
}

func isText(raw json.RawMessage) bool { return bytes.HasPrefix(raw, []byte(`"`)) }

func textOf(raw json.RawMessage) (text string) {
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// wantNumericCode checks that an error's code is a number or null.
func wantNumericCode(t *testing.T, f shape) {
	t.Helper()
	if f.Event != "pusher:error" {
		return
	}
	data := []byte(f.Data)
	if isText(f.Data) {
		data = []byte(textOf(f.Data))
	}
	var e struct {
		Code    *int
		Message *string
	}
	if err := json.Unmarshal(data, &e); err != nil || e.Message == nil {
		t.Errorf("found %s, expected a message and a numeric code: %v", f.raw, err)
	}
}

// wantTextID checks that a client event names its sender in a string.
func wantTextID(t *testing.T, f shape) {
	t.Helper()
	if f.UserID != nil && !isText(f.UserID) {
		t.Errorf("found %s, expected user_id to be a string", f.raw)
	}
}
