package integration

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A phone in a tunnel reads nothing for minutes: the others must not notice, and Caddy must not keep
// everything for it.
func TestSubscriberThatNeverReadsDisturbsNobody(t *testing.T) {
	s := startServer(t, publicSite+apiSite)
	stuck := s.site().DialRaw(t, "/app/"+appKey)
	if err := stuck.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	stuck.Expect("pusher:connection_established")
	stuck.SendText(hubtest.SubscribeFrame("drivers", "", ""))
	stuck.Expect("pusher_internal:subscription_succeeded")

	reader := s.site().Dial(t)
	reader.Subscribe("drivers")
	hub := s.api()
	before := s.residentMemory()

	// more than what the hub lets wait (4 times max_queue) and what the kernel buffers
	filler := strings.Repeat("x", 16<<10)
	for n := range 1000 {
		hub.Publish("drivers", "moved", strconv.Itoa(n)+filler)
		if f := reader.Expect("moved"); f.Text() != strconv.Itoa(n)+filler {
			t.Fatalf("event %d: found %.80s", n, f.Raw)
		}
	}
	hubtest.Eventually(t, "the hub gives up on the subscriber", func() bool {
		hub.Publish("drivers", "moved", "still here")
		reader.Expect("moved")
		_, body, _ := hub.Do(http.MethodGet, "/connections", "", nil)
		return body == `{"connections":1}`
	})
	if grown := s.residentMemory() - before; grown > 64<<20 {
		t.Errorf("Caddy grew by %d MB", grown>>20)
	}
	hub.Publish("drivers", "moved", "last")
	reader.Expect("moved")
	reader.ExpectQuiet()
}
