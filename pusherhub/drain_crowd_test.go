package pusherhub

import (
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Clients that are closed with 4200 come back at once, so only so many are; the rest is asked to wait a moment.
func TestDrainCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "0.1")
		crowd := []*conn{first}
		for i := range drainTail + 500 {
			c := &conn{hub: first.hub, state: first.state, id: fmt.Sprintf("%d.1", i+1), nc: first.nc}
			c.queue.nc, c.queue.writing = first.nc, true
			crowd = append(crowd, c)
		}
		for _, c := range crowd {
			first.state.conns.add(c)
		}
		from := time.Now()
		if err := first.hub.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(from); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("drained in %s, expected about 6s", took)
		}
		codes := make(map[int]int)
		for _, c := range crowd {
			codes[int(binary.BigEndian.Uint16(c.queue.last[2:]))]++
		}
		if codes[CodeReconnect] != drainTail || codes[CodeOverCapacity] != 501 {
			t.Errorf("found close codes %v, expected %d times 4200 and 501 times 4100", codes, drainTail)
		}
	})
}
