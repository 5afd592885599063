package pusherhub

import (
	"bufio"
	"errors"
	"sync"
	"time"
)

// A socket that has said nothing for a while gives back its goroutine and what it reads with and is
// parked: the kernel watches it together with all others that are (parking_linux.go), until bytes arrive, its heartbeat is
// due, or somebody closes it. Whoever takes it out of the lot starts its goroutine again, which owns it from then on.
// Sockets that cannot be parked (TLS, other systems) never are.

// parkAfter is how long a socket must not have sent a message to be parked. One that sends more often does not pay for it.
const parkAfter = 10 * time.Second

// errQuiet ends the reading of a socket that can be parked.
var errQuiet = errors.New("quiet")

// isQuiet reports whether the socket can be parked: for some time there was no message, and none has begun.
func (c *conn) isQuiet() bool {
	return c.parkable && c.in.resting && c.in.buf.Buffered() == 0 && time.Since(c.spoke) >= c.hub.parkAfter && !c.isClosing()
}

// spareBuffers are what parked sockets read with before.
var spareBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}

func (c *conn) takeBuffer() {
	c.in.buf = spareBuffers.Get().(*bufio.Reader)
	c.in.buf.Reset(transport{c})
}

// dropBuffer gives an empty buffer back.
func (c *conn) dropBuffer() {
	c.in.buf.Reset(nil)
	spareBuffers.Put(c.in.buf)
	c.in.buf, c.in.afterControl = nil, false
}

// quietAt is when it is worth to look again whether the socket can be parked.
func (c *conn) quietAt(now time.Time) time.Time {
	if at := c.spoke.Add(c.hub.parkAfter); at.After(now) {
		return at
	}
	return now.Add(c.hub.parkAfter)
}

// park parks the socket. If it returns true, the caller does not own the socket any more.
func (c *conn) park() bool {
	c.dropBuffer()
	if !c.hub.parking.enter(c, c.nextHeartbeat()) {
		c.parkable = false // the system does not allow it
		return false
	}
	// A close or a call that came just before has found nobody to wake.
	return !c.queue.isEnded() && !c.isCalled() || !c.hub.parking.leave(c)
}

// wake starts the goroutine of a parked socket.
func (c *conn) wake() {
	if c.hub.parking.leave(c) {
		go c.serve()
	}
}
