package webhooks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.etcd.io/bbolt"
)

// What happens when apps, plugins and spools go and come back.
func TestLives(t *testing.T) {
	for name, spool := range map[string]string{"in memory": "", "in a spool": t.TempDir()} {
		t.Run("an app that is back before its OnDetach loses nothing, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Config{Spool: spool})
				before := r.app
				r.tell(occupied("a"))
				r.app = newApp(t, "app", testSecret)
				r.attach(nil)
				told := make(chan struct{})
				go func() {
					defer close(told)
					r.tell(occupied("b"))
				}()
				r.plugin.(pusherhub.AttachHook).OnDetach(t.Context(), before)
				<-told
				r.tell(occupied("c"))
				r.detach()
				r.expect(hookURL, "channel_occupied a", "channel_occupied b", "channel_occupied c")
			})
		})
	}

	for _, endpoint := range []string{"refuses", "hangs"} {
		t.Run("a plugin that a reload brings back waits for no endpoint that "+endpoint, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := hubtest.WithCredentials(pusherhub.AppConfig{})
				r := &rig{receiver: newReceiver(t)}
				r.secret = app.Secret
				cfg := Config{Spool: t.TempDir(), Endpoints: []Endpoint{{URL: hookURL, EventTypes: []string{"channel_occupied"}}}}
				with := func(transport http.RoundTripper) pusherhub.AppConfig {
					cfg.Transport = transport
					p, err := New(cfg)
					if err != nil {
						t.Fatal(err)
					}
					app := app
					app.Plugins = []pusherhub.Plugin{p}
					return app
				}
				broken := http.RoundTripper(dead{})
				if endpoint == "hangs" {
					broken = hanging{}
				}
				s := hubtest.NewPipeServer(t, with(broken))
				s.Join(t, "a", "")
				s.Apply(app)
				time.Sleep(time.Second)
				s.Apply(with(r.receiver))
				begun := time.Now()
				s.Join(t, "b", "")
				if took := time.Since(begun); took > 0 {
					t.Errorf("a client waited for %s, expected it not to", took)
				}
				time.Sleep(time.Second)
				r.expect(hookURL, "channel_occupied a", "channel_occupied b")
			})
		})
	}

	for name, to := range map[string]string{"memory": "", "another directory": t.TempDir()} {
		t.Run("a spool that is left for "+name+" loses no hold, and tells no end of what is on", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := Config{Spool: t.TempDir()}
				r := newRig(t, cfg)
				r.tell(occupied("a"), occupied("b"))
				time.Sleep(time.Second)
				r.tell(vacated("a"))
				time.Sleep(time.Second)
				r.reload(Config{Spool: to})
				r.tell(occupied("c"))
				time.Sleep(2*time.Second - time.Nanosecond)
				synctest.Wait()
				r.expect(hookURL, "channel_occupied a", "channel_occupied b", "channel_occupied c")
				time.Sleep(time.Second)
				want := []string{"channel_occupied a", "channel_occupied b", "channel_occupied c", "channel_vacated a"}
				r.expect(hookURL, want...)
				r.reload(cfg)
				time.Sleep(time.Minute)
				r.expect(hookURL, want...)
				r.detach()
			})
		})
	}

	t.Run("a spool knows what was on before it was used", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Spool: t.TempDir()})
			r.tell(occupied("a"))
			time.Sleep(time.Second)
			cfg := Config{Spool: t.TempDir()}
			r.reload(cfg)
			time.Sleep(time.Second)
			after := r.crash(cfg)
			time.Sleep(time.Minute)
			after.expect(hookURL, "channel_vacated a")
			after.detach()
			r.expect(hookURL, "channel_occupied a")
			r.detach()
		})
	})

	for name, to := range map[string]string{"memory": "", "another directory": t.TempDir()} {
		t.Run("what a full disk did not take goes to "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Config{Spool: t.TempDir(), Hold: -1})
				r.tell(occupied("a"))
				time.Sleep(time.Second)
				db := r.plugin.(*keeper).outbox("app").queues.(*spool).db
				_ = db.Update(func(*bbolt.Tx) error { db.MaxSize = 1; return errRefused })
				told, before := make(chan struct{}), *r // the plugin that is replaced meanwhile
				go func() {
					defer close(told)
					large := strings.Repeat("x", 2<<20)
					before.tell(clientEvent("c", large), clientEvent("c", large), vacated("a"), occupied("b"))
				}()
				time.Sleep(5 * time.Second)
				r.reload(Config{Spool: to, Hold: -1})
				<-told
				time.Sleep(time.Minute)
				found := r.events(hookURL)
				if len(found) != 5 || found[0] != "channel_occupied a" || found[3] != "channel_vacated a" || found[4] != "channel_occupied b" {
					t.Errorf("found %.60v, expected a occupied, two events, a vacated, and b occupied", found)
				}
				if dropped := r.measure("dropped_total"); dropped != 0 {
					t.Errorf("%v events are dropped, expected none", dropped)
				}
				r.detach()
			})
		})
	}
}

// hanging is an endpoint that never answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A burst is told to the plugin at once.
func TestSpoolSizeInABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Spool: t.TempDir(), SpoolSize: minSpoolSize})
		r.answers(refuse)
		var burst []pusherhub.Observation
		var want []string
		for i := range 1000 {
			burst = append(burst, clientEvent("c", fmt.Sprint(i, strings.Repeat("x", 10<<10))))
			want = append(want, "client_event c "+burst[i].Data)
		}
		told := make(chan struct{})
		go func() {
			defer close(told)
			r.tell(burst...)
		}()
		time.Sleep(time.Minute)
		if size := r.measure("waiting_bytes"); size > minSpoolSize*3/2 {
			t.Errorf("the spool has %v bytes, expected little more than %d", size, minSpoolSize)
		}
		r.answers(nil)
		<-told
		r.detach()
		r.expect(hookURL, want...)
	})
}
