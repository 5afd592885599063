package appcache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// store is a Loader whose apps are texts "id key rest".
type store struct {
	mu     sync.Mutex
	texts  []string      // guarded by mu
	err    error         // guarded by mu: it is away
	delay  time.Duration // guarded by mu
	asked  int           // guarded by mu
	atOnce int           // guarded by mu
	most   int           // guarded by mu: the highest atOnce
	built  int           // by the cache, which builds one app at a time
}

func (s *store) set(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts, s.err = texts, nil
}

func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// questions returns how often it was asked since the last time.
func (s *store) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.asked
	s.asked = 0
	return n
}

func (s *store) LoadByID(ctx context.Context, id string) ([]byte, error) { return s.load(ctx, 0, id) }

func (s *store) LoadByKey(ctx context.Context, key string) ([]byte, error) {
	return s.load(ctx, 1, key)
}

func (s *store) load(ctx context.Context, field int, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.atOnce++
	s.most = max(s.most, s.atOnce)
	defer func() { s.atOnce-- }()
	if s.delay > 0 {
		s.mu.Unlock()
		select {
		case <-time.After(s.delay):
		case <-ctx.Done():
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	for _, text := range s.texts {
		if strings.EqualFold(strings.Fields(text)[field], name) { // as a MySQL table compares
			return []byte(text), nil
		}
	}
	return nil, pusherhub.ErrAppNotFound
}

func (s *store) build(text []byte) (*pusherhub.App, error) {
	s.built++
	f := strings.Fields(string(text))
	if len(f) > 2 && f[2] == "broken" {
		return nil, errors.New("it is broken")
	}
	if len(f) > 2 && f[2] == "panics" {
		panic("no way")
	}
	return pusherhub.NewApp(pusherhub.AppConfig{ID: f[0], Key: f[1], Secret: "s"})
}

// run runs a test with a cache in a bubble of its own time.
func run(t *testing.T, cfg Config, f func(t *testing.T, c *Cache, s *store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &store{texts: []string{"a key-a", "b key-b"}}
		cfg.Loader, cfg.Build = s, s.build
		c := New(cfg)
		defer c.Close()
		f(t, c, s)
	})
}

func byID(t *testing.T, c *Cache, id string) *pusherhub.App {
	t.Helper()
	app, err := c.AppByID(t.Context(), id)
	if err != nil {
		t.Fatalf("app %s: %v", id, err)
	}
	return app
}

func byKey(t *testing.T, c *Cache, key string) *pusherhub.App {
	t.Helper()
	app, err := c.AppByKey(t.Context(), key)
	if err != nil {
		t.Fatalf("key %s: %v", key, err)
	}
	return app
}

func expectNone(t *testing.T, c *Cache, key string) {
	t.Helper()
	if app, err := c.AppByKey(t.Context(), key); app != nil || !errors.Is(err, pusherhub.ErrAppNotFound) {
		t.Fatalf("key %s: found %v %v, expected no app", key, app, err)
	}
}

func (s *store) expect(t *testing.T, questions int) {
	t.Helper()
	if n := s.questions(); n != questions {
		t.Fatalf("the store was asked %d times, expected %d", n, questions)
	}
}

func TestFoundOnceATTL(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		a := byKey(t, c, "key-a")
		if byID(t, c, "a") != a || byKey(t, c, "key-a") != a {
			t.Error("not the same app by id and by key")
		}
		s.expect(t, 1)
		time.Sleep(time.Minute)
		if byKey(t, c, "key-a") != a {
			t.Error("an app that did not change became another")
		}
		s.expect(t, 1)
		if n := s.built; n != 1 {
			t.Errorf("the app was built %d times, expected once", n)
		}

		s.set("a key-a changed")
		if byKey(t, c, "key-a") != a {
			t.Error("asked before the TTL was over")
		}
		time.Sleep(time.Minute)
		if byID(t, c, "a") == a {
			t.Error("the change was not noticed")
		}
		if byID(t, c, "a") != byKey(t, c, "key-a") {
			t.Error("the key leads to the old app")
		}
	})
}

func TestUnknownOnceATTL(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		for range 100 {
			expectNone(t, c, "nobody")
		}
		s.expect(t, 1)
		time.Sleep(10 * time.Second)
		expectNone(t, c, "nobody")
		s.expect(t, 1)

		// found by its id, an app is not unknown by its key any more
		s.set("c nobody")
		byID(t, c, "c")
		s.expect(t, 1)
		byKey(t, c, "nobody")
		s.expect(t, 0)
		if n := c.unknown.len(); n != 0 {
			t.Errorf("found %d unknown keys in memory, expected none", n)
		}
	})
}

// What cannot be the name of an app costs no look-up, and is not kept.
func TestImpossibleNames(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		for _, name := range []string{"", "a b", "a\x00", "\xff", "a/b", strings.Repeat("x", 256)} {
			expectNone(t, c, name)
		}
		s.expect(t, 0)
		if n := c.unknown.len(); n != 0 {
			t.Errorf("found %d in memory", n)
		}
	})
}

