package pusherhub_test

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// dialTCP sends the bytes of a handshake, and what is behind it, in one go and reads the head of the answer.
func dialTCP(t *testing.T, s *hubtest.Server, wire string) (*rawClient, *http.Response) {
	t.Helper()
	tcp := s.DialTCP(t)
	tcp.Send(wire)
	in := bufio.NewReader(tcp)
	res, err := http.ReadResponse(in, &http.Request{Method: http.MethodGet})
	if err != nil {
		t.Fatal(err)
	}
	_ = tcp.SetDeadline(time.Now().Add(hubtest.Patience))
	return &rawClient{Raw: hubtest.NewRaw(t, buffered{tcp, in}), t: t}, res
}

// buffered is a connection of which something was read ahead.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }

func TestHandshakeVersion(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	t.Run("a missing Sec-WebSocket-Version is taken as 13", func(t *testing.T) {
		c, res := dialTCP(t, s, strings.Replace(hubtest.HandshakeText("/app/"+s.App.Key), "Sec-WebSocket-Version: 13\r\n", "", 1))
		if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Fatalf("found %d %v, expected 101 and the right Sec-WebSocket-Accept", res.StatusCode, res.Header)
		}
		c.expectEstablished()
		c.expectQuiet()
	})
	for _, version := range []string{"8", "12", "14", "x", "13, 8"} {
		t.Run("version "+version+" is answered 426", func(t *testing.T) {
			_, res := dialTCP(t, s, strings.Replace(hubtest.HandshakeText("/app/"+s.App.Key), "Version: 13", "Version: "+version, 1))
			if res.StatusCode != http.StatusUpgradeRequired || res.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Errorf("found %d %v, expected 426 and Sec-WebSocket-Version: 13", res.StatusCode, res.Header)
			}
		})
	}
}

func TestEarlyBytes(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	t.Run("T12 ping before established", func(t *testing.T) {
		ping := hubtest.ClientFrame(hubtest.Fin|opText, []byte(`{"event":"pusher:ping","data":""}`)) // as Pysher
		c, _ := dialTCP(t, s, hubtest.HandshakeText("/app/"+s.App.Key)+string(ping))
		c.expectEstablished()
		c.expectRaw(`{"event":"pusher:pong","data":"{}"}`)
		c.expectQuiet()
	})
	t.Run("T12 several messages and a part of one behind the handshake", func(t *testing.T) {
		long := strings.Repeat("c", 200)
		early := string(hubtest.ClientFrame(hubtest.Fin|opPing, []byte("ws"))) + string(hubtest.ClientFrame(hubtest.Fin|opText, []byte(`{"event":"pusher:ping"}`))) +
			string(hubtest.ClientFrame(hubtest.Fin|opText, []byte(hubtest.SubscribeFrame(long, "", "")))) + string(hubtest.ClientFrame(opText, []byte(`{"event":`)))
		c, _ := dialTCP(t, s, hubtest.HandshakeText("/app/"+s.App.Key)+early)
		var texts, pongs []string
		for range 4 {
			opcode, payload := c.next()
			if opcode == opText {
				texts = append(texts, string(payload))
			} else {
				pongs = append(pongs, string(payload)) // control frames may overtake
			}
		}
		if len(pongs) != 1 || pongs[0] != "ws" {
			t.Errorf("found WebSocket pongs %q, expected one", pongs)
		}
		if !strings.Contains(texts[0], "pusher:connection_established") || !strings.Contains(texts[1], "pusher:pong") ||
			!strings.Contains(texts[2], `subscription_succeeded","channel":"`+long+`"`) {
			t.Errorf("found %q, expected connection_established, pong, subscription_succeeded", texts)
		}
		c.finishPing()
	})
}

// serveDirectly hands a request to the hub directly.
func serveDirectly(s *hubtest.Server, r *http.Request) (handled bool, res *http.Response) {
	w := httptest.NewRecorder()
	handled = s.Hub.Serve(w, r, pusherhub.Site{})
	return handled, w.Result()
}

