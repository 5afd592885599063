package webhooks

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

func TestMemory(t *testing.T) {
	t.Run("a queue is bounded, what it does not hold is counted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{MaxQueue: 900, Endpoints: []Endpoint{{URL: hookURL}, {URL: otherURL}}})
			r.answers(func(got received) (int, error) {
				if got.url == hookURL {
					return 0, errRefused
				}
				return 200, nil
			})
			var want []string
			for i := range 10 {
				o, more := numbered("c", i, 1)
				r.tell(o...) // 85 bytes each
				time.Sleep(time.Second)
				want = append(want, more...)
			}
			if dropped, size := r.measure("dropped_total"), r.measure("waiting_bytes"); dropped != 0 || size != 850 {
				t.Errorf("%v are dropped and %v bytes wait, expected 0 and 850", dropped, size)
			}
			o, more := numbered("c", 10, 5)
			for i := range o {
				r.tell(o[i])
				time.Sleep(time.Second)
			}
			if dropped := r.measure("dropped_total"); dropped != 5 {
				t.Errorf("%v are dropped, expected 5", dropped)
			}
			r.expect(otherURL, slices.Concat(want, more)...)
			if found := r.log.FilterMessage("webhook events are dropped: the queue of an endpoint is full").Len(); found != 1 {
				t.Errorf("the log says it %d times, expected once", found)
			}
			r.answers(nil)
			r.detach()
			r.expect(hookURL, want...)
		})
	})

	t.Run("detaching ends with its context and counts what is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			r.answers(refuse)
			r.tell(occupied("c"), occupied("d"), vacated("c"))
			time.Sleep(time.Second)
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			figures := r.plugin.(*plugin).outbox("app").figures
			r.plugin.(pusherhub.AttachHook).OnDetach(ctx, r.app)
			if took := time.Since(begun); took != 2*time.Second {
				t.Errorf("it took %s, expected 2s", took)
			}
			if dropped := figures.dropped.Load(); dropped != 3 {
				t.Errorf("%d are dropped, expected 3", dropped)
			}
			if r.log.FilterMessage("webhook events are lost").FilterField(zap.Int("events", 3)).Len() != 1 {
				t.Error("the log does not say that 3 events are lost")
			}
		})
	})

	t.Run("one request never mixes apps", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			other, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "other", Key: "other-key", Secret: testSecret})
			if err != nil {
				t.Fatal(err)
			}
			hook, observer := r.plugin.(pusherhub.AttachHook), r.plugin.(pusherhub.Observer)
			hook.OnAttach(other, nil)
			for _, o := range []pusherhub.Observation{occupied("a"), occupied("b"), occupied("c")} {
				for _, o.App = range []string{"app", "other"} {
					observer.Observe(o)
				}
			}
			hook.OnDetach(t.Context(), other)
			r.detach()
			for _, key := range []string{testKey, "other-key"} {
				var found []string
				for _, request := range r.all() {
					if request.header.Get(headerKey) == key {
						found = append(found, request.events(t)...)
					}
				}
				if want := []string{"channel_occupied a", "channel_occupied b", "channel_occupied c"}; !slices.Equal(found, want) {
					t.Errorf("%s is told %v, expected %v", key, found, want)
				}
			}
		})
	})
}

