// Package appcache makes a [pusherhub.AppSource] of anything that can look an app up: a database, an endpoint, a file on
// another machine. It asks as seldom as can be, and never more than a few questions at once.
//
// # What it keeps
//
// Apps that were found are kept for a TTL. An app is the same [pusherhub.App] until its settings really change. Apps that
// were not found are kept, too, for a shorter time: somebody who tries one key over and over costs one look-up in that
// time, somebody who tries millions of keys takes neither memory nor connections beyond the bounds.
//
// # When the store is away
//
// What was found before is served as it was, for a bounded time. What was not is refused for the moment, as
// [pusherhub.AppSource] has it: clients come back. A store that holds an app that cannot be built is treated
// in the same way, for that app alone.
//
// # Whose goroutines
//
// A look-up runs in a goroutine of the cache, because many may wait for it and none of them is to take it along when it
// leaves. [Cache.Close] waits for all of them. [Cache.Watch] asks for the apps that are in use, once a TTL.
package appcache

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// Loader looks apps up where they are kept. Its methods are called concurrently, and may take as long as ctx lasts. They
// answer [pusherhub.ErrAppNotFound] for an app that does not exist; any other error means that it cannot be said.
type Loader interface {
	// LoadByID returns the app with that id as text that is equal as long as the app's settings are.
	LoadByID(ctx context.Context, id string) (text []byte, err error)

	// LoadByKey returns the app with that key in the same form.
	LoadByKey(ctx context.Context, key string) (text []byte, err error)
}

// Config says what a [Cache] does.
type Config struct {
	// Loader is asked for apps. Required.
	Loader Loader

	// Build makes an app of the text that Loader returned. It is called once for a text, never concurrently. Required.
	Build func(text []byte) (*pusherhub.App, error)

	// TTL is how long an app that was found is used without asking again. Default: 1m.
	TTL time.Duration

	// NegativeTTL is how long an app that was not found stays so. Default: 10s.
	NegativeTTL time.Duration

	// Stale is how long beyond TTL an app is served as it was last found while the store is away. Default: 1h; negative: not at all.
	Stale time.Duration

	// Timeout bounds one look-up, and before it the waiting for its turn. Default: 5s.
	Timeout time.Duration

	// Lookups bounds the look-ups at one time, those of Watch excepted, which are one or half as many. Default: 4.
	Lookups int

	// MaxApps bounds the apps that are kept; the ones that were used last stay. Default: 10,000.
	MaxApps int

	// MaxUnknown bounds the ids and keys that are kept as not found. Default: 10,000.
	MaxUnknown int

	// Logger is told when the store goes away and comes back, and of apps that cannot be built. Default: no log.
	Logger *zap.Logger
}

const (
	// pause is what passes after a failed look-up before the same is asked again.
	pause = time.Second

	// patience is how long somebody waits for a look-up who could be served as before.
	patience = time.Second

	// quiet is the least time between two times that the log is told that the store is away.
	quiet = 10 * time.Second

	// waiting is how many look-ups may wait for each that runs.
	waiting = 16

	// maxName bounds ids and keys in bytes. Longer ones do not exist, so that what a stranger sends is never kept at any length.
	maxName = 255
)

var (
	errBusy   = errors.New("too many apps are being looked up at the moment")
	errClosed = errors.New("the app source is closed: its config is no longer in use")
)

// Cache is a [pusherhub.AppSource] and [pusherhub.AppWatcher] that remembers what a [Loader] found.
type Cache struct {
	// Static after New.
	cfg    Config
	slots  chan struct{}   // one for each look-up that may run
	ctx    context.Context // of all look-ups
	cancel context.CancelFunc

	building sync.Mutex // held while an app is built; before mu in the lock order

	mu      sync.Mutex
	known   index              // guarded by mu
	unknown refusals           // guarded by mu
	calls   map[question]*call // guarded by mu: look-ups that run or wait
	failing bool               // guarded by mu: the last look-up that ended was not answered, and the log was told
	quiet   time.Time          // guarded by mu: the log is not told of failures before
	closed  bool               // guarded by mu
	work    sync.WaitGroup     // the goroutines of calls

	counts counts
}

// question is what is asked: for an app by its id, or by its key.
type question struct {
	byKey bool
	name  string
}

