package pusherhub

import (
	"context"
	"sync"
	"time"
)

const (
	// maxBacklog bounds the events of one app that were accepted and not yet handed to the subscribers' queues, in bytes.
	maxBacklog = 16 << 20

	// backlogPatience is how long a publish waits for room.
	backlogPatience = 2 * time.Second
)

// backlog slows publishers down when deliveries do not keep up.
type backlog struct {
	mu    sync.Mutex
	bytes int           // guarded by mu
	room  chan struct{} // guarded by mu: closed when there is room again; nil while there is
}

// charge adds bytes, waiting a moment for room. It reports whether they were taken. One charge may exceed
// the bound, so that it is never refused for its own size.
func (b *backlog) charge(ctx context.Context, bytes int) bool {
	var patience <-chan time.Time
	for {
		b.mu.Lock()
		if b.bytes < maxBacklog {
			b.bytes += bytes
			b.mu.Unlock()
			return true
		}
		if b.room == nil {
			b.room = make(chan struct{})
		}
		room := b.room
		b.mu.Unlock()
		if patience == nil {
			timer := time.NewTimer(backlogPatience)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-room:
		case <-patience:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// add charges bytes without waiting.
func (b *backlog) add(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes += bytes
}

// settle takes bytes off again.
func (b *backlog) settle(bytes int) {
	if bytes == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes -= bytes
	if b.room != nil && b.bytes < maxBacklog {
		close(b.room)
		b.room = nil
	}
}
