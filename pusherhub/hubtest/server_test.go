package hubtest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
)

func TestApply(t *testing.T) {
	s := NewPipeServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	c.Subscribe("news")
	s.Apply(pusherhub.AppConfig{AcceptClientEventsFrom: "none"})
	c.Send(EventFrame("client-x", "news", "y"))
	c.ExpectError(pusherhub.CodeClientEventRejected)
	s.Apply(pusherhub.AppConfig{ID: "other", Key: "other-key"})
	c.ExpectClose(pusherhub.CodeNoSuchApp)
}

// TestAtReloading publishes twice to a server that closes a kept connection just when it is used again, as one that reloads its
// config may: only an idempotent request would be sent again.
func TestAtReloading(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			if req, err := http.ReadRequest(r); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				_, _ = r.Peek(1) // until the next request, or the client's end
			}
			_ = conn.Close()
		}
	}()
	s := At(t, "http://"+l.Addr().String(), pusherhub.AppConfig{})
	s.Publish("news", "headline", "1")
	s.Publish("news", "headline", "2")
}