func TestReload(t *testing.T) {
	kinds := []struct{ name, from, to string }{{"in memory", "", ""}, {"in a spool", "a", "a"}, {"from memory to a spool", "", "a"}}
	for _, kind := range kinds {
		t.Run("queues, holds and figures outlive a change of settings, "+kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir() + "/"
				place := func(name string) string {
					if name == "" {
						return ""
					}
					return dir + name
				}
				r := newRig(t, Config{Spool: place(kind.from), Endpoints: []Endpoint{{URL: hookURL}, {URL: otherURL}}})
				r.answers(refuse)
				r.tell(occupied("a"), occupied("b"), vacated("a"), vacated("b"))
				time.Sleep(time.Second)
				one := occupied("a")
				one.App = "app"
				old := pluginOf(r.plugin).outbox("app")
				r.reload(Config{Spool: place(kind.to)})
				r.answers(nil)
				synctest.Wait()
				old.tell(t.Context(), []pusherhub.Observation{one}) // the plugin was being told when it was replaced
				r.tell(occupied("c"))
				time.Sleep(time.Minute)
				r.expect(hookURL, "channel_occupied a", "channel_occupied b", "channel_occupied c", "channel_vacated b")
				r.expect(otherURL)
				if dropped := r.measure("dropped_total"); dropped != 2 {
					t.Errorf("%v are dropped, expected the 2 of the endpoint that is gone", dropped)
				}
				if r.log.FilterMessage("webhook events are dropped: their endpoint is no longer configured").Len() != 1 {
					t.Errorf("the log does not say that events are dropped")
				}
				if events := r.measure("events_total"); events != 4 {
					t.Errorf("%v events are counted, expected 4", events)
				}
				r.detach()
			})
		})
	}

	for name, to := range map[string]string{"to memory": "", "to another directory": t.TempDir()} {
		t.Run("what is in a spool stays there when it is left, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := Config{Spool: t.TempDir()}
				r := newRig(t, cfg)
				r.answers(refuse)
				r.tell(occupied("a"))
				time.Sleep(time.Second)
				old := r.plugin
				r.reload(Config{Spool: to})
				r.answers(nil)
				r.tell(occupied("b"))
				last := occupied("c")
				last.App = "app"
				old.(pusherhub.KeepingObserver).Keep(t.Context(), []pusherhub.Observation{last})
				time.Sleep(time.Minute)
				r.expect(hookURL, "channel_occupied b", "channel_occupied c")
				r.reload(cfg)
				time.Sleep(time.Minute)
				r.expect(hookURL, "channel_occupied b", "channel_occupied c", "channel_occupied a")
				r.detach()
			})
		})
	}

	t.Run("the plugin stays, the app changes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			r.tell(occupied("a"))
			r.attach(r.plugin)
			r.tell(occupied("b"))
			r.detach()
			r.expect(hookURL, "channel_occupied a", "channel_occupied b")
		})
	})

	t.Run("an app that was detached can come back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, spool := range []string{"", t.TempDir()} {
				r := newRig(t, Config{Spool: spool})
				r.tell(occupied("a"))
				r.detach()
				r.attach(nil)
				r.tell(occupied("b"))
				r.detach()
				r.expect(hookURL, "channel_occupied a", "channel_occupied b")
			}
		})
	})
}

func TestConfig(t *testing.T) {
	endpoint := func(e Endpoint) Config { return Config{Endpoints: []Endpoint{e}} }
	for want, cfg := range map[string]Config{
		"endpoints: found none": {},
		`url: found "ftp://h/", expected https://… or site:/path`:   endpoint(Endpoint{URL: "ftp://h/"}),
		`url: found "", expected`:                                   endpoint(Endpoint{}),
		`url: found "https:", expected`:                             endpoint(Endpoint{URL: "https:"}),
		`url: found what is no URL`:                                 endpoint(Endpoint{URL: "https://u:hush\x00@h/"}),
		`there is no site here`:                                     endpoint(Endpoint{URL: "site:/path"}),
		`event_types: found "x", expected one of channel_occupied,`: endpoint(Endpoint{URL: hookURL, EventTypes: []string{"x"}}),
		`headers: found the name "a b"`:                             endpoint(Endpoint{URL: hookURL, Headers: map[string]string{"a b": "hush"}}),
		`headers: found x-pusher-signature, expected others`:        endpoint(Endpoint{URL: hookURL, Headers: map[string]string{"x-pusher-signature": "hush"}}),
		`found a control character in the value of X-A`:             endpoint(Endpoint{URL: hookURL, Headers: map[string]string{"X-A": "hush\n"}}),
		`headers: found X-A twice`:                                  endpoint(Endpoint{URL: hookURL, Headers: map[string]string{"X-A": "hush", "x-a": "hush"}}),
		`headers: found others than those of an endpoint before it`: {Endpoints: []Endpoint{{URL: hookURL}, {URL: hookURL, Headers: map[string]string{"X-A": "hush"}}}},
		`timeout: found "off"`:                                      {Timeout: -1},
		`batch_size: found -2`:                                      {BatchSize: -2},
		`spool_size: found 5 bytes, expected at least 1048576`:      {SpoolSize: 5},
	} {
		_, err := New(cfg)
		if err == nil || !strings.HasPrefix(err.Error(), "webhooks: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("found the error %v, expected one with %q", err, want)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("the error %q shows a secret", err)
		}
	}
}

// Nothing that may be secret stands in the log.
func TestLogSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Endpoints: []Endpoint{{URL: "https://me:hush@hooks.example/a?token=hush", Headers: map[string]string{"X-Token": "hush"}}}})
		r.answers(refuse)
		r.tell(clientEvent("c", "hush"))
		time.Sleep(time.Second)
		r.reload(Config{})
		time.Sleep(10 * time.Minute)
		r.detach()
		entries := r.log.All()
		if len(entries) == 0 {
			t.Fatal("nothing is logged")
		}
		encoder := zap.NewProductionEncoderConfig()
		for _, entry := range entries {
			line, err := zapJSON(encoder, entry)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(line, "hush") || strings.Contains(line, testSecret) {
				t.Errorf("the log shows a secret: %s", line)
			}
		}
	})
}
