package appcache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// call is a look-up that runs or waits for its turn, and those who wait for its answer.
type call struct {
	done chan struct{} // closed when app and err are there

	app *pusherhub.App
	err error
}

// InvalidError says that the store answered, with something that is no app. A [Loader] may return one for what it
// cannot even make text of.
type InvalidError struct{ Err error }

// Error says what is wrong.
func (e *InvalidError) Error() string { return "the app that was found is not valid: " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *InvalidError) Unwrap() error { return e.Err }

// ask returns the look-up that answers q, begun if need be. That of Watch needs no slot, so that a flood of strangers
// does not keep it waiting. The caller holds mu.
func (c *Cache) ask(q question, watch bool) (*call, error) {
	if asked := c.calls[q]; asked != nil {
		return asked, nil
	}
	if c.closed {
		return nil, errClosed
	}
	if len(c.calls) >= c.cfg.Lookups*(1+waiting) && !watch {
		c.counts.refused.Add(1)
		return nil, errBusy
	}
	asked := &call{done: make(chan struct{})}
	c.calls[q] = asked
	c.work.Go(func() {
		asked.app, asked.err = c.lookUp(q, watch)
		c.mu.Lock()
		delete(c.calls, q)
		c.mu.Unlock()
		close(asked.done)
	})
	return asked, nil
}

// lookUp asks the store and remembers the answer.
func (c *Cache) lookUp(q question, watch bool) (app *pusherhub.App, err error) {
	defer func() {
		if v := recover(); v != nil { // a driver's or a plugin's; nobody else could catch it here
			app, err = nil, c.failed(q, fmt.Errorf("panic: %v", v))
		}
	}()
	if !watch {
		turn := time.NewTimer(c.cfg.Timeout)
		defer turn.Stop()
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		case <-turn.C:
			c.counts.refused.Add(1)
			return nil, errBusy
		case <-c.ctx.Done():
			return nil, errClosed
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeout)
	defer cancel()
	c.counts.lookups.Add(1)
	text, err := c.load(ctx, q)
	invalid, isInvalid := errors.AsType[*InvalidError](err)
	switch {
	case err == nil:
		return c.found(q, text)
	case isInvalid:
		return nil, c.invalid(q, sha256.Sum256([]byte(invalid.Error())), invalid)
	case errors.Is(err, pusherhub.ErrAppNotFound):
		c.notFound(q)
		return nil, pusherhub.ErrAppNotFound
	case c.ctx.Err() != nil:
		return nil, errClosed
	case ctx.Err() != nil:
		err = fmt.Errorf("no answer within %s: %w", c.cfg.Timeout, err)
	}
	return nil, c.failed(q, err)
}

func (c *Cache) load(ctx context.Context, q question) ([]byte, error) {
	if q.byKey {
		return c.cfg.Loader.LoadByKey(ctx, q.name)
	}
	return c.cfg.Loader.LoadByID(ctx, q.name)
}

// found remembers an app. One whose text has not changed stays the same.
func (c *Cache) found(q question, text []byte) (*pusherhub.App, error) {
	sum := sha256.Sum256(text)
	c.building.Lock()
	defer c.building.Unlock()

	c.mu.Lock()
	c.recovered()
	if e := c.known.find(q); e != nil && e.sum == sum {
		c.confirm(e)
		c.mu.Unlock()
		return e.app, nil
	}
	c.mu.Unlock()

	app, err := c.cfg.Build(text)
	if err != nil {
		return nil, c.invalid(q, sum, &InvalidError{err})
	}
	if !q.asks(app) {
		c.notFound(q)
		return nil, pusherhub.ErrAppNotFound
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.known.find(question{name: app.ID()})
	if e == nil || e.sum != sum {
		e = &entry{app: app, sum: sum}
	}
	c.known.put(e)
	c.confirm(e)
	c.unknown.forget(question{name: app.ID()})
	c.unknown.forget(question{byKey: true, name: app.Key()})
	return e.app, nil
}

// confirm notes that the store has the app as it is. The caller holds mu.
func (c *Cache) confirm(e *entry) {
	e.confirmed = time.Now()
	e.expires = e.confirmed.Add(c.cfg.TTL)
	e.failed = false
}

// notFound remembers that there is no such app. One that is still there by its other name is asked for anew.
func (c *Cache) notFound(q question) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recovered()
	if e := c.known.find(q); e != nil {
		if q.byKey {
			c.known.dropKey(e)
			e.expires = time.Now()
		} else {
			c.known.drop(e)
		}
	}
	c.unknown.add(q, pusherhub.ErrAppNotFound, c.cfg.NegativeTTL)
}

// failed remembers for a moment that the store did not answer, and returns the error to give.
func (c *Cache) failed(q question, err error) error {
	c.counts.errors.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); !c.failing && !now.Before(c.quiet) {
		c.failing, c.quiet = true, now.Add(quiet)
		c.cfg.Logger.Warn("apps cannot be looked up; those that are known are served as they were",
			zap.Duration("for_at_most", c.cfg.Stale), zap.Error(err))
	}
	c.remember(q, err, pause)
	return err
}

// recovered notes that the store answers. The caller holds mu.
func (c *Cache) recovered() {
	if c.failing {
		c.failing = false
		c.cfg.Logger.Info("apps can be looked up again")
	}
}

// invalid remembers that the store has an app that cannot be built, and returns the error to give. Its
// earlier settings stay in use for a while.
func (c *Cache) invalid(q question, sum [sha256.Size]byte, err error) error {
	c.counts.errors.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.known.find(q); e != nil && e.refused != sum {
		e.refused = sum // it is said once
		c.cfg.Logger.Error("app was changed into one that is not valid; its earlier settings stay in use",
			zap.String("app", e.app.ID()), zap.Duration("for_at_most", c.cfg.Stale), zap.Error(err))
	}
	c.remember(q, err, c.cfg.NegativeTTL)
	return err
}

// remember keeps an error for a while. The caller holds mu.
func (c *Cache) remember(q question, err error, ttl time.Duration) {
	if e := c.known.find(q); e != nil {
		now := time.Now()
		e.failed, e.retry = true, now.Add(ttl)
		if now.Before(c.staleUntil(e)) {
			return
		}
	}
	c.unknown.add(q, err, ttl)
}
