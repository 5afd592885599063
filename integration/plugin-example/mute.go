// Package mute is a plugin of pusher_hub: the users on its list hear everything, but nobody hears them.
package mute

import (
	"context"
	"slices"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() { caddy.RegisterModule(new(Mute)) }

// Mute refuses the client events (whispers, to Laravel Echo) of some users on presence channels.
type Mute struct {
	// Users are the ids of these users.
	Users []string `json:"users"`
}

// CaddyModule names the module. The end of its ID is the plugin's word in the Caddyfile.
func (*Mute) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.plugins.mute", New: func() caddy.Module { return new(Mute) }}
}

// UnmarshalCaddyfile reads `mute <user id...>`.
func (m *Mute) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the word itself
	if m.Users = d.RemainingArgs(); len(m.Users) == 0 {
		return d.ArgErr()
	}
	return nil
}

// Plugin is asked for once a config. It must not begin anything: the config may only be checked.
func (m *Mute) Plugin() (pusherhub.Plugin, error) { return m, nil }

// Name is what logs and metrics call the plugin.
func (*Mute) Name() string { return "mute" }

// OnClientEvent is asked before a client event goes out. UserID is known on presence channels.
func (m *Mute) OnClientEvent(_ context.Context, r *pusherhub.ClientEventRequest) error {
	if r.UserID != "" && slices.Contains(m.Users, r.UserID) {
		return &pusherhub.CloseError{Code: pusherhub.CodeClientEventRejected, Reason: "You are muted"}
	}
	return nil
}
