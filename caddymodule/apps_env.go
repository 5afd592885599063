package caddymodule

import (
	"os"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(EnvApps{})
}

// EnvApps is the app source `env`: the one app of the environment, `REVERB_APP_ID`, `REVERB_APP_KEY` and
// `REVERB_APP_SECRET`, else `PUSHER_APP_ID` and so on. That is where a hub without any app takes it from anyway; with
// `apps env` it is there beside other apps.
type EnvApps struct{}

// CaddyModule returns the Caddy module information.
func (EnvApps) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appsNamespace + ".env", New: func() caddy.Module { return new(EnvApps) }}
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	apps env
func (EnvApps) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // env
	if d.NextArg() {
		return d.Errf("env: found %q, expected the end of the line", d.Val())
	}
	return noBlock(d, "env")
}

// AppSource returns a list of one.
func (EnvApps) AppSource(build AppBuilder) (pusherhub.AppSource, error) {
	app, err := build(App{environment: os.Getenv})
	if err != nil {
		return nil, err
	}
	return pusherhub.NewStaticApps(app)
}

// Interface guards
var (
	_ AppSourceModule       = (*EnvApps)(nil)
	_ caddyfile.Unmarshaler = (*EnvApps)(nil)
)
