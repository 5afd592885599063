package pusherhub

import (
	"errors"
	"os"
	"time"
)

// transport reads from the socket and keeps the heartbeat: there is no timer per socket, only the read deadline, which
// also shows when a socket can be parked.
type transport struct {
	c *conn
}

// probeTimeout is how long a peer may stay silent after the server's ping.
const probeTimeout = 30 * time.Second

var errHeartbeat = errors.New("no sign of life")

// Read reads from the socket. Silence first brings a ping, then the end.
func (t transport) Read(p []byte) (int, error) {
	c := t.c
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.counters().bytesReceived.Add(uint64(n))
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	if c.in.afterControl && c.isQuiet() {
		return 0, errQuiet // a pong does not keep the socket awake
	}
	for {
		n, err := c.nc.Read(p)
		if n > 0 {
			c.lastRead, c.probed = time.Now(), false
			c.counters().bytesReceived.Add(uint64(n))
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if !c.deadlinePassed() {
			return 0, errHeartbeat
		}
		if c.isQuiet() {
			return 0, errQuiet
		}
	}
}

// armHeartbeat sets the read deadline to the next moment at which deadlinePassed has something to
// decide. A socket that is closing or was called keeps the deadline it got then.
func (c *conn) armHeartbeat(now time.Time) {
	next := c.nextHeartbeat()
	if quiet := c.quietAt(now); c.parkable && quiet.Before(next) {
		next = quiet
	}
	if !next.After(now) {
		next = now.Add(time.Millisecond)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing && !c.called {
		_ = c.nc.SetReadDeadline(next)
	}
}

// nextHeartbeat is when silence or a missing authorization has consequences.
func (c *conn) nextHeartbeat() time.Time {
	next := c.lastRead.Add(c.silence())
	if c.probed {
		next = c.probedAt.Add(probeTimeout)
	}
	if !c.authorizeBy.IsZero() && c.authorizeBy.Before(next) {
		next = c.authorizeBy
	}
	return next
}

// deadlinePassed decides what an expired read deadline means. It reports whether reading goes on: not if a failed write has
// ended the socket, which then gets no deadline of a close.
func (c *conn) deadlinePassed() bool {
	if c.isClosing() {
		return false
	}
	c.endOusted()
	now := time.Now()
	if !c.authorizeBy.IsZero() && !now.Before(c.authorizeBy) {
		c.close(errAuthorizationLate)
		return c.isClosing()
	}
	switch {
	case c.probed && now.Sub(c.probedAt) >= probeTimeout:
		c.counters().pongTimeouts.Add(1)
		c.closePongTimeout()
		return c.isClosing()
	case !c.probed && now.Sub(c.lastRead) >= c.silence():
		c.probe(now)
	}
	c.armHeartbeat(now)
	return true
}

// probe sends the ping that every client library answers by itself.
func (c *conn) probe(now time.Time) {
	c.probed, c.probedAt = true, now
	if isOn(c.app().cfg.TextPing) {
		c.reply(textPingFrame)
	}
	c.replyControl(pingFrame)
	c.flushReplies()
}

// silence is the time without a sign of life after which this socket is probed: the app's
// ping_interval, up to a tenth more or less, so that a crowd that came at once is not probed at once.
func (c *conn) silence() time.Duration {
	interval := time.Duration(c.app().cfg.PingInterval)
	return interval + time.Duration(int64(interval)/1000*int64(c.jitter))
}
