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

// leave ends the work for the app because another outbox goes on with it. What is in a spool stays there.
func (o *outbox) leave() {
	close(o.closing)
	o.stop()
	o.closeQueues()
}

// closeQueues says what is left in the queues and closes them. No goroutine of the outbox runs any more.
func (o *outbox) closeQueues() {
	if !isClosed(o.opened) {
		return
	}
	left := 0
	for _, url := range o.queues.urls() {
		left += o.queues.waiting(url)
	}
	if spool, ok := o.queues.(*spool); !ok {
		o.lost(left, "they were not delivered before the end")
	} else if left > 0 {
		o.log().Warn("webhook events are left in the spool, to be delivered when it is used again", zap.Int("events", left), zap.String("file", spool.path))
	}
	if err := o.queues.close(); err != nil {
		o.log().Error("closing the spool", zap.Error(err))
	}
}
