package webhooks

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// outbox is what happens to the events of one app. It outlives changes of settings.
type outbox struct {
	id       string
	app      atomic.Pointer[pusherhub.App]
	settings atomic.Pointer[settings]
	figures  *figures
	next     atomic.Pointer[outbox] // the one that has replaced this one; nil: none

	opened  chan struct{}   // closed when queues can be used
	queues  queues          // static once opened is closed
	closing chan struct{}   // closed when nobody shall wait for room or for the spool any more
	closed  chan struct{}   // closed when the queues are
	flush   chan struct{}   // closed when what is queued shall go out at once
	ctx     context.Context // ends the senders
	cancel  context.CancelFunc
	room    chan struct{} // has a token when something was removed from the queues

	flow    sync.Mutex
	holds   holds    // guarded by flow
	holding bool     // guarded by flow; a goroutine waits for the first of holds
	refused []change // guarded by flow; what could not be stored before another outbox replaced this one

	mu      sync.Mutex
	senders map[string]chan struct{} // guarded by mu; by URL, what tells a running sender of new events
	ended   bool                     // guarded by mu; nothing is started any more
	said    time.Time                // guarded by mu; when complain last spoke
	owner   *plugin                  // guarded by mu; the plugin that was attached last
	lives   int                      // guarded by mu; calls of OnDetach that are to come before the one that ends the work
	work    sync.WaitGroup           // added to under mu
}

// newOutbox begins the work for an app. before is the outbox of the same app that this one replaces, because it keeps its events elsewhere; nil: none.
func newOutbox(app *pusherhub.App, s *settings, before *outbox) *outbox {
	o := &outbox{
		id: app.ID(), figures: &figures{}, opened: make(chan struct{}), closing: make(chan struct{}), closed: make(chan struct{}),
		flush: make(chan struct{}), room: make(chan struct{}, 1), senders: make(map[string]chan struct{}),
	}
	if before != nil {
		o.figures = before.figures
		before.next.Store(o)
	}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.use(app, s)
	if s.spool == "" && before == nil {
		o.queues = newMemory()
		close(o.opened)
	} else {
		o.start(func() { o.open(before) })
	}
	return o
}

// use has everything from now on happen with these settings; a request that is under way goes on with the old ones.
func (o *outbox) use(app *pusherhub.App, s *settings) {
	o.app.Store(app)
	o.settings.Store(s)
}

// log returns the log of the current settings, about this app.
func (o *outbox) log() *zap.Logger { return o.settings.Load().log.With(zap.String("app", o.id)) }

// start runs a goroutine of the outbox. false: it has ended.
func (o *outbox) start(run func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.work.Go(run)
	}
	return !o.ended
}

// tell queues what is to be told about the observations. When it returns, a spool has stored it. Once ctx ends it does not wait for room any more.
func (o *outbox) tell(ctx context.Context, batch []pusherhub.Observation) {
	for len(batch) > 0 {
		n := portion(batch)
		o.tellPortion(ctx, batch[:n])
		batch = batch[n:]
	}
}

// maxPortion is how much data of events is queued without asking whether there is room for it, in bytes, if it is more than one event.
const maxPortion = 256 << 10

// portion returns how many of the observations are queued at a time, so that a spool outgrows its bound by little.
func portion(batch []pusherhub.Observation) (n int) {
	for size := 0; n < len(batch); n++ {
		if size += len(batch[n].Data); size > maxPortion && n > 0 {
			break
		}
	}
	return n
}

func (o *outbox) tellPortion(ctx context.Context, batch []pusherhub.Observation) {
	opened := o.awaitOpened(ctx)
	if opened {
		o.awaitRoom(ctx)
	}
	o.flow.Lock()
	if next := o.next.Load(); next != nil {
		o.flow.Unlock()
		next.tell(ctx, batch)
		return
	}
	defer o.flow.Unlock()
	if !opened {
		o.lost(len(batch), "the spool could not be opened")
		return
	}
	s, now := o.settings.Load(), time.Now()
	var c change
	for _, observation := range batch {
		if e, told := eventOf(observation); told {
			o.take(&c, s, e, now)
		}
	}
	o.put(ctx, c)
	o.watchHolds()
}

// awaitOpened waits until the queues can be used. false: they never will be, or not in time.
func (o *outbox) awaitOpened(ctx context.Context) bool {
	select {
	case <-o.opened:
		return true
	case <-o.closing:
	case <-ctx.Done():
		grace := time.NewTimer(storePause) // the hub may close while it is being opened
		defer grace.Stop()
		select {
		case <-o.opened:
		case <-o.closing:
		case <-grace.C:
		}
	}
	return isClosed(o.opened)
}

