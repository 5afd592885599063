package appcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// hub is what a cache sees of a hub: apps with sockets, which ask the cache when they are refreshed.
type hub struct {
	cache *Cache

	mu        sync.Mutex
	ids       []string                  // guarded by mu
	refreshed []string                  // guarded by mu
	apps      map[string]*pusherhub.App // guarded by mu
}

func (h *hub) IDs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ids)
}

func (h *hub) Refresh(ctx context.Context, id string) {
	app, err := h.cache.AppByID(ctx, id)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refreshed = append(h.refreshed, id)
	if errors.Is(err, pusherhub.ErrAppNotFound) {
		h.ids = slices.DeleteFunc(h.ids, func(other string) bool { return other == id })
	}
	h.apps[id] = app
}

// told returns the ids that were refreshed since the last time, in order.
func (h *hub) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := slices.Sorted(slices.Values(h.refreshed))
	h.refreshed = nil
	return ids
}

func watching(t *testing.T, cfg Config, f func(t *testing.T, h *hub, s *store)) {
	t.Helper()
	run(t, cfg, func(t *testing.T, c *Cache, s *store) {
		h := &hub{cache: c, ids: []string{"a", "b"}, apps: make(map[string]*pusherhub.App)}
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { c.Watch(ctx, h) })
		synctest.Wait()
		f(t, h, s)
		cancel()
		watch.Wait()
	})
}

func (h *hub) expect(t *testing.T, ids ...string) {
	t.Helper()
	synctest.Wait()
	if told := h.told(); !slices.Equal(told, ids) {
		t.Fatalf("the hub was told of %q, expected %q", told, ids)
	}
}

func TestWatch(t *testing.T) {
	watching(t, Config{}, func(t *testing.T, h *hub, s *store) {
		h.expect(t, "a", "b")
		first := h.apps["a"]
		s.expect(t, 2)

		// one question for each app and TTL, whoever else asks; nothing changed, nobody is told
		for range 60 {
			time.Sleep(time.Second)
			byKey(t, h.cache, "key-a")
		}
		h.expect(t)
		if n := s.questions(); n > 3 {
			t.Errorf("the store was asked %d times", n)
		}

		s.set("a key-a changed", "b key-b")
		time.Sleep(time.Minute)
		h.expect(t, "a")
		if h.apps["a"] == first {
			t.Error("told, but not of the change")
		}

		// somebody else notices it first
		s.set("a key-a again", "b key-b")
		h.cache.mu.Lock()
		h.cache.known.find(question{name: "a"}).expires = time.Time{}
		h.cache.mu.Unlock()
		byKey(t, h.cache, "key-a")
		time.Sleep(time.Minute)
		h.expect(t, "a")

		s.fail(errAway)
		time.Sleep(10 * time.Minute)
		h.expect(t)

		s.set("a key-a again")
		time.Sleep(time.Minute)
		h.expect(t, "b")
		if h.apps["b"] != nil || !slices.Equal(h.IDs(), []string{"a"}) {
			t.Errorf("found %v", h.apps["b"])
		}
	})
}

// A store that hangs costs a round a few look-ups, however many apps there are; a broken app is no reason to stop.
func TestWatchGivesUp(t *testing.T) {
	watching(t, Config{Lookups: 2}, func(t *testing.T, h *hub, s *store) {
		var ids, texts []string
		for i := range 100 {
			ids = append(ids, fmt.Sprint("app-", i))
			text := fmt.Sprint("app-", i, " key-", i)
			if i < 10 {
				text += " broken"
			}
			texts = append(texts, text)
		}
		s.set(texts...)
		h.mu.Lock()
		h.ids = ids
		h.mu.Unlock()
		h.told()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(h.told()); n != 90 {
			t.Errorf("the hub was told of %d apps, expected 90", n)
		}
		s.questions()

		s.mu.Lock()
		s.delay = time.Hour
		s.mu.Unlock()
		time.Sleep(time.Minute + 50*time.Second)
		s.expect(t, giveUp)
	})
}

// A flood of strangers does not keep the watch from noticing a change.
func TestWatchUnderFlood(t *testing.T) {
	watching(t, Config{Lookups: 1}, func(t *testing.T, h *hub, s *store) {
		h.told()
		s.mu.Lock()
		s.texts = []string{"a key-a changed", "b key-b"}
		s.delay = 4 * time.Second
		s.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		for i := range 40 {
			flood.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					_, _ = h.cache.AppByKey(ctx, fmt.Sprint("random-", i, "-", n))
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		time.Sleep(time.Minute + 10*time.Second)
		h.expect(t, "a")
		cancel()
		flood.Wait()
	})
}
