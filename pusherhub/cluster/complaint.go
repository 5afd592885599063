package cluster

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// complaint says in the log that the server is connected but has not done what it was asked for as long as a lease lasts: because the node may not
// have that done, say, or the server has no memory left.
type complaint struct {
	since time.Time             // of the first attempt that failed; zero: the last one did not. Owned by the goroutine that asks
	why   atomic.Pointer[error] // what was said; nil: nothing
}

// note takes how an attempt has ended.
func (c *complaint) note(b *Broker, err error) {
	switch {
	case b.ctx.Err() != nil: // the end is no failure
	case err == nil:
		c.since = time.Time{}
		if c.why.Swap(nil) != nil {
			b.o.Logger.Info("the server does what it is asked for again", zap.String("broker", b.o.Name))
		}
	case c.since.IsZero():
		c.since = time.Now()
	case time.Since(c.since) >= b.o.ttl():
		if c.why.Swap(&err) == nil {
			b.o.Logger.Warn("the server is connected, but does not do what it is asked for; other nodes may miss what happens on this one until it does",
				zap.String("broker", b.o.Name), zap.Error(err))
		}
	}
}

// disconnected forgets the attempts: that the connection is lost is said elsewhere.
func (c *complaint) disconnected() { c.since = time.Time{} }

// reason is what was said; nil: nothing.
func (c *complaint) reason() error {
	if why := c.why.Load(); why != nil {
		return *why
	}
	return nil
}
