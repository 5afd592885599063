package caddymodule_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Away is an app source whose database is away, and that says more about it than everybody should know.
type Away struct{}

func init() {
	caddy.RegisterModule(Away{})
}

func (Away) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.apps.away", New: func() caddy.Module { return new(Away) }}
}

func (*Away) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (a *Away) AppSource(caddymodule.AppBuilder) (pusherhub.AppSource, error) { return a, nil }

func (*Away) AppByID(context.Context, string) (*pusherhub.App, error) {
	return nil, errors.New("dialing postgres://hub:password-1@db: refused")
}

func (a *Away) AppByKey(ctx context.Context, key string) (*pusherhub.App, error) {
	return a.AppByID(ctx, key)
}

func TestAdminKeepsWhatSourcesSay(t *testing.T) {
	a, l := newAdmin(t), newLive(t)
	l.mustLoad(adminSites + "apps away\n}\n}\n")
	for _, path := range []string{"", "/channels", "/connections", "/connections/1.2"} {
		a.refused(http.MethodGet, "hubs/default/apps/any"+path, "", http.StatusServiceUnavailable, "not possible at the moment: the log says why")
		if w := a.ask(http.MethodGet, "hubs/default/apps/any"+path, ""); strings.Contains(w.Body.String(), "password") {
			t.Errorf("%s: found %s", path, w.Body)
		}
	}
	a.refused(http.MethodPost, "hubs/default/apps/any/disconnect", `{"user":"7"}`, http.StatusServiceUnavailable, "not possible at the moment")
}
