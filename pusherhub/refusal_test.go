package pusherhub_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// expectRefusal expects an error frame and a close frame with the same code and text, and then the end.
func (c *rawClient) expectRefusal(code int, text string) {
	c.t.Helper()
	c.expectRaw(fmt.Sprintf(`{"event":"pusher:error","data":{"code":%d,"message":%q}}`, code, text))
	if reason := c.expectClose(code); reason != text {
		c.t.Fatalf("found close reason %q, expected %q", reason, text)
	}
}

const (
	secureHeader = "X-Test-Secure" // a request with it came over TLS
	noSuchApp    = "Application does not exist"
)

// refusingServer is a server that is told by secureHeader what is secure.
func refusingServer(t *testing.T, app pusherhub.AppConfig, nodeLimit pusherhub.Limit) *hubtest.Server {
	t.Helper()
	s := hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{mustApp(t, app)}, MaxConnections: nodeLimit})
	site(s, pusherhub.Site{Secure: func(r *http.Request) bool { return r.Header.Get(secureHeader) != "" }})
	return s
}

func TestRefusals(t *testing.T) {
	strict := pusherhub.AppConfig{StrictProtocol: new(true)}
	for _, o := range []struct {
		name   string
		config pusherhub.AppConfig
		query  string
		header http.Header
		code   int
		text   string
	}{
		{"app disabled", pusherhub.AppConfig{Enabled: new(false)}, "protocol=7", nil, 4003, "Application disabled"},
		{"plain ws with tls_only", pusherhub.AppConfig{TLSOnly: new(true)}, "protocol=7", nil, 4000, "Application only accepts SSL connections, reconnect using wss://"},
		{"strict_protocol, none", strict, "client=js", nil, 4008, "No protocol version supplied"},
		{"strict_protocol, 3", strict, "protocol=3", nil, 4007, "Unsupported protocol version"},
		{"strict_protocol, 8", strict, "protocol=8", nil, 4007, "Unsupported protocol version"},
		{"strict_protocol, no number", strict, "protocol=seven", nil, 4007, "Unsupported protocol version"},
		{"strict_protocol, odd version", strict, "protocol=7&version=latest", nil, 4006, "Invalid version string format"},
	} {
		for _, compat := range []string{"reverb", "pusher"} {
			t.Run(o.name+" in profile "+compat, bubble(func(t *testing.T) {
				o.config.Compat = compat
				s := refusingServer(t, o.config, 0)
				c := openRaw(t, s, s.App.Key, o.query, o.header)
				c.expectRefusal(o.code, o.text)
				if st := s.Hub.Stats(); st.Connections != 0 || st.ConnectionsTotal != 0 || st.ConnectionsRefused != 1 {
					t.Errorf("found %+v, expected one refused connection and none else", st)
				}
			}))
		}
	}
	for _, query := range []string{"protocol=4", "protocol=5&version=2.4.4", "protocol=6&version=1.0", "protocol=7&client=js&version=8.6.0"} {
		t.Run("strict_protocol lets in "+query, func(t *testing.T) {
			openRaw(t, refusingServer(t, strict, 0), hubtest.Key, query, nil).expectEstablished()
		})
	}
	t.Run("tls_only lets in what came over TLS", func(t *testing.T) {
		s := refusingServer(t, pusherhub.AppConfig{TLSOnly: new(true)}, 0)
		openRaw(t, s, s.App.Key, "", http.Header{secureHeader: {"1"}}).expectEstablished()
	})
}

func TestUnknownKey(t *testing.T) {
	t.Run("T3 unknown key frame+close 4001 within 1 s, row 2", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		start := time.Now()
		c := openRaw(t, s, "no-such-key", "protocol=7", nil)
		c.expectRefusal(4001, noSuchApp)
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %s", took)
		}
		if st := s.Hub.Stats(); st.Connections != 0 || st.ConnectionsTotal != 0 || st.ConnectionsRefused != 1 {
			t.Errorf("found %+v, expected one refused connection and none else", st)
		}
	})
	t.Run("T3 a client that does not answer the close frame is cut off", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := openRaw(t, s, "no-such-key", "", nil)
		c.expect("pusher:error")
		if opcode, _ := c.next(); opcode != opClose {
			t.Fatalf("found opcode %d, expected a close frame", opcode)
		}
		start := time.Now()
		c.expectEnd()
		if took := time.Since(start); took < time.Second || took > 5*time.Second {
			t.Errorf("it took %s, expected 1 to 5 seconds", took)
		}
	}))
}

// Each refusal wins over those that come later in the order of protocol section 1.2.
func TestOrderOfChecks(t *testing.T) {
	wrong := pusherhub.AppConfig{
		Enabled: new(false), TLSOnly: new(true), AllowedOrigins: []string{"good.example"}, StrictProtocol: new(true), MaxConnections: 1,
	}
	good := http.Header{secureHeader: {"1"}, "Origin": {"https://good.example"}}
	t.Run("draining first", func(t *testing.T) {
		s := refusingServer(t, wrong, 1)
		if err := s.Hub.Drain(context.Background()); err != nil {
			t.Fatal(err)
		}
		const text = "Server restarting, please reconnect"
		openRaw(t, s, "no-such-key", "", nil).expectRefusal(4100, text)
		openRaw(t, s, s.App.Key, "", nil).expectRefusal(4100, text)
	})
	t.Run("then the app's switch", func(t *testing.T) {
		openRaw(t, refusingServer(t, wrong, 1), hubtest.Key, "", nil).expectRefusal(4003, "Application disabled")
	})
	wrong.Enabled = nil
	for _, o := range []struct {
		name, query string
		header      http.Header
		code        int
		text        string
	}{
		{"then TLS", "", nil, 4000, "Application only accepts SSL connections, reconnect using wss://"},
		{"then the origin", "", http.Header{secureHeader: {"1"}}, 4009, "Origin not allowed"},
		{"then the protocol", "", good, 4008, "No protocol version supplied"},
		{"then the app's limit", "protocol=7", good, 4004, "Application is over connection quota"},
	} {
		t.Run(o.name, func(t *testing.T) {
			s := refusingServer(t, wrong, 1)
			openRaw(t, s, s.App.Key, "protocol=7", good).expectEstablished()
			openRaw(t, s, s.App.Key, o.query, o.header).expectRefusal(o.code, o.text)
		})
	}
	t.Run("then the node's limit", func(t *testing.T) {
		wrong.MaxConnections = 2
		s := refusingServer(t, wrong, 1)
		openRaw(t, s, s.App.Key, "protocol=7", good).expectEstablished()
		openRaw(t, s, s.App.Key, "protocol=7", good).expectRefusal(4100, "Over capacity")
	})
}

