package appcache

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

var errAway = errors.New("connection refused")

func TestStoreIsAway(t *testing.T) {
	core, log := observer.New(zap.InfoLevel)
	run(t, Config{Logger: zap.New(core)}, func(t *testing.T, c *Cache, s *store) {
		a := byKey(t, c, "key-a")
		s.fail(errAway)
		for range 3 {
			if _, err := c.AppByKey(t.Context(), "key-b"); !errors.Is(err, errAway) {
				t.Fatalf("a key that was not known: found %v", err)
			}
		}
		s.expect(t, 2) // the first, and once for all who came within a moment
		time.Sleep(time.Hour)
		for range 100 {
			if byKey(t, c, "key-a") != a || byID(t, c, "a") != a {
				t.Fatal("a known app was not served")
			}
		}
		s.expect(t, 1)
		time.Sleep(time.Minute)
		if _, err := c.AppByKey(t.Context(), "key-a"); !errors.Is(err, errAway) {
			t.Errorf("after TTL and stale: found %v", err)
		}
		s.set("a key-a")
		time.Sleep(time.Second)
		if byKey(t, c, "key-a") != a {
			t.Error("back again, and not the same app")
		}
		if n := log.Len(); n != 2 {
			t.Errorf("found %d lines in the log, expected one for away and one for back: %v", n, log.All())
		}
	})
}

// A store that hangs keeps nobody waiting who can be served as before.
func TestStoreHangs(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		a := byKey(t, c, "key-a")
		time.Sleep(time.Minute)
		s.delay = time.Hour
		start := time.Now()
		if byKey(t, c, "key-a") != a || time.Since(start) != patience {
			t.Errorf("waited %v, expected %v", time.Since(start), patience)
		}
		time.Sleep(5 * time.Second) // the look-up has failed by now
		for range 10 {
			start = time.Now()
			if byKey(t, c, "key-a") != a || time.Since(start) != 0 {
				t.Errorf("waited %v, expected not to", time.Since(start))
			}
			time.Sleep(3 * time.Second)
		}
		start = time.Now()
		if _, err := c.AppByKey(t.Context(), "key-b"); err == nil || !strings.HasPrefix(err.Error(), "no answer within 5s") {
			t.Errorf("found %v", err)
		}
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// An app that cannot be built is an error of its own and of nobody else.
func TestInvalidApp(t *testing.T) {
	core, log := observer.New(zap.InfoLevel)
	run(t, Config{Logger: zap.New(core)}, func(t *testing.T, c *Cache, s *store) {
		a := byKey(t, c, "key-a")
		s.set("a key-a broken", "b key-b broken", "c key-c", "d key-d panics")
		s.questions()
		for range 10 {
			if _, err := c.AppByKey(t.Context(), "key-b"); err == nil || !strings.Contains(err.Error(), "it is broken") {
				t.Fatalf("found %v", err)
			}
		}
		s.expect(t, 1)
		if _, err := c.AppByKey(t.Context(), "key-d"); err == nil || !strings.Contains(err.Error(), "panic: no way") {
			t.Fatalf("found %v", err)
		}
		byKey(t, c, "key-c")
		for range 10 {
			time.Sleep(time.Minute)
			if byKey(t, c, "key-a") != a {
				t.Fatal("the last valid settings were not kept")
			}
		}
		if n := log.FilterMessageSnippet("not valid").Len(); n != 1 {
			t.Errorf("found it %d times in the log, expected once: %v", n, log.All())
		}
		s.set("a key-a mended")
		time.Sleep(time.Minute)
		byKey(t, c, "key-a") // asks in the background
		synctest.Wait()
		if byKey(t, c, "key-a") == a {
			t.Error("the mended app is not in use")
		}
	})
}

// After the time for which it is served as before, an app is asked for no more often than one that is not known.
func TestStoreIsAwayForLong(t *testing.T) {
	run(t, Config{Stale: -1}, func(t *testing.T, c *Cache, s *store) {
		a := byKey(t, c, "key-a")
		s.fail(errAway)
		time.Sleep(time.Minute)
		s.questions()
		for range 10 {
			if _, err := c.AppByKey(t.Context(), "key-a"); !errors.Is(err, errAway) {
				t.Fatalf("found %v", err)
			}
		}
		s.expect(t, 1)
		s.set("a key-a")
		time.Sleep(time.Second)
		if byKey(t, c, "key-a") != a {
			t.Error("back again, and not the same app")
		}
	})
}

// Who waited for the store in vain gets what is known by then, not what was known when he asked.
func TestChangedWhileSomebodyWaits(t *testing.T) {
	run(t, Config{}, func(t *testing.T, c *Cache, s *store) {
		a := byKey(t, c, "key-a")
		time.Sleep(time.Minute)
		s.delay = time.Hour
		var wait sync.WaitGroup
		wait.Go(func() {
			if byKey(t, c, "key-a") == a {
				t.Error("found the app as it was")
			}
		})
		wait.Go(func() {
			if _, err := c.AppByKey(t.Context(), "key-b"); err == nil {
				t.Error("found key-b")
			}
		})
		synctest.Wait()
		s.delay = 0
		s.set("a key-a changed")
		byID(t, c, "a")
		wait.Wait()
	})
}

// A store that fails for some names and answers for others does not fill the log: strangers choose the names.
func TestStoreFailsNowAndThen(t *testing.T) {
	core, log := observer.New(zap.InfoLevel)
	run(t, Config{Logger: zap.New(core)}, func(t *testing.T, c *Cache, s *store) {
		for i := range 100 {
			s.fail(errAway)
			if _, err := c.AppByKey(t.Context(), fmt.Sprint("odd-", i)); !errors.Is(err, errAway) {
				t.Fatalf("found %v", err)
			}
			s.set("a key-a")
			expectNone(t, c, fmt.Sprint("even-", i))
		}
		if n := log.Len(); n != 2 {
			t.Errorf("found %d lines in the log, expected one for away and one for back", n)
		}
	})
}
