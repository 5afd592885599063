package pusherhub

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// lookupLogPause is the least time between two lines about look-ups that failed: strangers decide how often they try.
const lookupLogPause = 5 * time.Second

// lookupLog is what the log was told of look-ups that failed.
type lookupLog struct {
	mu     sync.Mutex
	quiet  time.Time // guarded by mu: no line before
	unsaid int       // guarded by mu: failures since the last line
}

// logLookup logs that an app could not be looked up, with its id or key. Who left while he waited is no failure.
func (h *Hub) logLookup(ctx context.Context, by, name string, err error) {
	if ctx.Err() != nil {
		return
	}
	l := &h.lookups
	l.mu.Lock()
	now := time.Now()
	if now.Before(l.quiet) {
		l.unsaid++
		l.mu.Unlock()
		return
	}
	unsaid := l.unsaid
	l.quiet, l.unsaid = now.Add(lookupLogPause), 0
	l.mu.Unlock()
	h.logger().Error("looking up app", zap.String(by, shortened(name)), zap.Int("not_logged_before", unsaid), zap.Error(err))
}
