package webhooks

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// farFuture is when every hold is due.
var farFuture = time.Unix(1<<40, 0)

// detach sends what is held and queued until ctx ends, and ends the work for the app.
func (o *outbox) detach(ctx context.Context) {
	close(o.closing)
	if o.settings.Load().spool == "" {
		<-o.opened // at once, or when the outbox before has stopped
	}
	if !isClosed(o.opened) {
		o.stop()
	}
	if isClosed(o.opened) {
		o.flow.Lock()
		if spool, ok := o.queues.(*spool); o.release(farFuture) && ok {
			if err := spool.forgetStates(); err != nil { // nobody will tell of their end
				o.log().Error("forgetting who is on which channel", zap.Error(err))
			}
		}
		o.flow.Unlock()
		close(o.flush)
		o.finish(ctx)
	}
	o.closeQueues()
}

// finish waits until everything is sent, or ctx ends.
func (o *outbox) finish(ctx context.Context) {
	o.end()
	interrupt := context.AfterFunc(ctx, o.cancel)
	o.work.Wait()
	interrupt()
	o.cancel()
}

// stop ends all work now.
func (o *outbox) stop() {
	o.end()
	o.cancel()
	o.work.Wait()
}

// end has nothing more started.
func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// handOver ends the work for the app because another outbox goes on with it, and returns what that one has to know: the states that a spool
// knows to have begun, the ends that are held, events from memory, and what could not be stored. Other events stay in the spool.
func (o *outbox) handOver() (c change, ends []held) {
	close(o.closing)
	o.stop()
	if !isClosed(o.opened) {
		o.closeQueues()
		return change{}, nil
	}
	o.flow.Lock()
	defer o.flow.Unlock()
	switch q := o.queues.(type) {
	case *memory:
		c = q.takeAll()
	case *spool:
		c.begun = o.takeStates(q)
	}
	ends = o.holds.all()
	for _, end := range ends {
		c.begun = append(c.begun, end.state)
	}
	for _, refused := range o.refused {
		c.events = append(c.events, refused.events...)
		c.begun = append(c.begun, refused.begun...)
		c.ended = append(c.ended, refused.ended...)
	}
	o.closeQueues()
	return c, ends
}

// takeStates returns the states of a spool and removes them there: once it is used again, it would tell of the end of what is still on.
func (o *outbox) takeStates(q *spool) []state {
	members, channels, err := q.states()
	if err == nil {
		err = q.forgetStates()
	}
	if err != nil {
		o.log().Error("taking from the spool who is on which channel", zap.Error(err))
	}
	return append(members, channels...)
}

// closeQueues says what is left in the queues and closes them. No goroutine of the outbox runs any more.
func (o *outbox) closeQueues() {
	defer close(o.closed)
	if !isClosed(o.opened) {
		return
	}
	left := 0
	for _, url := range o.queues.urls() {
		left += o.queues.waiting(url)
	}
	spool, ok := o.queues.(*spool)
	switch {
	case !ok:
		o.lost(left, "they were not delivered before the end")
	case left > 0:
		o.log().Warn("webhook events are left in the spool, to be delivered when it is used again", zap.Int("events", left), zap.String("file", spool.path))
	}
	if ok {
		o.disown(spool.path)
	}
	if err := o.queues.close(); err != nil {
		o.log().Error("closing the spool", zap.Error(err))
	}
}
