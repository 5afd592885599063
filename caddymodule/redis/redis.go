// Package redis is the broker `redis`: nodes reach each other through a Redis or Valkey server, with Sentinel, or a Redis Cluster. It is a
// package of its own so that builds without it carry nothing of it:
//
//	xcaddy build --with github.com/onecharge/pusherhub/caddymodule --with github.com/onecharge/pusherhub/caddymodule/redis
package redis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/redisbroker"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(Redis{})
}

// Redis is the broker `redis`: events, presence and counts of all nodes that share a Redis. What the config leaves
// open comes from the environment variables of Laravel and Reverb.
type Redis struct {
	Options

	// Static after Provision.
	log       *zap.Logger
	variables map[string]string // by the options that were taken from them
}

// Options are the words of the broker.
type Options struct {
	// URL is `redis://user:password@host:port/db`, or `rediss://` for TLS. In a config file use `{env.NAME}` or `{file.PATH}`.
	// Default: `REDIS_URL`.
	URL string `json:"url,omitempty"`

	// Address is the server's host and port, or of several nodes of a cluster. Default: `REDIS_HOST` and `REDIS_PORT`, or 127.0.0.1:6379.
	Address []string `json:"address,omitempty"`

	// Cluster says that it is a Redis Cluster. Default: off.
	Cluster *bool `json:"cluster,omitempty"`

	// Sentinel are hosts and ports of Sentinels, instead of Address.
	Sentinel []string `json:"sentinel,omitempty"`

	// SentinelMaster is what the Sentinels call the server. Default: `mymaster`.
	SentinelMaster string `json:"sentinel_master,omitempty"`

	// SentinelUsername is the Sentinels' own ACL user. Default: none.
	SentinelUsername string `json:"sentinel_username,omitempty"`

	// SentinelPassword is the Sentinels' own. Default: none.
	SentinelPassword string `json:"sentinel_password,omitempty"`

	// Username is the ACL user. Default: `REDIS_USERNAME`, if the server is that of the environment.
	Username string `json:"username,omitempty"`

	// Password is the user's. Default: `REDIS_PASSWORD`, if the server is that of the environment.
	Password string `json:"password,omitempty"`

	// DB is the number of the database. Default: `REDIS_DB`, if the server is that of the environment; else `0`.
	DB string `json:"db,omitempty"`

	// Prefix begins every key and channel. Hubs that shall not hear each other have different ones. Default: `REDIS_PREFIX`, then
	// `pusherhub:`, then `REVERB_SCALING_CHANNEL` (or `reverb`) and a colon.
	Prefix string `json:"prefix,omitempty"`

	// TLS encrypts the connections, also those to Sentinels. Default: if the URL begins with rediss.
	TLS *cluster.TLS `json:"tls,omitempty"`

	// Timeout bounds connecting, and each answer of the server. Default: `3s`.
	Timeout pusherhub.Duration `json:"timeout,omitempty"`

	// Lease is how long it takes at most until the members of a node that died are gone. Equal on all nodes. Default: `10s`.
	Lease pusherhub.Duration `json:"lease,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Redis) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.brokers.redis", New: func() caddy.Module { return new(Redis) }}
}

// UnmarshalCaddyfile sets up the broker from Caddyfile tokens. Syntax:
//
//	broker redis [<url>] {
//		url <url>
//		address <host[:port]>...
//		cluster
//		sentinel <host[:port]>...
//		sentinel_master <name>
//		sentinel_username <user>
//		sentinel_password <password>
//		username <user>
//		password <password>
//		db <number>
//		prefix <prefix>
//		tls {
//			ca_file <path>
//			cert_file <path>
//			key_file <path>
//			server_name <name>
//			insecure
//		}
//		timeout <duration>
//		lease <duration>
//	}
func (r *Redis) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // redis
	var url string
	if d.NextArg() {
		url = d.Val()
	}
	if d.NextArg() {
		return d.Err("redis: found another word after the URL, expected a block") // the URL holds a password: not shown
	}
	if err := caddymodule.UnmarshalOptions(d, &r.Options); err != nil {
		return err
	}
	if url != "" {
		if r.URL != "" {
			return d.Err("url: found it twice, expected it once")
		}
		r.URL = url
	}
	return nil
}

// Provision resolves placeholders and takes from the environment what the config does not say. So a reload with another environment makes
// another broker.
func (r *Redis) Provision(ctx caddy.Context) error {
	r.log = ctx.Logger()
	if err := caddymodule.ResolveOptions(&r.Options); err != nil {
		return err
	}
	return r.fromEnvironment(caddymodule.LaravelEnv)
}

// Validate refuses what could not work. It connects to nobody.
func (r *Redis) Validate() error {
	if r.Lease != 0 && (r.Lease < pusherhub.Duration(time.Second) || r.Lease > pusherhub.Duration(time.Hour)) {
		return fmt.Errorf("lease: found %s, expected 1s to 1h", time.Duration(r.Lease))
	}
	_, err := r.Broker()
	return err
}

// Broker returns a broker that connects when it is opened.
func (r *Redis) Broker() (pusherhub.Broker, error) {
	b, err := r.broker()
	if err != nil {
		option, _, _ := strings.Cut(err.Error(), ":")
		if variable := r.variables[option]; variable != "" {
			err = fmt.Errorf("%s: %w", variable, err) // whoever set it has written no option
		}
		return nil, err
	}
	return b, nil
}

func (r *Redis) broker() (pusherhub.Broker, error) {
	o := redisbroker.Options{
		URL:              r.URL,
		Addresses:        r.Address,
		Cluster:          r.Cluster != nil && *r.Cluster,
		Sentinels:        r.Sentinel,
		SentinelMaster:   r.SentinelMaster,
		SentinelUsername: r.SentinelUsername,
		SentinelPassword: r.SentinelPassword,
		Username:         r.Username,
		Password:         r.Password,
		Prefix:           r.Prefix,
		TLS:              r.TLS,
		Timeout:          time.Duration(r.Timeout),
		Broker:           cluster.Options{Lease: time.Duration(r.Lease), Logger: r.log},
	}
	if r.URL != "" && len(r.Address) > 0 {
		return nil, errors.New("address: found it beside url, expected one of them")
	}
	if r.DB != "" {
		db, err := strconv.Atoi(r.DB)
		if err != nil {
			return nil, fmt.Errorf("db: found %q, expected a number such as 0", r.DB)
		}
		o.DB = &db
	}
	return redisbroker.New(o)
}

// Interface guards
var (
	_ caddymodule.BrokerModule = (*Redis)(nil)
	_ caddy.Provisioner        = (*Redis)(nil)
	_ caddy.Validator          = (*Redis)(nil)
	_ caddyfile.Unmarshaler    = (*Redis)(nil)
)
