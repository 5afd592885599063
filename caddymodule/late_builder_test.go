package caddymodule_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(Roomer{})
}

// roomers is how many Roomers were provisioned and not cleaned up.
var roomers atomic.Int64

// Roomer is a plugin that holds something from its Provision to its Cleanup.
type Roomer struct {
	Refuse bool `json:"refuse,omitempty"`
}

func (Roomer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.plugins.roomer", New: func() caddy.Module { return new(Roomer) }}
}

func (*Roomer) Provision(caddy.Context) error { roomers.Add(1); return nil }

func (*Roomer) Cleanup() error { roomers.Add(-1); return nil }

func (*Roomer) Name() string { return "roomer" }

func (l *Roomer) Plugin() (pusherhub.Plugin, error) {
	if l.Refuse {
		return nil, fmt.Errorf("refused")
	}
	return l, nil
}

// The plugins of an app that changes end one after the other, not all of them with the config.
func TestPluginsOfAnAppThatChangesOften(t *testing.T) {
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n apps rows\n}\n}")
	build := func(plugin string) error {
		row.Store(&plugin)
		_, err := rowsInUse.Load().AppByID(t.Context(), "row")
		return err
	}
	expect := func(n int64, when string) {
		t.Helper()
		if found := roomers.Load(); found != n {
			t.Errorf("%s: found %d plugins, expected %d", when, found, n)
		}
	}
	for range 10 {
		if err := build(`{"plugin":"roomer"}`); err != nil {
			t.Fatal(err)
		}
	}
	expect(1, "after ten changes")
	if err := build(`{"plugin":"roomer","refuse":true}`); err == nil {
		t.Fatal("found no error")
	}
	expect(1, "after a change that was refused")
	if err := build(`{"plugin":"shout"}`); err != nil {
		t.Fatal(err)
	}
	expect(0, "when the app has another plugin")
	if err := build(`{"plugin":"roomer"}`); err != nil {
		t.Fatal(err)
	}
	l.mustLoad(":PORT {\n pusher_hub {\n" + appBlock("one") + "}\n}")
	expect(0, "when the config is gone")
}