// asks reports whether app is the one that q asks for. Databases may find more: some take "A" for "a".
func (q question) asks(app *pusherhub.App) bool {
	if q.byKey {
		return app.Key() == q.name
	}
	return app.ID() == q.name
}

// New returns a cache. It asks for nothing yet.
func New(cfg Config) *Cache {
	cfg.TTL = cmp.Or(cfg.TTL, time.Minute)
	cfg.NegativeTTL = cmp.Or(cfg.NegativeTTL, 10*time.Second)
	cfg.Stale = max(cmp.Or(cfg.Stale, time.Hour), 0)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.Lookups = cmp.Or(cfg.Lookups, 4)
	cfg.MaxApps = cmp.Or(cfg.MaxApps, 10_000)
	cfg.MaxUnknown = cmp.Or(cfg.MaxUnknown, 10_000)
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	c := &Cache{
		cfg:     cfg,
		slots:   make(chan struct{}, cfg.Lookups),
		known:   newIndex(cfg.MaxApps),
		unknown: newRefusals(cfg.MaxUnknown),
		calls:   make(map[question]*call),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// AppByID returns the app with that id: from memory, or from the store.
func (c *Cache) AppByID(ctx context.Context, id string) (*pusherhub.App, error) {
	return c.find(ctx, question{name: id})
}

// AppByKey returns the app with that key: from memory, or from the store.
func (c *Cache) AppByKey(ctx context.Context, key string) (*pusherhub.App, error) {
	return c.find(ctx, question{byKey: true, name: key})
}

// Close ends all look-ups and waits for them. Whoever asks afterwards is refused for the moment, unless memory has the answer.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.work.Wait()
	return nil
}

func (c *Cache) find(ctx context.Context, q question) (*pusherhub.App, error) {
	if !possible(q.name) {
		return nil, pusherhub.ErrAppNotFound
	}
	now := time.Now()
	c.mu.Lock()
	e := c.known.find(q)
	if e != nil && now.Before(e.expires) {
		c.mu.Unlock()
		c.counts.hits.Add(1)
		return e.app, nil
	}
	var before *pusherhub.App // what can be served if the store is away
	var failed bool
	if e != nil && now.Before(c.staleUntil(e)) {
		before, failed = e.app, e.failed
		if failed && now.Before(e.retry) {
			c.mu.Unlock()
			return c.stale(before), nil
		}
	}
	if err := c.unknown.find(q, now); before == nil && err != nil {
		c.mu.Unlock()
		c.counts.hits.Add(1)
		return nil, err
	}
	asked, err := c.ask(q, false)
	c.mu.Unlock()

	if err != nil || failed {
		if before != nil {
			return c.stale(before), nil // the look-up, if there is one, goes on for the next who asks
		}
		return nil, err
	}
	var enough <-chan time.Time
	if before != nil {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-asked.done:
	case <-enough:
		return c.byNow(q, before)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if asked.err != nil && before != nil && !errors.Is(asked.err, pusherhub.ErrAppNotFound) {
		return c.byNow(q, before)
	}
	return asked.app, asked.err
}

// byNow answers for a store that does not, after some waiting: with what another look-up found meanwhile, or with what was known before.
func (c *Cache) byNow(q question, before *pusherhub.App) (*pusherhub.App, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.known.find(q); e != nil {
		return c.stale(e.app), nil
	}
	if err := c.unknown.find(q, time.Now()); errors.Is(err, pusherhub.ErrAppNotFound) {
		return nil, err
	}
	return c.stale(before), nil
}

// staleUntil returns until when an app may be served without the store.
func (c *Cache) staleUntil(e *entry) time.Time { return e.confirmed.Add(c.cfg.TTL + c.cfg.Stale) }

func (c *Cache) stale(app *pusherhub.App) *pusherhub.App {
	c.counts.stale.Add(1)
	return app
}

// possible reports whether an app can have that id or key, see [pusherhub.NewApp]. What cannot exist is not worth
// a look-up, and a database may take offence at it.
func possible(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) &&
		!strings.ContainsAny(name, "/?#%: ") && !strings.ContainsFunc(name, unicode.IsControl)
}

// Interface guards
var (
	_ pusherhub.AppWatcher = (*Cache)(nil)
	_ pusherhub.Measurer   = (*Cache)(nil)
)
