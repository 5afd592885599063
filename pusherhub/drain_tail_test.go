package pusherhub

import (
	"encoding/binary"
	"net"
	"strconv"
	"testing"
	"testing/synctest"
)

// A crowd above 10,000 sockets is not asked to come back at once.
func TestDrainTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "0.0") // brings a hub with it
		crowd := make([]*conn, drainTail+5)
		for i := range crowd {
			nc, _ := net.Pipe()
			c := &conn{hub: seed.hub, state: seed.state, id: strconv.Itoa(i) + ".1", nc: nc}
			c.queue.writing = true // what it sends stays in its queue
			seed.state.conns.add(c)
			crowd[i] = c
		}
		if err := seed.hub.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		codes := make(map[uint16]int)
		for _, c := range crowd {
			seed.state.conns.remove(c)
			codes[binary.BigEndian.Uint16(c.queue.last[2:])]++
			_ = c.nc.Close()
		}
		if codes[CodeReconnect] != drainTail || codes[CodeOverCapacity] != 5 {
			t.Errorf("found close codes %v, expected %d times 4200 and 5 times 4100", codes, drainTail)
		}
	})
}
