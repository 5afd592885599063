package integration

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestSIGTERMClosesSocketsOverTheDrainTimeAndExits(t *testing.T) {
	const drain = 2 * time.Second
	s := startServer(t, strings.Replace(publicSite, "drain 100ms", "drain 2s", 1)+apiSite)

	const sockets = 60 // enough to be worth spreading
	ends := make(chan end, sockets)
	for range sockets {
		c := s.site().Dial(t)
		c.Subscribe("news")
		go func() { ends <- readToTheEnd(t, c) }()
	}
	began := time.Now()
	s.signal(syscall.SIGTERM)

	first := <-ends
	// while the others wait for their turn, PHP can still tell them things, and nobody new is let in
	s.api().Publish("news", "goodbye", "1")
	hubtest.Open(t, s.url(), appKey, "", nil).ExpectClose(pusherhub.CodeOverCapacity)

	told, all := 0, []end{first}
	for range sockets - 1 {
		e := <-ends
		all = append(all, e)
		if strings.Contains(e.heard, `"goodbye"`) {
			told++
		}
	}
	if code := s.wait(); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
	for _, e := range all {
		if e.code != pusherhub.CodeReconnect {
			t.Errorf("found close code %d, expected 4200", e.code)
		}
	}
	if told == 0 {
		t.Error("nobody heard what was published during the drain")
	}
	spread := all[sockets-1].at.Sub(began)
	if spread < drain/2 || time.Since(began) > drain+5*time.Second {
		t.Errorf("the last socket was closed after %v and Caddy ended after %v, expected them spread over %v", spread, time.Since(began), drain)
	}
}

// end is how a socket ended, and what came before.
type end struct {
	code  websocket.StatusCode // -1 without a close frame
	at    time.Time
	heard string
}

func readToTheEnd(t *testing.T, c *hubtest.Client) (e end) {
	for {
		_, text, err := c.WS.Read(t.Context())
		if err != nil {
			e.code, e.at = websocket.CloseStatus(err), time.Now()
			return e
		}
		e.heard += string(text)
	}
}

func TestServerRestartsAtOnceOnTheSamePort(t *testing.T) {
	s := startServer(t, publicSite)
	c := s.site().Dial(t)
	s.signal(syscall.SIGTERM)
	c.ExpectClose(pusherhub.CodeReconnect)
	if code := s.wait(); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
	again := newServer(t)
	again.port = s.port
	again.start(publicSite)
	again.site().Dial(t)
}
