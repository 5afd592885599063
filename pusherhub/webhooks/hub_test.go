package webhooks

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// newServer returns a hub whose app has the plugin, and what the plugin's endpoint receives.
func newServer(t *testing.T, cfg Config, app pusherhub.AppConfig) (*hubtest.Server, *rig) {
	app = hubtest.WithCredentials(app)
	r := &rig{receiver: newReceiver(t)}
	r.secret = app.Secret
	r.plugin = r.build(cfg)
	app.Plugins = []pusherhub.Plugin{r.plugin}
	return hubtest.NewPipeServer(t, app), r
}

func TestHub(t *testing.T) {
	t.Run("T38 one miss webhook per burst", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, r := newServer(t, Config{Endpoints: []Endpoint{{URL: hookURL, EventTypes: []string{"cache_miss"}}}}, pusherhub.AppConfig{})
			burst := func() {
				for range 10 {
					s.Join(t, "cache-x", "").Expect("pusher:cache_miss")
				}
				time.Sleep(time.Second)
			}
			burst()
			r.expect(hookURL, "cache_miss cache-x")
			time.Sleep(5 * time.Second)
			burst()
			r.expect(hookURL, "cache_miss cache-x", "cache_miss cache-x")
			s.Publish("cache-x", "e", "d")
			time.Sleep(10 * time.Second)
			s.Join(t, "cache-x", "").Expect("e")
			time.Sleep(time.Second)
			r.expect(hookURL, "cache_miss cache-x", "cache_miss cache-x")
		})
	})

	for _, spool := range []bool{false, true} {
		name := "in memory"
		if spool {
			name = "in a spool"
		}
		t.Run("T58 T61 what a hub observes, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := Config{Endpoints: []Endpoint{{URL: hookURL, EventTypes: slices.Concat(pusherEvents, []string{"user_online", "user_offline", "undelivered"})}}}
				if spool {
					cfg.Spool = t.TempDir()
				}
				s, r := newServer(t, cfg, pusherhub.AppConfig{})
				join := func(user string) *hubtest.Client { return s.Join(t, "presence-x", `{"user_id":"`+user+`"}`) }
				a := join("1")
				b := join("2")
				a.Send(hubtest.EventFrame("client-typing", "presence-x", map[string]any{"a": 1}))
				b.Expect("client-typing")
				b.Close()
				time.Sleep(2 * time.Second)
				b = join("2")
				b.Close()
				time.Sleep(4 * time.Second)
				s.Publish("empty", "e", "d")
				want := []string{
					"channel_occupied presence-x", "member_added presence-x 1", "member_added presence-x 2",
					`client_event presence-x 1 {"a":1}`, "member_removed presence-x 2", "undelivered empty d",
				}
				time.Sleep(time.Second)
				r.expect(hookURL, want...)
				a.Close()
				synctest.Wait()
				if err := s.Hub.Close(); err != nil {
					t.Fatal(err)
				}
				r.expect(hookURL, append(want, "member_removed presence-x 1", "channel_vacated presence-x")...)
			})
		})
	}
}
