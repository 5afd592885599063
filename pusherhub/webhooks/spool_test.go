package webhooks

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.etcd.io/bbolt"
)

// crash has a second process find what the first would leave behind if it were killed now: a copy of its files.
func (r *rig) crash(cfg Config) *rig {
	r.t.Helper()
	next := &rig{receiver: newReceiver(r.t), app: r.app}
	dir := r.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(cfg.Spool)); err != nil {
		r.t.Fatal(err)
	}
	cfg.Spool = dir
	next.plugin = next.build(cfg)
	next.attach(nil)
	return next
}

func TestSpool(t *testing.T) {
	t.Run("a killed process loses nothing, in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Spool: t.TempDir(), Endpoints: []Endpoint{{URL: hookURL}, {URL: otherURL}}}
			r := newRig(t, cfg)
			r.answers(func(got received) (int, error) {
				if got.url == hookURL && got.try > 1 {
					return 503, nil
				}
				return 200, nil
			})
			first, want := numbered("c", 0, 250)
			r.tell(first...)
			time.Sleep(time.Second)
			after := r.crash(cfg)
			second, more := numbered("c", 250, 10)
			after.tell(second...)
			time.Sleep(time.Second)
			after.expect(hookURL, append(slices.Clone(want[100:]), more...)...)
			after.expect(otherURL, more...)
			if waiting := after.measure("waiting_events"); waiting != 0 {
				t.Errorf("%v events wait, expected none", waiting)
			}
			after.detach()
			r.answers(nil)
			r.detach()
			r.expect(hookURL, want...)
			r.expect(otherURL, want...)
		})
	})

	t.Run("after a crash, states that do not return are told as ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Spool: t.TempDir()}
			r := newRig(t, cfg)
			r.tell(occupied("presence-a"), added("presence-a", "1"), added("presence-a", "2"), occupied("b"), occupied("c"), vacated("c"), occupied("d"), vacated("d"))
			time.Sleep(2 * time.Second)
			r.tell(occupied("e"), vacated("e"), vacated("f")) // f was occupied before the plugin was there
			time.Sleep(1100 * time.Millisecond)               // c and d are told, e and f are held
			after := r.crash(cfg)
			time.Sleep(2 * time.Second)
			after.tell(occupied("presence-a"), added("presence-a", "1"), occupied("d"))
			time.Sleep(time.Second - time.Nanosecond)
			synctest.Wait()
			after.expect(hookURL, "channel_occupied d")
			time.Sleep(time.Second)
			found := after.events(hookURL)
			slices.Sort(found[2:]) // in any order, after the members
			if want := []string{"channel_occupied d", "member_removed presence-a 2", "channel_vacated b", "channel_vacated e", "channel_vacated f"}; !slices.Equal(found, want) {
				t.Errorf("found %v, expected %v", found, want)
			}
			// once more: what was told as ended is forgotten, what is on is not
			cfg.Spool = after.plugin.(*keeper).settings.spool
			last := after.crash(cfg)
			time.Sleep(4 * time.Second)
			found = last.events(hookURL)
			slices.Sort(found[1:])
			if want := []string{"member_removed presence-a 1", "channel_vacated d", "channel_vacated presence-a"}; !slices.Equal(found, want) {
				t.Errorf("found %v, expected %v", found, want)
			}
			for _, r := range []*rig{last, after, r} {
				r.detach()
			}
		})
	})

	t.Run("who detaches leaves what could not be delivered, and no states", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Spool: t.TempDir()}
			r := newRig(t, cfg)
			r.answers(refuse)
			r.tell(occupied("a"), occupied("b"), vacated("b"))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			r.plugin.(pusherhub.AttachHook).OnDetach(ctx, r.app)
			r.expect(hookURL)
			if r.log.FilterMessageSnippet("left in the spool").Len() != 1 {
				t.Error("the log does not say that events are left")
			}
			r.answers(nil)
			r.plugin = r.build(cfg)
			r.attach(nil)
			time.Sleep(time.Minute)
			r.expect(hookURL, "channel_occupied a", "channel_occupied b", "channel_vacated b")
			r.detach()
		})
	})

	t.Run("a full spool has the hub wait, and nothing is lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Spool: t.TempDir(), SpoolSize: minSpoolSize}
			r := newRig(t, cfg)
			r.answers(refuse)
			event := strings.Repeat("x", 10<<10)
			const told = 300
			kept := make(chan int, told)
			go func() {
				defer close(kept)
				for i := range told {
					r.tell(clientEvent("c", fmt.Sprint(i, " ", event)))
					kept <- i
				}
			}()
			time.Sleep(time.Minute)
			if n := len(kept); n < 50 || n > 110 {
				t.Fatalf("%d events of 10 KiB are kept in 1 MiB", n)
			}
			if size := r.measure("waiting_bytes"); size > minSpoolSize*11/10 {
				t.Errorf("the spool has %v bytes, expected hardly more than %d", size, minSpoolSize)
			}
			if r.log.FilterMessageSnippet("the spool is full").Len() == 0 {
				t.Error("the log does not say that the spool is full")
			}
			// what is held does not wait, nor does the hub when it closes
			r.answers(nil)
			for range kept {
				continue
			}
			r.detach()
			found := r.events(hookURL)
			if len(found) != told {
				t.Fatalf("%d events are delivered, expected %d", len(found), told)
			}
			for i, e := range found {
				if !strings.HasPrefix(e, fmt.Sprint("client_event c ", i, " ")) {
					t.Fatalf("event %d is %.30s", i, e)
				}
			}
			file, err := os.Stat(filepath.Join(cfg.Spool, "app.db"))
			if err != nil || file.Size() > 3<<20 {
				t.Errorf("the file has %d bytes, expected at most 3 MiB (%v)", file.Size(), err)
			}
		})
	})

	t.Run("a full spool makes no hub that closes wait, and holds what is held", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Spool: t.TempDir(), SpoolSize: minSpoolSize}
			r := newRig(t, cfg)
			r.answers(refuse)
			r.tell(occupied("a"), vacated("a"), clientEvent("c", strings.Repeat("x", minSpoolSize)))
			closing, closes := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				last := occupied("b")
				last.App = "app"
				r.plugin.(pusherhub.KeepingObserver).Keep(closing, []pusherhub.Observation{last})
			}()
			time.Sleep(10 * time.Second)
			select {
			case <-done:
				t.Error("Keep did not wait")
			default:
			}
			closes()
			<-done
			ended, end := context.WithCancel(t.Context())
			end()
			r.plugin.(pusherhub.AttachHook).OnDetach(ended, r.app)
			r.answers(nil)
			r.plugin = r.build(cfg)
			r.attach(nil)
			time.Sleep(time.Second)
			found := r.events(hookURL)
			if len(found) != 4 || found[0] != "channel_occupied a" || !slices.Contains(found, "channel_vacated a") || !slices.Contains(found, "channel_occupied b") {
				t.Errorf("found %.50v, expected a occupied, an event, a vacated and b occupied", found)
			}
			r.detach()
		})
	})

	t.Run("what cannot be written is tried again, in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Spool: t.TempDir(), Endpoints: []Endpoint{{URL: hookURL}, {URL: otherURL}}})
			r.answers(refuse)
			r.tell(occupied("a"), vacated("a"))
			synctest.Wait() // in a bubble no time passes while somebody waits for a lock
			db := r.plugin.(*keeper).outbox("app").queues.(*spool).db
			limit := func(size int) { _ = db.Update(func(*bbolt.Tx) error { db.MaxSize = size; return errRefused }) }
			limit(1) // as if the disk were full
			told := make(chan struct{})
			go func() {
				defer close(told)
				r.tell(clientEvent("c", strings.Repeat("x", 1<<20)))
				r.tell(occupied("b"))
			}()
			time.Sleep(time.Second - time.Nanosecond)
			synctest.Wait()
			select {
			case <-told:
				t.Error("Keep did not wait")
			default:
			}
			if r.log.FilterMessageSnippet("cannot be stored").Len() != 1 {
				t.Error("the log does not say that events cannot be stored")
			}
			limit(0)
			<-told
			r.answers(nil)
			r.detach()
			for _, url := range []string{hookURL, otherURL} {
				if found := r.events(url); len(found) != 4 || found[0] != "channel_occupied a" || found[2] != "channel_occupied b" || found[3] != "channel_vacated a" {
					t.Errorf("%s has taken %.60v", url, found)
				}
			}
		})
	})

	t.Run("an endpoint that fails for too long does not fill the spool for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Spool: t.TempDir()})
			r.answers(refuse)
			o, _ := numbered("c", 0, 150)
			r.tell(o...)
			time.Sleep(5*time.Minute + time.Second)
			if dropped, waiting := r.measure("dropped_total"), r.measure("waiting_events"); dropped != 100 || waiting != 50 {
				t.Errorf("%v events are dropped and %v wait, expected 100 and 50", dropped, waiting)
			}
			time.Sleep(5 * time.Minute)
			if dropped, waiting := r.measure("dropped_total"), r.measure("waiting_events"); dropped != 150 || waiting != 0 {
				t.Errorf("%v events are dropped and %v wait, expected 150 and 0", dropped, waiting)
			}
			r.detach()
		})
	})

	t.Run("a file that somebody else has open is waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Spool: t.TempDir()}
			r := newRig(t, cfg)
			r.tell(occupied("a"))
			other := &rig{receiver: newReceiver(t), app: r.app}
			other.plugin = other.build(cfg)
			other.attach(nil)
			told := make(chan struct{})
			go func() {
				defer close(told)
				other.tell(occupied("b"))
			}()
			time.Sleep(time.Minute)
			if other.log.FilterMessageSnippet("cannot be opened").FilterFieldKey("error").Len() == 0 {
				t.Error("the log does not say that the spool cannot be opened")
			}
			for _, entry := range other.log.All() {
				if err := entry.ContextMap()["error"]; err != errSpoolTaken.Error() {
					t.Errorf("the log says %v, expected %v", err, errSpoolTaken)
				}
			}
			select {
			case <-told:
				t.Error("Keep did not wait")
			default:
			}
			r.detach()
			<-told
			other.detach()
			r.expect(hookURL, "channel_occupied a")
			other.expect(hookURL, "channel_occupied b")
		})
	})

	t.Run("a hub that closes does not wait for a file", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Spool: t.TempDir()}
			r := newRig(t, cfg)
			r.tell(occupied("a"))
			other := &rig{receiver: newReceiver(t), app: r.app}
			other.plugin = other.build(cfg)
			other.attach(nil)
			figures := other.plugin.(*keeper).outbox("app").figures
			closing, closes := context.WithTimeout(t.Context(), time.Second)
			defer closes()
			o := occupied("b")
			o.App = "app"
			other.plugin.(pusherhub.KeepingObserver).Keep(closing, []pusherhub.Observation{o})
			other.detach()
			if lost := figures.dropped.Load(); lost != 1 {
				t.Errorf("%d events are counted as lost, expected 1", lost)
			}
			r.detach()
		})
	})

	t.Run("a file that cannot be read is moved aside", func(t *testing.T) {
		const page = 4096
		spooled := func(cut func(file []byte) []byte) []byte {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Config{Spool: dir})
				r.answers(refuse)
				o, _ := numbered("c", 0, 1000)
				r.tell(o...)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				r.plugin.(pusherhub.AttachHook).OnDetach(ctx, r.app)
			})
			file, err := os.ReadFile(filepath.Join(dir, "app.db"))
			if err != nil {
				t.Fatal(err)
			}
			return cut(file)
		}
		garbage := []byte(strings.Repeat("garbage ", page))
		for name, garbage := range map[string][]byte{
			"garbage":         garbage,
			"cut short":       spooled(func(file []byte) []byte { return file[:4*page] }),
			"garbage inside":  spooled(func(file []byte) []byte { return slices.Concat(file[:2*page], garbage, file[2*page+len(garbage):]) }),
			"zeros inside":    spooled(func(file []byte) []byte { clear(file[4*page:]); return file }),
			"garbled content": spooled(func(file []byte) []byte { return bytes.ReplaceAll(file, []byte(`{"name"`), []byte("garbage")) }),
		} {
			t.Run(name, func(t *testing.T) { movedAside(t, garbage) })
		}
	})

	t.Run("apps share a directory, whatever their ids are", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			r := newRig(t, Config{Spool: dir})
			first := r.app
			for _, id := range []string{"..", "other-app"} {
				r.app = newApp(t, id, testSecret)
				r.attach(nil)
				r.tell(occupied(id))
				r.detach()
			}
			r.app = first
			r.tell(occupied("first"))
			r.detach()
			r.expect(hookURL, "channel_occupied ..", "channel_occupied other-app", "channel_occupied first")
			files, err := filepath.Glob(filepath.Join(dir, "*.db"))
			if err != nil || len(files) != 3 {
				t.Errorf("found the files %v (%v), expected 3", files, err)
			}
		})
	})
}

// movedAside expects a file of that content to be moved aside when it is opened, and that everything works nevertheless.
func movedAside(t *testing.T, garbage []byte) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "app.db"), garbage, 0o600); err != nil {
			t.Fatal(err)
		}
		r := newRig(t, Config{Spool: dir})
		r.tell(occupied("a"))
		r.detach()
		r.expect(hookURL, "channel_occupied a")
		aside, err := filepath.Glob(filepath.Join(dir, "app.db.corrupt-*"))
		if err != nil || len(aside) != 1 {
			t.Fatalf("found the files %v (%v), expected one", aside, err)
		}
		if found, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(found, garbage) {
			t.Errorf("what is moved aside is not what was there (%v)", err)
		}
		if r.log.FilterMessageSnippet("moved aside").Len() != 1 {
			t.Error("the log does not say that the file is moved aside")
		}
	})
}