// take decides what becomes of one event: it is queued, held, or ends a hold. The caller holds flow.
func (o *outbox) take(c *change, s *settings, e event, now time.Time) {
	of, begins, ok := stateOf(e)
	if !ok {
		c.add(s, e)
		return
	}
	if !s.wanted(of.begin().Name, e.Channel) && !s.wanted(of.end().Name, e.Channel) {
		return
	}
	switch {
	case begins && o.holds.cancel(of):
		o.figures.cancelled.Add(1)
	case begins:
		c.begun = append(c.begun, of)
		c.add(s, e)
	case s.hold > 0:
		c.begun = append(c.begun, of) // it may have begun before anybody was told: a spool must know what it owes
		o.holds.put(of, now.Add(s.hold))
	default:
		c.ended = append(c.ended, of)
		c.add(s, e)
	}
}

// awaitRoom waits while the spool is full, but not when ctx ends or the outbox is closed. It must not be called with flow held, so that
// what is held can go out meanwhile.
func (o *outbox) awaitRoom(ctx context.Context) {
	waited := false
	for !isClosed(o.closing) && ctx.Err() == nil && o.queues.full(o.settings.Load().spoolSize) {
		o.complain("webhook events wait, and clients with them: the spool is full")
		waited = true
		o.retryPause(ctx)
	}
	if waited {
		o.log().Info("the spool has room again")
	}
}

// put stores a change, however often that has to be tried. Once ctx ends or the outbox is closed it tries once; then it is left to
// the outbox that replaces this one. The caller holds flow.
func (o *outbox) put(ctx context.Context, c change) {
	for {
		hurry := ctx.Err() != nil || isClosed(o.closing)
		err := o.store(c)
		if err == nil {
			return
		}
		if hurry && o.next.Load() != nil {
			o.refused = append(o.refused, c)
			return
		}
		if hurry {
			o.lost(len(c.events), err.Error())
			return
		}
		o.complain("webhook events wait, and clients with them: they cannot be stored", zap.Error(err))
		o.retryPause(ctx)
	}
}

// retryPause waits for a moment, less if there is room again or nothing to wait for.
func (o *outbox) retryPause(ctx context.Context) {
	again := time.NewTimer(storePause)
	defer again.Stop()
	select {
	case <-o.room:
	case <-again.C:
	case <-ctx.Done():
	case <-o.closing:
	}
}

// store writes a change to the queues and wakes those who send it. The caller holds flow.
func (o *outbox) store(c change) error {
	if c.empty() {
		return nil
	}
	dropped, err := o.queues.write(c, o.settings.Load().maxQueue)
	if err != nil {
		return err
	}
	o.figures.events.Add(uint64(len(c.events)))
	if dropped > 0 {
		o.figures.dropped.Add(uint64(dropped))
		o.complain("webhook events are dropped: the queue of an endpoint is full", zap.Int("events", dropped))
	}
	for url := range c.urls() {
		o.wake(url)
	}
	return nil
}

// storePause is how long what cannot be stored waits before it is tried again, if nothing makes room before.
const storePause = time.Second

// complain logs what is wrong with the queues, now and then.
func (o *outbox) complain(message string, fields ...zap.Field) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); now.Sub(o.said) >= complainEvery {
		o.said = now
		o.log().Error(message, fields...)
	}
}

const complainEvery = 10 * time.Second

// lost counts events that could not be kept, and says so.
func (o *outbox) lost(events int, why string) {
	if events > 0 {
		o.figures.dropped.Add(uint64(events))
		o.log().Error("webhook events are lost", zap.Int("events", events), zap.String("reason", why))
	}
}

// watchHolds has somebody wait for the first hold to end. The caller holds flow.
func (o *outbox) watchHolds() {
	o.figures.held.Store(int64(o.holds.len()))
	if _, found := o.holds.next(); found && !o.holding {
		o.holding = o.start(o.endHolds)
	}
}

// endHolds queues held events as their time comes, until there are none.
func (o *outbox) endHolds() {
	for {
		o.flow.Lock()
		stored := o.release(time.Now())
		due, found := o.holds.next()
		o.holding = found
		o.flow.Unlock()
		if !found {
			return
		}
		wait := time.Until(due)
		if !stored {
			wait = storePause
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-o.closing: // who closes releases the rest
			timer.Stop()
			return
		case <-o.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// releaseSize is how many held events are queued at a time.
const releaseSize = 1000

// release queues the held events that are due at that time. It does not wait for room in a spool, because they take the place of their
// states there. false: they cannot be stored now. The caller holds flow.
func (o *outbox) release(now time.Time) bool {
	for {
		states := o.holds.due(now, releaseSize)
		if len(states) == 0 {
			return true
		}
		c, s := change{ended: states}, o.settings.Load()
		for _, of := range states {
			c.add(s, of.end())
		}
		if err := o.store(c); err != nil {
			o.complain("webhook events wait: they cannot be stored", zap.Error(err))
			return false
		}
		for _, of := range states {
			o.holds.cancel(of)
		}
		o.figures.held.Store(int64(o.holds.len()))
	}
}

// isClosed reports whether c is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
