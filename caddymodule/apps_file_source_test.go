package caddymodule

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// noteRefresh is a hub that notes what it is told.
type noteRefresh struct {
	mu  sync.Mutex
	ids []string // guarded by mu
}

func (n *noteRefresh) IDs() []string { return nil }

func (n *noteRefresh) Refresh(_ context.Context, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids = append(n.ids, id)
}

// told returns the ids that were refreshed.
func (n *noteRefresh) told() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.ids)
}

// A file that is just being written is left alone until it stays as it is: half of a YAML file is a valid one with fewer apps.
func TestFilesThatAreBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "apps.yaml")
		put := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		const one, two = "- {id: a, key: ka, secret: s}\n", "- {id: b, key: kb, secret: s}\n"
		put(one + two)
		module := FileApps{Path: file, Interval: pusherhub.Duration(2 * time.Second), log: zap.NewNop()}
		found, err := module.AppSource(func(app App) (*pusherhub.App, error) { return pusherhub.NewApp(app.AppConfig) })
		if err != nil {
			t.Fatal(err)
		}
		source := found.(*fileSource)
		first := source.Apps()
		hub := new(noteRefresh)
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { source.Watch(ctx, hub) })

		time.Sleep(time.Second)
		put(one) // half of it
		time.Sleep(2 * time.Second)
		put(one + two + "- {id: c, key: kc, secret: s}\n")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if apps := source.Apps(); len(apps) != 2 || len(hub.told()) != 0 {
			t.Errorf("found %d apps and %q: what was not settled was taken", len(apps), hub.told())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if apps := source.Apps(); len(apps) != 3 || apps[0] != first[0] || apps[1] != first[1] {
			t.Errorf("found %d apps, expected 3, of which two are as they were", len(apps))
		}
		if !slices.Equal(hub.told(), []string{"c"}) {
			t.Errorf("the hub was told of %q", hub.told())
		}

		wrong := func() float64 { return source.Measures()[2].Value }
		put("- {id: a}\n")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if wrong() != 1 || len(source.Apps()) != 3 {
			t.Errorf("found %v and %d apps", wrong(), len(source.Apps()))
		}
		put(one + two + "- {id: c, key: kc, secret: s}\n")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if wrong() != 0 {
			t.Error("the files are as they were, and still wrong")
		}
		cancel()
		watch.Wait()
	})
}