func TestOrigins(t *testing.T) {
	for _, o := range []struct {
		name, origin string
		allowed      []string
		in           bool
	}{
		{"host match", "https://app.example.com", []string{"app.example.com"}, true},
		{"scheme and port do not count", "http://app.example.com:8080", []string{"app.example.com"}, true},
		{"another host", "https://evil.example", []string{"app.example.com"}, false},
		{"wildcard", "https://a.b.example.com", []string{"*.example.com"}, true},
		{"wildcard, whole host", "https://example.com.evil.example", []string{"*.example.com"}, false},
		{"missing", "", []string{"app.example.com"}, false},
		{"broken", "null", []string{"app.example.com"}, false},
		{"all, missing", "", []string{"*"}, true},
		{"all among others, broken", "::", []string{"a.example", "*"}, true},
		{"pattern with a scheme", "https://app.example.com", []string{"https://app.example.com"}, true},
		{"pattern with another scheme", "http://app.example.com", []string{"https://app.example.com"}, false},
	} {
		t.Run("T4 origin list: "+o.name+", row 3", func(t *testing.T) {
			s := refusingServer(t, pusherhub.AppConfig{AllowedOrigins: o.allowed}, 0)
			header := http.Header{}
			if o.origin != "" {
				header.Set("Origin", o.origin)
			}
			c := openRaw(t, s, s.App.Key, "protocol=7", header)
			if o.in {
				c.expectEstablished()
				c.expectQuiet()
				return
			}
			c.expectRefusal(4009, "Origin not allowed")
		})
	}
	t.Run("T4 option allow_missing_origin", func(t *testing.T) {
		s := refusingServer(t, pusherhub.AppConfig{AllowedOrigins: []string{"app.example.com"}, AllowMissingOrigin: new(true)}, 0)
		openRaw(t, s, s.App.Key, "", nil).expectEstablished()
		openRaw(t, s, s.App.Key, "", http.Header{"Origin": {"https://evil.example"}}).expectRefusal(4009, "Origin not allowed")
		openRaw(t, s, s.App.Key, "", http.Header{"Origin": {"null"}}).expectRefusal(4009, "Origin not allowed")
	})
}

func TestConnectionLimit(t *testing.T) {
	const full = "Application is over connection quota"
	t.Run("T5 limit 4004, slot freed after disconnect, rows 4 and 47", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{MaxConnections: 2})
		first := dialRaw(t, s, "") // idle ones count, too
		second := dialRaw(t, s, "")
		second.send(hubtest.SubscribeFrame("news", "", ""))
		for range 3 {
			openRaw(t, s, s.App.Key, "", nil).expectRefusal(4004, full)
		}
		_ = first.Close()
		later(time.Millisecond)
		third := dialRaw(t, s, "")
		third.expectQuiet()
		openRaw(t, s, s.App.Key, "", nil).expectRefusal(4004, full)
		third.sendFrame(hubtest.Fin|opClose, "\x03\xe8")
		if opcode, _ := third.next(); opcode != opClose {
			t.Fatal("the close frame was not answered")
		}
		third.expectEnd()
		later(time.Millisecond)
		dialRaw(t, s, "")
	}))
	t.Run("T5 observers hear nothing of who is refused", bubble(func(t *testing.T) {
		seen := hubtest.NewRecorder()
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{MaxConnections: 1, Plugins: []pusherhub.Plugin{seen}})
		first := dialRaw(t, s, "")
		openRaw(t, s, s.App.Key, "", nil).expectRefusal(4004, full)
		later(time.Minute / 2)
		seen.Expect(t, pusherhub.Observation{Type: pusherhub.Connected, App: s.App.ID, SocketID: first.socketID, ClientIP: "192.0.2.1"})
		if rest := seen.Rest(); len(rest) > 0 {
			t.Errorf("observed %+v, too", rest)
		}
	}))
	t.Run("T5 the limit of one app leaves another alone", func(t *testing.T) {
		s := hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{
			mustApp(t, pusherhub.AppConfig{MaxConnections: 1}), mustApp(t, pusherhub.AppConfig{ID: "other", Key: "other"}),
		}})
		s.Dial(t)
		openRaw(t, s, s.App.Key, "", nil).expectRefusal(4004, full)
		openRaw(t, s, "other", "", nil).expectEstablished()
	})
	t.Run("T5 a failed handshake takes no slot", func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{MaxConnections: 1})
		r, _ := http.NewRequest(http.MethodGet, s.URL+"/app/"+s.App.Key, nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}}
		res, err := s.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("found status %d without Sec-WebSocket-Key, expected 400", res.StatusCode)
		}
		s.Dial(t)
	})
}
