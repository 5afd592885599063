package caddymodule

import (
	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(Memory{})
}

// Memory is the broker of a single machine: events stay in this process. It is the default.
type Memory struct{}

// CaddyModule returns the Caddy module information.
func (Memory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  brokersNamespace + ".memory",
		New: func() caddy.Module { return new(Memory) },
	}
}

// UnmarshalCaddyfile sets up the broker from Caddyfile tokens. Syntax:
//
//	broker memory
func (*Memory) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the broker's name
	if d.NextArg() || d.NextBlock(d.Nesting()) {
		return d.Errf("broker memory: found %q, expected nothing: it has no options", d.Val())
	}
	return nil
}

// Broker returns a broker of one node.
func (*Memory) Broker() (pusherhub.Broker, error) { return pusherhub.NewMemoryBroker(), nil }

// Interface guards
var (
	_ BrokerModule          = (*Memory)(nil)
	_ caddyfile.Unmarshaler = (*Memory)(nil)
)
