package pusherhub_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Clients that begin a handshake and never end it cost a connection each, and nobody else anything.
func TestHalfOpenHandshakes(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	whole := hubtest.HandshakeText("/app/" + s.App.Key)
	for i := range 200 {
		s.DialTCP(t).Send(whole[:i*(len(whole)-1)/200])
	}
	c := s.Dial(t)
	c.Subscribe("news")
	s.Publish("news", "e", "x")
	c.Expect("e")
	c.Close()
}

// A client that sends one byte at a time is as good as any other.
func TestByteAtATime(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	r := s.DialTCP(t)
	slowly := func(bytes string) {
		for i := range len(bytes) {
			r.Send(bytes[i : i+1])
		}
	}
	slowly(hubtest.HandshakeText("/app/" + s.App.Key))
	r.ExpectUpgrade()
	r.Expect("pusher:connection_established")
	long := strings.Repeat("n", 150) // a frame with a longer header
	slowly(string(hubtest.ClientFrame(hubtest.Fin|hubtest.OpText, []byte(hubtest.SubscribeFrame(long, "", "")))))
	if f := r.Expect("pusher_internal:subscription_succeeded"); f.Channel != long {
		t.Fatalf("found %s", f.Raw)
	}
	slowly(string(hubtest.ClientFrame(hubtest.Fin|hubtest.OpPing, []byte("x"))))
	if f := r.NextFrame(); f.First != hubtest.Fin|hubtest.OpPong {
		t.Fatalf("found %v, expected a pong", f)
	}
	slowly(string(hubtest.ClientFrame(hubtest.Fin|hubtest.OpEnd, nil)))
	r.ExpectClose(1005)
	r.ExpectEnd()
}

// What is not quite a handshake is answered in HTTP and makes no socket.
func TestCrookedHandshakes(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	whole := hubtest.HandshakeText("/app/" + s.App.Key)
	for _, h := range []struct {
		name, text string
		status     int
	}{
		{"no key", strings.Replace(whole, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 1), http.StatusBadRequest},
		{"a key of the wrong length", strings.Replace(whole, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIA==", 1), http.StatusBadRequest},
		{"two keys", strings.Replace(whole, "\r\n\r\n", "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 1), http.StatusBadRequest},
		{"version 8", strings.Replace(whole, "Version: 13", "Version: 8", 1), http.StatusUpgradeRequired},
		{"a body", strings.Replace(whole, "\r\n\r\n", "\r\nContent-Length: 3\r\n\r\n{}\n", 1), http.StatusBadRequest},
		{"a body without length", strings.Replace(whole, "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1), http.StatusBadRequest},
		{"POST", strings.Replace(whole, "GET ", "POST ", 1), http.StatusNotFound},
		{"HTTP/1.0", strings.Replace(whole, "HTTP/1.1", "HTTP/1.0", 1), http.StatusUpgradeRequired},
		{"a path below the key", strings.Replace(whole, s.App.Key, s.App.Key+"/x", 1), http.StatusNotFound},
		{"a header without end", whole[:len(whole)-2] + "X: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(h.name, func(t *testing.T) {
			r := s.DialTCP(t)
			_ = r.TrySend([]byte(h.text)) // the server may stop reading
			if res := r.ReadResponse(); res.StatusCode != h.status {
				t.Errorf("found %s, expected %d", res.Status, h.status)
			}
		})
	}
}
