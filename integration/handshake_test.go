package integration

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A body behind an upgrade would be read as WebSocket frames, and arms a deadline of Caddy's that cuts the socket later.
func TestUpgradeWithABodyIsRefused(t *testing.T) {
	s := startServer(t, publicSite)
	for _, tc := range []struct{ name, announcement, body string }{
		{"length", "Content-Length: 5", "hello"},
		{"chunked", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := s.site().DialTCP(t)
			if err := c.SetDeadline(time.Now().Add(hubtest.Patience)); err != nil {
				t.Fatal(err)
			}
			c.Send(hubtest.HandshakeText("/app/"+appKey, tc.announcement))
			in := bufio.NewReader(c)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("reading the answer: %v", err)
			}
			said, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != http.StatusBadRequest || string(said) != "A WebSocket handshake has no body." {
				t.Errorf("found %s %q (%v), expected 400 and a sentence", res.Status, said, err)
			}
			c.Send(tc.body)
			if n, err := in.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
				t.Errorf("after the answer: found %d bytes, %v, expected the end of the connection", n, err)
			}
		})
	}
	s.site().Dial(t)
}

func TestUpgradeWithAnotherVersionGets426(t *testing.T) {
	s := startServer(t, publicSite)
	r, err := http.NewRequest(http.MethodGet, s.url()+"/app/"+appKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"8"},
	}
	if a := do(t, r); a.status != http.StatusUpgradeRequired || a.header.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("found %d, version %q, expected 426 and 13", a.status, a.header.Get("Sec-WebSocket-Version"))
	}
}
