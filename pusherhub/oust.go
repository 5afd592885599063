package pusherhub

import "time"

// A subscription can be ended for the client. Only the socket's reader may do that (doc.go), so the subscription is marked and
// the reader called: its read deadline passes at once, or it is woken if it is parked.

// oust has the subscription to a channel ended and reports whether there is one. Whoever subscribes again later stays.
func (c *conn) oust(channel string) bool {
	c.mu.Lock()
	sub := c.subs.get(channel)
	if sub == nil || c.closing {
		c.mu.Unlock()
		return false
	}
	sub.ousted, c.called = true, true
	_ = c.nc.SetReadDeadline(time.Now())
	c.mu.Unlock()
	c.wake()
	return true
}

// isCalled reports whether the reader was called and has not looked yet.
func (c *conn) isCalled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.called
}

// endOusted ends the subscriptions that are marked and tells the client, as the last thing that it hears on these channels.
func (c *conn) endOusted() {
	for _, sub := range c.takeOusted() {
		c.leave(sub)
		c.tellRefusal(sub.channel.name, errOusted)
	}
	c.flushReplies()
}

// takeOusted returns the subscriptions that are marked, and answers the call.
func (c *conn) takeOusted() (ousted []*subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.called {
		return nil
	}
	c.called = false
	for _, sub := range c.subs.all() {
		if sub.ousted {
			ousted = append(ousted, sub)
		}
	}
	return ousted
}
