package pusherhub_test

import (
	"bytes"
	"compress/flate"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// optionCase shows on the wire what one value of an option does.
type optionCase struct {
	option string // its JSON name
	value  string
	config pusherhub.AppConfig
	show   func(t *testing.T, s *hubtest.Server)
}

// apiOptions are those that show in answers of the HTTP API only, and have their tests there.
var apiOptions = []string{
	"id", "key", "secret", "max_request_size", "max_channels_per_event", "max_batch", "timestamp_tolerance", "refuse_replays", "idempotency_ttl", "coerce_data", "api_cors_origins",
}

// Every option that changes the wire does so with each of two values.
func TestOptions(t *testing.T) {
	values := make(map[string]map[string]bool)
	for _, o := range append(append([]optionCase(nil), connectionOptions...), channelOptions...) {
		if values[o.option] == nil {
			values[o.option] = make(map[string]bool)
		}
		values[o.option][o.value] = true
		t.Run("option "+o.option+" "+o.value, bubble(func(t *testing.T) {
			o.show(t, hubtest.NewPipeServer(t, o.config))
		}))
	}
	for _, name := range apiOptions {
		values[name] = map[string]bool{"in": true, "api": true}
	}
	for field := range reflect.TypeFor[pusherhub.AppConfig]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "-" && len(values[name]) < 2 {
			t.Errorf("option %s is tested with %d values, expected two", name, len(values[name]))
		}
		delete(values, name)
	}
	for name := range values {
		t.Errorf("there is no option %s", name)
	}
}

// comesIn shows that a client with this query and origin is let in.
func comesIn(query, origin string) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) { openFrom(t, s, query, origin).expectEstablished() }
}

// isRefused shows that a client with this query and origin is refused.
func isRefused(query, origin string, code int, text string) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) { openFrom(t, s, query, origin).expectRefusal(code, text) }
}

func openFrom(t *testing.T, s *hubtest.Server, query, origin string) *rawClient {
	t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	return openRaw(t, s, s.App.Key, query, header)
}

// greets shows the activity_timeout of connection_established.
func greets(timeout string) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		if f := openFrom(t, s, "", "").expect("pusher:connection_established"); !strings.HasSuffix(f.Text(), `"activity_timeout":`+timeout+`}`) {
			t.Errorf("found %s", f.Raw)
		}
	}
}

// answers shows what a socket is answered: each frame is sent, and each answer expected.
func answers(frame string, want ...string) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		c.Send(frame)
		for _, text := range want {
			c.ExpectRaw(text)
		}
		c.ExpectQuiet()
	}
}

// endsAfter shows that a socket that does nothing is closed with 4009 after d.
func endsAfter(d time.Duration) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		dialRaw(t, s, "").expectAuthorizationTimeout(d)
	}
}

// probesAfter shows that a socket that does nothing is sent these frames after about d.
func probesAfter(d time.Duration, frames ...string) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		c := dialRaw(t, s, "")
		start := time.Now()
		found := make(map[string]bool)
		for range frames {
			_, payload := c.next()
			found[string(payload)] = true
		}
		if took := time.Since(start); took < d*9/10 || took > d*11/10 {
			t.Errorf("probed after %s, expected %s", took, d)
		}
		for _, want := range frames {
			if !found[want] {
				t.Errorf("found %v, expected %q", found, want)
			}
		}
		c.expectSilence(time.Second)
	}
}

const exampleOrigin = "https://app.example.com"

