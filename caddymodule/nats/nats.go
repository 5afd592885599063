// Package nats is the broker `nats`: nodes reach each other through a NATS server, or through one that runs inside of each of them. It is a
// package of its own so that builds without it carry nothing of it:
//
//	xcaddy build --with github.com/onecharge/pusherhub/caddymodule --with github.com/onecharge/pusherhub/caddymodule/nats
package nats

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/natsbroker"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(Nats{})
}

// Nats is the broker `nats`: events, presence and counts of all nodes that share a NATS server, or are one together (embed).
type Nats struct {
	Options

	log *zap.Logger // static after Provision
}

// Options are the words of the broker.
type Options struct {
	natsbroker.Options

	// Lease is how long it takes at most until the members of a node that died are gone. Equal on all nodes. Default: `10s`.
	Lease pusherhub.Duration `json:"lease,omitempty"`

	// Embed runs a server in this process instead of connecting to Servers. Default: off.
	Embed *Embed `json:"embed,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Nats) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.brokers.nats", New: func() caddy.Module { return new(Nats) }}
}

// UnmarshalCaddyfile sets up the broker from Caddyfile tokens. Syntax:
//
//	broker nats [<url>...] {
//		servers <url>...
//		user <user>
//		password <password>
//		token <token>
//		credentials_file <path>
//		nkey_file <path>
//		tls {
//			ca_file <path>
//			cert_file <path>
//			key_file <path>
//			server_name <name>
//			insecure
//			first
//		}
//		jetstream auto|on|off
//		replicas <number>
//
//		embed {
//			listen <address>
//			routes <address>...
//			discover <name>...
//			cluster_name <name>
//			secret <secret>
//		}
//
//		prefix <prefix>
//		lease <duration>
//	}
func (n *Nats) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // nats
	urls := d.RemainingArgs()
	if err := caddymodule.UnmarshalOptions(d, &n.Options); err != nil {
		return err
	}
	switch {
	case len(urls) == 0:
	case len(n.Servers) > 0:
		return d.Err("servers: found them twice, after nats and in the block, expected them once")
	default:
		n.Servers = urls
	}
	return nil
}

// Provision resolves placeholders and takes from the environment what the config does not say. So a reload with another environment makes
// another broker.
func (n *Nats) Provision(ctx caddy.Context) error {
	n.log = ctx.Logger()
	if err := caddymodule.ResolveOptions(&n.Options); err != nil {
		return err
	}
	if n.Embed != nil {
		n.Embed.provision(caddymodule.LaravelEnv)
		return nil
	}
	if url := caddymodule.LaravelEnv("NATS_URL"); url != "" && len(n.Servers) == 0 {
		n.Servers = strings.FieldsFunc(url, func(r rune) bool { return r == ',' || r == ' ' })
	}
	return nil
}

// Validate refuses what could not work, or would not be safe.
func (n *Nats) Validate() error {
	if n.Lease != 0 && (n.Lease < pusherhub.Duration(time.Second) || n.Lease > pusherhub.Duration(time.Hour)) {
		return fmt.Errorf("lease: found %s, expected 1s to 1h", time.Duration(n.Lease))
	}
	if n.Embed == nil {
		return nil
	}
	for word, given := range map[string]bool{
		"servers": len(n.Servers) > 0, "user": n.User != "", "password": n.Password != "", "token": n.Token != "",
		"credentials_file": n.CredentialsFile != "", "nkey_file": n.NKeyFile != "", "tls": n.TLS != nil,
	} {
		if given {
			return fmt.Errorf("%s: found it beside embed, expected one of them: the embedded server is in this process", word)
		}
	}
	if n.JetStream == natsbroker.JetStreamOn || n.Replicas != 0 {
		return errors.New("jetstream: found it beside embed, expected one of them: the embedded server has no JetStream")
	}
	if err := n.Embed.validate(); err != nil {
		return fmt.Errorf("embed: %w", err)
	}
	return nil
}

// Broker returns a broker that connects, or starts its server, when it is opened.
func (n *Nats) Broker() (pusherhub.Broker, error) {
	o := n.Options.Options
	o.Cluster.Name = "nats"
	o.Cluster.Lease = time.Duration(n.Lease)
	o.Cluster.Logger = n.log
	if n.Embed == nil {
		return natsbroker.New(o)
	}
	return newEmbedded(n.Embed, o, n.log)
}

// Interface guards
var (
	_ caddymodule.BrokerModule = (*Nats)(nil)
	_ caddy.Provisioner        = (*Nats)(nil)
	_ caddy.Validator          = (*Nats)(nil)
	_ caddyfile.Unmarshaler    = (*Nats)(nil)
)
