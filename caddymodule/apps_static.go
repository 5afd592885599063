package caddymodule

import (
	"fmt"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(StaticApps{})
}

// StaticApps is the app source `static`: the apps stand in the config. That is what `app` beside it says, too; with
// `apps static` a config also says that there are no others, and none of the environment.
type StaticApps struct {
	// Apps are the apps. Default: those of the hub's own `apps`.
	Apps []*App `json:"apps,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (StaticApps) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appsNamespace + ".static", New: func() caddy.Module { return new(StaticApps) }}
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	apps static {
//		app <id> {
//			key <key>
//			secret <secret> [<previous secrets...>]
//			<app option>
//			<plugin> ...
//		}
//	}
func (s *StaticApps) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // static
	if d.NextArg() {
		return d.Errf("static: found %q, expected a block of apps or the end of the line", d.Val())
	}
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "app" {
			return d.Errf("static: found %q, expected app <id> { ... }", d.Val())
		}
		app, err := unmarshalApp(d, seen)
		if err != nil {
			return err
		}
		s.Apps = append(s.Apps, app)
	}
	return nil
}

// AppSource returns the list. Unlike other sources it resolves placeholders: whoever writes the config may read the environment.
func (s *StaticApps) AppSource(build AppBuilder) (pusherhub.AppSource, error) {
	apps := make([]*pusherhub.App, 0, len(s.Apps))
	for _, app := range s.Apps {
		cfg, err := resolve(app.AppConfig)
		if err != nil {
			return nil, fmt.Errorf("app %q: %w", app.ID, err)
		}
		made, err := build(App{AppConfig: cfg, PluginsRaw: app.PluginsRaw})
		if err != nil {
			return nil, err
		}
		apps = append(apps, made)
	}
	return pusherhub.NewStaticApps(apps...)
}

// Interface guards
var (
	_ AppSourceModule       = (*StaticApps)(nil)
	_ caddyfile.Unmarshaler = (*StaticApps)(nil)
)
