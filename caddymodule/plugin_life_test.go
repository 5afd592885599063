package caddymodule_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(Lodger{})
}

// Lodger makes plugins that write down when they come and go.
type Lodger struct {
	Label string `json:"label,omitempty"`
}

func (Lodger) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.pusher_hub.plugins.lodger",
		New: func() caddy.Module { return new(Lodger) },
	}
}

// UnmarshalCaddyfile reads
//
//	lodger <label>
func (l *Lodger) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&l.Label) {
		return d.ArgErr()
	}
	return nil
}

func (l *Lodger) Plugin() (pusherhub.Plugin, error) { return guestBook.newLodger(l.Label), nil }

var _ caddymodule.PluginModule = (*Lodger)(nil)

// lodger is one value: the label that its config gives it, and its number among all that were made in this test.
type lodger struct{ self string }

func (*lodger) Name() string { return "lodger" }

func (l *lodger) OnAttach(app *pusherhub.App, old pusherhub.Plugin) {
	before := "nobody"
	if old, ok := old.(*lodger); ok {
		before = old.self
	}
	guestBook.write("%s comes to %s after %s", l.self, app.ID(), before)
}

func (l *lodger) OnDetach(_ context.Context, app *pusherhub.App) {
	guestBook.write("%s leaves %s", l.self, app.ID())
}

// guestBook is where lodgers sign. There is one live Caddy at a time.
var guestBook book

type book struct {
	mu    sync.Mutex
	made  int      // guarded by mu
	lines []string // guarded by mu
}

func (b *book) newLodger(label string) *lodger {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made++
	return &lodger{fmt.Sprintf("%s#%d", label, b.made)}
}

func (b *book) write(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

// open begins a new book.
func (b *book) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made, b.lines = 0, nil
}

// expect waits for these lines: who comes in this order, who leaves at any time, since nobody waits for that.
func (b *book) expect(t *testing.T, want ...string) {
	t.Helper()
	hubtest.Eventually(t, fmt.Sprintf("the lines %q", want), func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.lines) >= len(want)
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	leaves := func(line string) bool { return strings.Contains(line, " leaves ") }
	slices.SortStableFunc(b.lines, func(x, y string) int {
		switch {
		case leaves(x) && leaves(y):
			return strings.Compare(x, y)
		case leaves(x):
			return 1
		case leaves(y):
			return -1
		}
		return 0
	})
	if !slices.Equal(b.lines, want) {
		t.Errorf("found %q, expected %q", b.lines, want)
	}
	b.lines = nil
}

// lodging is a site with a hub that has these lines.
func lodging(lines ...string) string {
	return ":PORT {\n pusher_hub {\n drain 100ms\n" + strings.Join(lines, "\n") + "\n}\n}\n"
}

// What plugins are told when configs come and go. Each config makes new values; who stands in whose place is what an app's first, second, ...
// plugin of a name is, the hub's before its own.
func TestPluginLife(t *testing.T) {
	l := newLive(t)
	guestBook.open()
	one, two := appBlock("one", "lodger own"), appBlock("two")
	l.mustLoad(lodging("lodger all", one, two))
	guestBook.expect(t, "all#1 comes to one after nobody", "own#2 comes to one after nobody", "all#1 comes to two after nobody")
	client := hubtest.Dial(t, l.url(), "key-one", "")

	for _, step := range []struct {
		name, config string
		want         []string
	}{
		{"the same config", lodging("lodger all", one, two), []string{
			"all#3 comes to one after all#1", "own#4 comes to one after own#2", "all#3 comes to two after all#1",
		}},
		{"another setting of the plugin", lodging("lodger each", one, two), []string{
			"each#5 comes to one after all#3", "own#6 comes to one after own#4", "each#5 comes to two after all#3",
		}},
		{"an app loses its plugin", lodging("lodger each", appBlock("one"), two), []string{
			"each#7 comes to one after each#5", "each#7 comes to two after each#5", "own#6 leaves one",
		}},
		{"all apps lose it", lodging(appBlock("one"), two), []string{"each#7 leaves one", "each#7 leaves two"}},
		{"an app gets one", lodging(one, two), []string{"own#8 comes to one after nobody"}},
		{"one more of that name before it", lodging("lodger all", one, two), []string{
			"all#9 comes to one after own#8", "own#10 comes to one after nobody", "all#9 comes to two after nobody",
		}},
		{"two of one name", lodging(appBlock("one", "lodger a", "lodger b"), two), []string{
			"a#11 comes to one after all#9", "b#12 comes to one after own#10", "all#9 leaves two",
		}},
		{"one of the two", lodging(appBlock("one", "lodger b"), two), []string{"b#13 comes to one after a#11", "b#12 leaves one"}},
		{"an app is gone that nobody uses", lodging(appBlock("one", "lodger b")), []string{"b#14 comes to one after b#13"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			l.mustLoad(step.config)
			guestBook.expect(t, step.want...)
		})
	}
	client.ExpectQuiet() // through all of that

	t.Run("an app is gone", func(t *testing.T) {
		l.mustLoad(lodging(appBlock("two", "lodger c")))
		client.ExpectClose(pusherhub.CodeNoSuchApp)
		guestBook.expect(t, "c#15 comes to two after nobody", "b#14 leaves one")
	})
	t.Run("exit", func(t *testing.T) {
		last := hubtest.Dial(t, l.url(), "key-two", "")
		closed := make(chan error, 1)
		go func() {
			for {
				if _, _, err := last.WS.Read(t.Context()); err != nil {
					closed <- err
					return
				}
			}
		}()
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := <-closed; websocket.CloseStatus(err) != pusherhub.CodeReconnect {
			t.Errorf("found %v, expected close code 4200", err)
		}
		guestBook.expect(t, "c#15 leaves two")
	})
}

// Configs that are only checked, or fail, make plugins that begin nothing, and leave those alone that are at work.
func TestPluginLifeWithoutALife(t *testing.T) {
	l := newLive(t)
	guestBook.open()
	l.mustLoad(lodging("lodger a", appBlock("one")))
	guestBook.expect(t, "a#1 comes to one after nobody")

	checked, err := l.adapt(lodging("lodger b", appBlock("one"), appBlock("two")))
	if err != nil {
		t.Fatal(err)
	}
	var config caddy.Config
	if err := json.Unmarshal(checked, &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil { // as `caddy validate` does
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, sites := range map[string]string{
		"cannot be provisioned": lodging("lodger c", appBlock("one")) + ":" + freePort(t) + " {\n pusher_hub nobody\n}\n",
		"cannot start":          lodging("lodger d", appBlock("one")) + ":" + strconv.Itoa(taken.Addr().(*net.TCPAddr).Port) + " {\n pusher_hub\n}\n",
	} {
		if err := l.load(sites); err == nil {
			t.Errorf("a config that %s: found no error", name)
		}
	}
	guestBook.expect(t)

	guestBook.open()
	l.mustLoad(lodging("lodger e", appBlock("one")))
	guestBook.expect(t, "e#1 comes to one after a#1")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	guestBook.expect(t, "e#1 leaves one")
}