var connectionOptions = []optionCase{
	{"enabled", "on", pusherhub.AppConfig{Enabled: new(true)}, comesIn("", "")},
	{"enabled", "off", pusherhub.AppConfig{Enabled: new(false)}, isRefused("", "", 4003, "Application disabled")},
	{"compat", "reverb", pusherhub.AppConfig{Compat: "reverb"}, greets("30")},
	{"compat", "pusher", pusherhub.AppConfig{Compat: "pusher"}, greets("120")},
	{"allowed_origins", "*", pusherhub.AppConfig{AllowedOrigins: []string{"*"}}, comesIn("", exampleOrigin)},
	{"allowed_origins", "app.example.com", pusherhub.AppConfig{AllowedOrigins: []string{"app.example.com"}}, comesIn("", exampleOrigin)},
	{"allowed_origins", "www.example.com", pusherhub.AppConfig{AllowedOrigins: []string{"www.example.com"}}, isRefused("", exampleOrigin, 4009, "Origin not allowed")},
	{"allow_missing_origin", "on", pusherhub.AppConfig{AllowedOrigins: []string{"a"}, AllowMissingOrigin: new(true)}, comesIn("", "")},
	{"allow_missing_origin", "off", pusherhub.AppConfig{AllowedOrigins: []string{"a"}, AllowMissingOrigin: new(false)}, isRefused("", "", 4009, "Origin not allowed")},
	{"tls_only", "on", pusherhub.AppConfig{TLSOnly: new(true)}, isRefused("", "", 4000, "Application only accepts SSL connections, reconnect using wss://")},
	{"tls_only", "off", pusherhub.AppConfig{TLSOnly: new(false)}, comesIn("", "")},
	{"strict_protocol", "on", pusherhub.AppConfig{StrictProtocol: new(true)}, isRefused("protocol=3", "", 4007, "Unsupported protocol version")},
	{"strict_protocol", "off", pusherhub.AppConfig{StrictProtocol: new(false)}, comesIn("protocol=3", "")},
	{"activity_timeout", "1s", pusherhub.AppConfig{ActivityTimeout: pusherhub.Duration(time.Second)}, greets("1")},
	{"activity_timeout", "1h", pusherhub.AppConfig{ActivityTimeout: pusherhub.Duration(time.Hour)}, greets("3600")},
	{"ping_interval", "10s", pusherhub.AppConfig{PingInterval: pusherhub.Duration(10 * time.Second)}, probesAfter(10*time.Second, "")},
	{"ping_interval", "10m", pusherhub.AppConfig{PingInterval: pusherhub.Duration(10 * time.Minute)}, probesAfter(10*time.Minute, "")},
	{"text_ping", "on", pusherhub.AppConfig{TextPing: new(true)}, probesAfter(time.Minute, "", `{"event":"pusher:ping","data":"{}"}`)},
	{"text_ping", "off", pusherhub.AppConfig{TextPing: new(false)}, probesAfter(time.Minute, "")},
	{"max_connections", "1", pusherhub.AppConfig{MaxConnections: 1}, func(t *testing.T, s *hubtest.Server) {
		s.Dial(t)
		openFrom(t, s, "", "").expectRefusal(4004, "Application is over connection quota")
	}},
	{"max_connections", "unlimited", pusherhub.AppConfig{MaxConnections: pusherhub.Unlimited}, func(t *testing.T, s *hubtest.Server) {
		for range 50 {
			s.Dial(t)
		}
	}},
	{"max_subscriptions", "2", pusherhub.AppConfig{MaxSubscriptions: 2}, showSubscriptions(2)},
	{"max_subscriptions", "20", pusherhub.AppConfig{MaxSubscriptions: 20}, showSubscriptions(20)},
	{"max_subscriptions", "10000", pusherhub.AppConfig{}, showSubscriptions(10000)},
	{"max_message_size", "100", pusherhub.AppConfig{MaxMessageSize: 100}, func(t *testing.T, s *hubtest.Server) {
		c := dialRaw(t, s, "")
		c.send(pingOf(101))
		c.expectClose(1009)
	}},
	{"max_message_size", "101", pusherhub.AppConfig{MaxMessageSize: 101}, answers(pingOf(101), `{"event":"pusher:pong","data":"{}"}`)},
	{"user_authentication", "on", pusherhub.AppConfig{UserAuthentication: new(true)}, endsAfter(30 * time.Second)},
	{"user_authentication", "off", pusherhub.AppConfig{UserAuthentication: new(false)}, probesAfter(time.Minute, "")},
	{"user_authentication_timeout", "5s", pusherhub.AppConfig{UserAuthentication: new(true), UserAuthenticationTimeout: pusherhub.Duration(5 * time.Second)}, endsAfter(5 * time.Second)},
	{"user_authentication_timeout", "40s", pusherhub.AppConfig{UserAuthentication: new(true), UserAuthenticationTimeout: pusherhub.Duration(40 * time.Second)}, endsAfter(40 * time.Second)},
	{"rate_limiting", "1 message", pusherhub.AppConfig{RateLimiting: &pusherhub.RateLimiting{MaxAttempts: 1}}, func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		c.Subscribe("news")
		c.Send(hubtest.SubscribeFrame("more", "", ""))
		c.ExpectRaw(rateLimited)
	}},
	{"rate_limiting", "off", pusherhub.AppConfig{}, func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		for range 100 {
			c.Subscribe("news")
		}
	}},
	{"error_data", "object", pusherhub.AppConfig{ErrorData: "object"}, answers("x", `{"event":"pusher:error","data":{"code":4200,"message":"Invalid message format"}}`)},
	{"error_data", "string", pusherhub.AppConfig{ErrorData: "string"}, answers("x", `{"event":"pusher:error","data":"{\"code\":4200,\"message\":\"Invalid message format\"}"}`)},
	{"max_queue", "1 KB", pusherhub.AppConfig{MaxQueue: 1 << 10}, func(t *testing.T, s *hubtest.Server) { showQueue(t, s, 1) }},
	{"max_queue", "10 KB", pusherhub.AppConfig{MaxQueue: 10 << 10}, func(t *testing.T, s *hubtest.Server) { showQueue(t, s, 0) }},
	{"compression", "on", pusherhub.AppConfig{Compression: new(true)}, showCompressed(600, true)},
	{"compression", "off", pusherhub.AppConfig{Compression: new(false)}, showCompressed(600, false)},
	{"compression_threshold", "512", pusherhub.AppConfig{}, showCompressed(400, false)},
	{"compression_threshold", "300", pusherhub.AppConfig{CompressionThreshold: 300}, showCompressed(400, true)},
	{"slow_readers", "close", pusherhub.AppConfig{SlowReaders: &pusherhub.SlowReaders{Policy: "close"}}, showBacklog("1", "2", "3")},
	{"slow_readers", "conflate", pusherhub.AppConfig{SlowReaders: &pusherhub.SlowReaders{Policy: "conflate", Channels: []string{"drivers-*"}}}, showBacklog("1", "3")},
}