func TestRequestsThatAreNoUpgrade(t *testing.T) {
	s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
	for _, o := range []struct {
		name, method, path string
		change             func(r *http.Request)
		status             int // 0: not handled
	}{
		{"plain GET on a known key", "GET", "/app/" + hubtest.Key, nil, http.StatusUpgradeRequired},
		{"HEAD on a known key", "HEAD", "/app/" + hubtest.Key, nil, http.StatusUpgradeRequired},
		{"plain GET on an unknown key", "GET", "/app/settings", nil, 0},
		{"POST on a known key", "POST", "/app/" + hubtest.Key, nil, 0},
		{"GET below a known key", "GET", "/app/" + hubtest.Key + "/x", nil, 0},
		{"GET without a key", "GET", "/app/", nil, 0},
		{"GET /app", "GET", "/app", nil, 0},
		{"GET /up", "GET", "/up", nil, 0},
		{"GET /", "GET", "/", nil, 0},
		{"upgrade elsewhere", "GET", "/ws", upgradeHeaders, 0},
		{"upgrade with a body", "GET", "/app/" + hubtest.Key, func(r *http.Request) { upgradeHeaders(r); r.ContentLength = 4 }, http.StatusBadRequest},
		{"upgrade with a chunked body", "GET", "/app/" + hubtest.Key, func(r *http.Request) { upgradeHeaders(r); r.ContentLength = -1 }, http.StatusBadRequest},
		{"extended CONNECT of HTTP/2", "CONNECT", "/app/" + hubtest.Key, func(r *http.Request) {
			r.Proto, r.ProtoMajor, r.Header[":protocol"] = "HTTP/2.0", 2, []string{"websocket"}
		}, http.StatusNotImplemented},
		{"extended CONNECT of HTTP/3", "CONNECT", "/app/" + hubtest.Key, func(r *http.Request) { r.Proto, r.ProtoMajor = "websocket", 3 }, http.StatusNotImplemented},
		{"CONNECT", "CONNECT", "/app/" + hubtest.Key, nil, 0},
	} {
		t.Run(o.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", o.path, nil)
			r.Method = o.method
			if o.change != nil {
				o.change(r)
			}
			handled, res := serveDirectly(s, r)
			if handled != (o.status != 0) || handled && res.StatusCode != o.status {
				t.Fatalf("found handled %t with status %d, expected status %d", handled, res.StatusCode, o.status)
			}
			if o.status == http.StatusUpgradeRequired && res.Header.Get("Upgrade") != "websocket" {
				t.Errorf("found header %v, expected Upgrade: websocket", res.Header)
			}
		})
	}
	if n := s.Hub.Stats().Connections; n != 0 {
		t.Errorf("found %d connections, expected none", n)
	}
}

// recorder is what servers wrap around a ResponseWriter; it must not see the hijack.
type recorder struct {
	http.ResponseWriter
	t *testing.T
}

func (r recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.t.Error("the connection was hijacked from the recorder")
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

func TestHijackBelowRecorders(t *testing.T) {
	s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
	returned := make(chan bool, 1)
	s.Client = &http.Client{Transport: hubtest.Pipe{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Hub.ServeHTTP(recorder{recorder{w, t}, t}, r)
		returned <- true
	})}}
	c := s.Dial(t)
	<-returned // the handler does not stay with the socket
	c.ExpectQuiet()
}

func TestReverbUp(t *testing.T) {
	s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
	for _, on := range []bool{true, false} {
		w := httptest.NewRecorder()
		handled := s.Hub.Serve(w, httptest.NewRequest("GET", "/up", nil), pusherhub.Site{ReverbUp: on})
		if handled != on || on && w.Body.String() != `{"health":"OK"}` {
			t.Errorf("reverb_up %t: found handled %t and %q", on, handled, w.Body)
		}
	}
}