func TestFloodOfKeysIsBounded(t *testing.T) {
	run(t, Config{MaxUnknown: 50, MaxApps: 10, Lookups: 3}, func(t *testing.T, c *Cache, s *store) {
		a := byKey(t, c, "key-a")
		s.delay = time.Second
		var flood sync.WaitGroup
		var mu sync.Mutex
		answers := make(map[error]int)
		for i := range 1000 {
			flood.Go(func() {
				_, err := c.AppByKey(t.Context(), fmt.Sprint("random-", i))
				mu.Lock()
				defer mu.Unlock()
				answers[err]++
			})
		}
		synctest.Wait()
		if byKey(t, c, "key-a") != a {
			t.Error("a known app was not served")
		}
		flood.Wait()
		// 3 run and 48 wait; after 5 s those that still wait are sent away
		if found := answers[pusherhub.ErrAppNotFound]; found < 15 || found > 18 || found+answers[errBusy] != 1000 {
			t.Errorf("found %v", answers)
		}
		if s.most != 3 {
			t.Errorf("found %d look-ups at once, expected 3", s.most)
		}
		s.delay = 0
		for i := range 1000 {
			expectNone(t, c, fmt.Sprint("more-", i))
		}
		if n := c.unknown.len(); n != 50 {
			t.Errorf("found %d unknown keys in memory, expected 50", n)
		}
	})
}

func TestAppsInMemoryAreBounded(t *testing.T) {
	run(t, Config{MaxApps: 2}, func(t *testing.T, c *Cache, s *store) {
		s.set("a key-a", "b key-b", "c key-c")
		byKey(t, c, "key-a")
		byKey(t, c, "key-b")
		byKey(t, c, "key-a") // used last, so b goes
		byKey(t, c, "key-c")
		s.expect(t, 3)
		byKey(t, c, "key-a")
		s.expect(t, 0)
		byKey(t, c, "key-b")
		s.expect(t, 1)
		if ids, keys := c.known.len(), len(c.known.byKey); ids != 2 || keys != 2 {
			t.Errorf("found %d ids and %d keys, expected 2", ids, keys)
		}
	})
}

// Many ask, one is asked; who leaves takes nobody along.
func TestCoalescing(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		s.delay = time.Second
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := c.AppByKey(ctx, "key-a"); !errors.Is(err, context.Canceled) {
				t.Errorf("found %v", err)
			}
		})
		synctest.Wait() // it is the one that asks
		for range 50 {
			all.Go(func() {
				if app, err := c.AppByKey(t.Context(), "key-a"); err != nil || app.ID() != "a" {
					t.Errorf("found %v %v", app, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
		s.expect(t, 1)
	})
}

func TestStoreThatTakesCaseLightly(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		expectNone(t, c, "KEY-A")
		expectNone(t, c, "KEY-A")
		s.expect(t, 1)
		byKey(t, c, "key-a")
	})
}

func TestKeysChange(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		byKey(t, c, "key-a")
		s.set("a moved", "b key-a") // b has a's key, which is noticed before a's TTL is over
		byID(t, c, "b")
		if key := byID(t, c, "a").Key(); key != "moved" {
			t.Errorf("app a: found key %s, expected the one it has now", key)
		}
		s.set("a key-a")
		time.Sleep(time.Minute)
		byKey(t, c, "key-a")

		s.set("a new", "b key-a") // a has another key, and b has a's
		time.Sleep(time.Minute)
		if id := byKey(t, c, "key-a").ID(); id != "b" {
			t.Errorf("found app %s, expected b", id)
		}
		if key := byID(t, c, "a").Key(); key != "new" {
			t.Errorf("app a: found key %s, expected the new one", key)
		}
		if id := byKey(t, c, "key-a").ID(); id != "b" {
			t.Errorf("found app %s, expected b", id)
		}

		s.set("a newer")
		time.Sleep(time.Minute)
		expectNone(t, c, "new")
		if key := byID(t, c, "a").Key(); key != "newer" {
			t.Errorf("app a: found key %s, expected the newest", key)
		}
		s.set()
		time.Sleep(time.Minute)
		if _, err := c.AppByID(t.Context(), "a"); !errors.Is(err, pusherhub.ErrAppNotFound) {
			t.Errorf("found %v", err)
		}
		expectNone(t, c, "newer")
		if len(c.known.byKey) != 1 || c.known.len() != 1 { // b, which nobody asked for
			t.Errorf("found %v", c.known.byKey)
		}
	})
}

func TestClose(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		a := byKey(t, c, "key-a")
		s.delay = time.Second
		var asks sync.WaitGroup
		asks.Go(func() {
			if _, err := c.AppByKey(t.Context(), "key-b"); !errors.Is(err, errClosed) {
				t.Errorf("found %v", err)
			}
		})
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if s.atOnce != 0 {
			t.Error("a look-up goes on")
		}
		asks.Wait()
		if byKey(t, c, "key-a") != a {
			t.Error("what is known is not served")
		}
		if _, err := c.AppByKey(t.Context(), "key-c"); !errors.Is(err, errClosed) {
			t.Errorf("found %v", err)
		}
	})
}

func TestMeasures(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		byKey(t, c, "key-a")
		byKey(t, c, "key-a")
		expectNone(t, c, "nobody")
		s.fail(errAway)
		time.Sleep(time.Minute)
		byKey(t, c, "key-a")
		found := make(map[string]float64)
		for _, m := range c.Measures() {
			found[m.Name] = m.Value
			if m.Counter != strings.HasSuffix(m.Name, "_total") || m.Help == "" {
				t.Errorf("%+v", m)
			}
		}
		for name, want := range map[string]float64{
			"hits_total": 1, "lookups_total": 3, "lookup_errors_total": 1, "stale_total": 1, "refused_total": 0, "cached_apps": 1, "cached_unknown": 1,
		} {
			if found[name] != want {
				t.Errorf("%s: found %v, expected %v", name, found[name], want)
			}
		}
	})
}
