package appcache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// giveUp is after how many failures in a row a round ends: the next may find the store back.
const giveUp = 3

// Watch asks for the apps that are in use, at once and then once a TTL, and has those that changed or went take effect on
// their open sockets. It returns when ctx ends.
func (c *Cache) Watch(ctx context.Context, live pusherhub.LiveApps) {
	w := watch{cache: c, live: live, told: make(map[string]*pusherhub.App)}
	tick := time.NewTicker(c.cfg.TTL)
	defer tick.Stop()
	for {
		w.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// watch is one Watch.
type watch struct {
	cache *Cache
	live  pusherhub.LiveApps

	mu       sync.Mutex
	told     map[string]*pusherhub.App // guarded by mu: what the hub was given, by app id
	failures int                       // guarded by mu: in a row
}

// round asks for every app that is in use, some at a time.
func (w *watch) round(ctx context.Context) {
	ids := make(chan string)
	var workers sync.WaitGroup
	for range max(1, w.cache.cfg.Lookups/2) {
		workers.Go(func() {
			for id := range ids {
				if ctx.Err() == nil && !w.gaveUp() {
					w.check(ctx, id)
				}
			}
		})
	}
	list := w.live.IDs()
	w.forgetAllBut(list)
	for _, id := range list {
		ids <- id
	}
	close(ids)
	workers.Wait()
}

// check asks for one app and tells the hub if it is not what the hub was told before.
func (w *watch) check(ctx context.Context, id string) {
	app, err := w.cache.lookAgain(ctx, id)
	gone := errors.Is(err, pusherhub.ErrAppNotFound)
	_, invalid := errors.AsType[*InvalidError](err)

	w.mu.Lock()
	if err == nil || gone || invalid {
		w.failures = 0
	} else {
		w.failures++
	}
	changed := err == nil && w.told[id] != app || gone
	w.mu.Unlock()
	if !changed || ctx.Err() != nil {
		return
	}
	w.live.Refresh(ctx, id)
	w.mu.Lock()
	w.told[id] = app
	w.mu.Unlock()
}

// gaveUp reports whether the store is away.
func (w *watch) gaveUp() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failures >= giveUp
}

// forgetAllBut begins a round: apps that are in use no more are to be told about again when they come back.
func (w *watch) forgetAllBut(ids []string) {
	told := make(map[string]*pusherhub.App, len(ids))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if app := w.told[id]; app != nil {
			told[id] = app
		}
	}
	w.told, w.failures = told, 0
}

// lookAgain asks the store, whatever memory says.
func (c *Cache) lookAgain(ctx context.Context, id string) (*pusherhub.App, error) {
	c.mu.Lock()
	asked, err := c.ask(question{name: id}, true)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-asked.done:
		return asked.app, asked.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
