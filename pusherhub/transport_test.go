package pusherhub

import (
	"testing"
	"time"
)

// A heartbeat that comes due just when a write has failed finds the socket ended and without the deadline of a close: reading must
// end, too, and not find the same deadline passed for ever.
func TestDeadlineOfAFailedSocket(t *testing.T) {
	for name, overdue := range map[string]func(*conn){
		"pong":          func(c *conn) { c.probed, c.probedAt = true, time.Now().Add(-probeTimeout) },
		"authorization": func(c *conn) { c.authorizeBy = time.Now() },
	} {
		t.Run(name, func(t *testing.T) {
			c := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "1.1")
			overdue(c)
			c.queue.fail()
			if c.deadlinePassed() {
				t.Error("reading goes on with a deadline that has passed")
			}
		})
	}
}
