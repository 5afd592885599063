package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

const (
	// shortestPause and longestPause are between two attempts to connect.
	shortestPause = 50 * time.Millisecond
	longestPause  = 5 * time.Second
)

// Engine is the [cluster.Engine] on Redis. Lock order: an engine's locks are never held together, nor while its handler is called.
type Engine struct {
	// Static after NewEngine.
	config config
	keys   keys
	id     string // of this engine, for what it alone may ask again

	// Static after Open.
	handler cluster.Handler
	cancel  context.CancelFunc
	stopped chan struct{} // closed when run has returned

	linkMu sync.Mutex
	link   *link // guarded by linkMu; nil while there is no connection
	why    error // guarded by linkMu; why there is none

	memoryMu sync.Mutex
	memory   [partitions]memory // guarded by memoryMu

	unkept atomic.Bool // that an event could not be kept was logged, and none was kept since

	reapMu  sync.Mutex
	reaping reaping // guarded by reapMu
}

var errNotYet = errors.New("not connected yet")

// Open is described in [cluster.Engine].
func (e *Engine) Open(h cluster.Handler) error {
	e.handler, e.why = h, errNotYet
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel, e.stopped = cancel, make(chan struct{})
	go e.run(ctx)
	return nil
}

// run connects again and again. It is the only one that calls Up and Down.
func (e *Engine) run(ctx context.Context) {
	defer close(e.stopped)
	pause := shortestPause
	for ctx.Err() == nil {
		began := time.Now()
		l, err := connect(ctx, e)
		if err == nil {
			e.use(l, nil)
			e.handler.Up()
			err = l.wait()
			e.use(nil, err)
			l.close()
			if time.Since(began) > pause {
				pause = shortestPause
			}
		}
		e.use(nil, err)
		e.handler.Down(e.explain(err))
		select {
		case <-time.After(pause/2 + rand.N(pause/2)): //nolint:gosec // not all nodes at once; no secret
		case <-ctx.Done():
		}
		pause = min(2*pause, longestPause)
	}
}

// use makes l the link of all methods; nil, if there is none for that reason.
func (e *Engine) use(l *link, why error) {
	e.linkMu.Lock()
	defer e.linkMu.Unlock()
	e.link, e.why = l, why
}

// begin returns the link for a call, and a context with a time-out. done ends the call: it puts the error in the user's words.
func (e *Engine) begin(ctx context.Context) (l *link, bounded context.Context, done func(error) error, err error) {
	e.linkMu.Lock()
	l, why := e.link, e.why
	e.linkMu.Unlock()
	if l == nil {
		return nil, nil, nil, fmt.Errorf("no connection: %w", e.explain(why))
	}
	bounded, cancel := context.WithTimeout(ctx, e.config.timeout)
	return l, bounded, func(err error) error {
		cancel()
		if isReadOnly(err) {
			l.fail(err) // the master is elsewhere now
		}
		return e.explain(err)
	}, nil
}

// Close is described in [cluster.Engine].
func (e *Engine) Close() error {
	if e.cancel == nil {
		return nil // it was never opened
	}
	e.cancel()
	<-e.stopped
	return nil
}