// showSubscriptions shows that a socket has room for that many subscriptions: one more is refused, and one that is there
// already or that takes the place of another is not.
func showSubscriptions(room int) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		for i := range room {
			c.Subscribe("news-" + strconv.Itoa(i))
		}
		for range 2 {
			c.Send(hubtest.SubscribeFrame("more", "", ""))
			text := "The connection has the maximum of " + strconv.Itoa(room) + " subscriptions."
			c.ExpectRaw(`{"event":"pusher:subscription_error","channel":"more","data":{"type":"LimitReached","error":"` + text + `","status":403}}`)
			if f := c.Expect("pusher:error"); !strings.Contains(f.Raw, text) {
				t.Errorf("found %s", f.Raw)
			}
			c.Subscribe("news-0")
		}
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news-0"}}`)
		c.Subscribe("more")
		c.ExpectQuiet()
	}
}

// showCompressed shows whether an event of that many bytes reaches a client compressed that offers permessage-deflate.
func showCompressed(size int, compressed bool) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		c := openRaw(t, s, s.App.Key, "", http.Header{"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"}})
		c.expectEstablished()
		c.send(hubtest.SubscribeFrame("news", "", ""))
		c.expect("pusher_internal:subscription_succeeded")
		text := `{"event":"e","channel":"news","data":"` + strings.Repeat("x", size-40) + `"}`
		s.Publish("news", "e", strings.Repeat("x", size-40))
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		const compressedBit = 0x40
		payload := f.Payload
		if f.First&compressedBit != 0 {
			payload, _ = io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
		}
		if string(payload) != text || (f.First&compressedBit != 0) != compressed {
			t.Errorf("found %v, expected compressed: %v", f, compressed)
		}
	}
}

// showBacklog publishes three positions to a subscriber that does not read and shows which of them it finds when it reads again. The
// first was being written already.
func showBacklog(positions ...string) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		c := dialRaw(t, s, "")
		c.send(hubtest.SubscribeFrame("drivers-7", "", ""))
		c.expect("pusher_internal:subscription_succeeded")
		for _, position := range []string{"1", "2", "3"} {
			s.Publish("drivers-7", "moved", position)
			later(time.Second)
		}
		if n, want := s.Hub.Stats().EventsConflated, uint64(3-len(positions)); n != want {
			t.Errorf("found %d events conflated, expected %d", n, want)
		}
		for _, position := range positions {
			c.expectRaw(`{"event":"moved","channel":"drivers-7","data":"` + position + `"}`)
		}
		c.expectQuiet()
	}
}

// showQueue publishes 6 KB to a socket that does not read and counts the slow readers.
func showQueue(t *testing.T, s *hubtest.Server, closed uint64) {
	c := dialRaw(t, s, "")
	c.send(hubtest.SubscribeFrame("news", "", ""))
	c.expect("pusher_internal:subscription_succeeded")
	for range 6 {
		s.Publish("news", "e", strings.Repeat("x", 1<<10))
		later(time.Second / 10)
	}
	if n := s.Hub.Stats().SlowReadersClosed; n != closed {
		t.Errorf("found %d slow readers closed, expected %d", n, closed)
	}
}
