package pusherhub_test

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Who stops reading on a conflated channel gets the newest event soon after: not even the kernel hoards old ones.
func TestConflationReachesBelowTheSocket(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{
		SlowReaders: &pusherhub.SlowReaders{Policy: "conflate", Channels: []string{"drivers"}},
	})
	r := s.DialTCP(t)
	if err := r.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	r.Send(hubtest.HandshakeText("/app/" + s.App.Key + "?protocol=7"))
	r.ExpectUpgrade()
	r.Expect("pusher:connection_established")
	r.SendText(hubtest.SubscribeFrame("drivers", "", ""))
	r.Expect("pusher_internal:subscription_succeeded")
	const events, size = 3000, 1 << 10
	for i := range events {
		s.Publish("drivers", "moved", strconv.Itoa(i+1)+" "+strings.Repeat("x", size))
	}
	newest := strconv.Itoa(events) + " "
	for old := 0; !strings.Contains(r.Expect("moved").Raw, newest); old++ {
		if most := 64; old == most {
			t.Fatalf("%d older events of %d bytes came, and not yet the newest", old, size)
		}
	}
}
