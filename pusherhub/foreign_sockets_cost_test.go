package pusherhub

import (
	"testing"
	"testing/synctest"
	"time"
)

// Looking at the socket that a server leaves out allocates nothing, whoever has it.
func TestNoticingForeignSocketsAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		var broker Broker = NewMemoryBroker()
		h.current.Store(&broker)
		time.Sleep(foreignGrace)
		ids := newSocketIDs()
		for who, id := range map[string]string{"this hub": h.socketIDs.next(), "another": ids.next(), "nobody": ""} {
			if allocs := testing.AllocsPerRun(100, func() { h.noticeLeftOut(id) }); allocs != 0 {
				t.Errorf("a socket of %s: found %v allocations, expected none", who, allocs)
			}
		}
		if n := h.foreign.total.Load(); n != 101 {
			t.Errorf("found %d foreign sockets, expected those of the other hub's", n)
		}
	})
}
