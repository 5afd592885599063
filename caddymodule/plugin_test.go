package caddymodule_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// What follows is a plugin as somebody else would write it, in a package of their own. Its name in the
// Caddyfile is the end of its module ID.

func init() {
	caddy.RegisterModule(Shout{})
}

// Shout puts published data in capital letters.
type Shout struct {
	// Mark is put behind the data. Default: none.
	Mark string `json:"mark,omitempty"`
}

func (Shout) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.pusher_hub.plugins.shout",
		New: func() caddy.Module { return new(Shout) },
	}
}

// UnmarshalCaddyfile reads
//
//	shout [<mark>]
func (s *Shout) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the plugin's name
	if d.NextArg() {
		s.Mark = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// Plugin makes the plugin, here the module itself.
func (s *Shout) Plugin() (pusherhub.Plugin, error) { return s, nil }

func (s *Shout) Name() string { return "shout" }

// OnPublish changes the data of an event.
func (s *Shout) OnPublish(_ context.Context, r *pusherhub.PublishRequest) error {
	if strings.Contains(r.Data, "unspeakable") {
		return &pusherhub.CloseError{Code: 4009, Reason: "not that word"}
	}
	r.Data = strings.ToUpper(r.Data) + s.Mark
	return nil
}

var (
	_ caddymodule.PluginModule = (*Shout)(nil)
	_ caddyfile.Unmarshaler    = (*Shout)(nil)
	_ pusherhub.PublishHook    = (*Shout)(nil)
)

func TestStrangersPlugin(t *testing.T) {
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n shout !\n" + appBlock("one", "shout ?") + appBlock("two") + "}\n}")
	for app, expected := range map[string]string{
		"one": "HELLO!?", // the hub's plugin before the app's
		"two": "HELLO!",
	} {
		client := hubtest.Dial(t, l.url(), "key-"+app, "")
		client.Subscribe("news")
		if status := l.publish(appOf(app), "news", "hello"); status != http.StatusOK {
			t.Fatalf("app %s: publishing: %d", app, status)
		}
		if got := client.Expect("e").Text(); got != expected {
			t.Errorf("app %s: expected %q, got %q", app, expected, got)
		}
		if status := l.publish(appOf(app), "news", "unspeakable"); status != http.StatusForbidden {
			t.Errorf("app %s: a refused event gets %d", app, status)
		}
		client.ExpectQuiet()
	}
}

func TestStrangersPluginMisspelt(t *testing.T) {
	err := newLive(t).load(":PORT {\n pusher_hub {\n shuot !\n}\n}")
	if err == nil || !strings.Contains(err.Error(), "unknown option or plugin 'shuot'; did you mean 'shout'?") {
		t.Error(err)
	}
}

// Directory is an app source as somebody else would write it: it finds one app, by its first letter.
type Directory struct{}

func init() {
	caddy.RegisterModule(Directory{})
}

func (Directory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.pusher_hub.apps.directory",
		New: func() caddy.Module { return new(Directory) },
	}
}

func (*Directory) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (*Directory) AppSource(build caddymodule.AppBuilder) (pusherhub.AppSource, error) {
	return &directory{build: build, apps: make(map[string]*pusherhub.App)}, nil
}

// directory keeps what it built, as a source has to.
type directory struct {
	build caddymodule.AppBuilder

	mu   sync.Mutex
	apps map[string]*pusherhub.App // guarded by mu
}

func (d *directory) find(id string) (*pusherhub.App, error) {
	if !strings.HasPrefix(id, "d") {
		return nil, pusherhub.ErrAppNotFound
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if app := d.apps[id]; app != nil {
		return app, nil
	}
	app, err := d.build(caddymodule.App{
		AppConfig:  appOf(id),
		PluginsRaw: []json.RawMessage{[]byte(`{"plugin":"shout","mark":"?"}`)},
	})
	if err == nil {
		d.apps[id] = app
	}
	return app, err
}

// Close is called when the config is gone.
func (d *directory) Close() error {
	closedDirectories.Add(1)
	return nil
}

var closedDirectories atomic.Int64

func (d *directory) AppByID(_ context.Context, id string) (*pusherhub.App, error) { return d.find(id) }

func (d *directory) AppByKey(_ context.Context, key string) (*pusherhub.App, error) {
	return d.find(strings.TrimPrefix(key, "key-"))
}

func TestStrangersAppSource(t *testing.T) {
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n apps directory\n shout !\n}\n}")
	client := hubtest.Dial(t, l.url(), "key-dave", "")
	client.Subscribe("news")
	if status := l.publish(appOf("dave"), "news", "hello"); status != http.StatusOK {
		t.Fatalf("publishing: %d", status)
	}
	if got := client.Expect("e").Text(); got != "HELLO!?" {
		t.Errorf("got %q", got)
	}
	unknown := hubtest.Open(t, l.url(), "key-x", "", nil)
	unknown.ExpectClose(pusherhub.CodeNoSuchApp)

	// a source lives as long as its config
	before := closedDirectories.Load()
	l.mustLoad(":PORT {\n pusher_hub {\n apps directory\n}\n}")
	if n := closedDirectories.Load() - before; n != 1 {
		t.Errorf("after a reload: found %d sources closed, expected the old one", n)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := l.load(":PORT {\n pusher_hub {\n apps directory\n}\n}\nhttp://" + taken.Addr().String() + " {\n respond php\n}"); err == nil {
		t.Fatal("no error")
	}
	if n := closedDirectories.Load() - before; n != 2 {
		t.Errorf("after a config that failed: found %d sources closed, expected 2", n)
	}
	client.ExpectQuiet()
}
