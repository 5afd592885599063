package caddymodule

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/ratelimit"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(RateLimit{})
}

// RateLimit bounds what apps, sockets, users and IP addresses may do. The address of a client is the one that Caddy
// knows, from behind a trusted proxy too.
type RateLimit struct {
	ratelimit.Config
}

// CaddyModule returns the Caddy module information.
func (RateLimit) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  pluginsNamespace + ".rate_limit",
		New: func() caddy.Module { return new(RateLimit) },
	}
}

// Plugin returns the plugin.
func (r *RateLimit) Plugin() (pusherhub.Plugin, error) { return ratelimit.New(r.Config) }

// The words of the blocks.
var (
	limitScopes = optionsOf[ratelimit.Config]() // with per_ before them
	limitThings = optionsOf[ratelimit.Limits]()
)

// UnmarshalCaddyfile sets up the plugin from Caddyfile tokens. Syntax:
//
//	rate_limit {
//		per app|socket|user|ip {
//			connections   <number>
//			handshakes    <rate> [<burst>]
//			messages      <rate> [<burst>]
//			client_events <rate> [<burst>]
//			publishes     <rate> [<burst>]
//			subscriptions <rate> [<burst>]
//			bytes         <rate> [<burst>]
//		}
//	}
//
// A rate is a number a second, or with a unit: 20, 100/m, 5000/h. Bytes may be written as sizes: 64KB, 10MB/m. The burst
// is what may come at once; without it, as much as the rate's number. What each scope can
// count, see ratelimit.Config.
func (r *RateLimit) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the plugin's name
	if d.NextArg() {
		return d.Errf("rate_limit: found %q, expected a block", d.Val())
	}
	scopes := slices.Sorted(maps.Keys(limitScopes))
	for i, scope := range scopes {
		scopes[i] = strings.TrimPrefix(scope, "per_")
	}
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "per" {
			return d.Errf("rate_limit: found %q, expected per %s", d.Val(), strings.Join(scopes, ", per "))
		}
		if !d.NextArg() {
			return d.Errf("per: found nothing, expected one of %s", strings.Join(scopes, ", "))
		}
		field, ok := limitScopes["per_"+d.Val()]
		if !ok {
			return d.Errf("per: found %q, expected one of %s", d.Val(), strings.Join(scopes, ", "))
		}
		if err := seen.addAs(d, "per "+d.Val()); err != nil {
			return err
		}
		if err := r.unmarshalScope(d, field); err != nil {
			return err
		}
	}
	if len(seen) == 0 {
		return d.Errf("rate_limit: found no limit, expected a block with per %s", strings.Join(scopes, ", per "))
	}
	return nil
}

// unmarshalScope reads the block of one scope, a field of the config.
func (r *RateLimit) unmarshalScope(d *caddyfile.Dispenser, field int) error {
	scope := d.Val()
	if d.NextArg() {
		return d.Errf("per %s: found %q, expected a block", scope, d.Val())
	}
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		index, ok := limitThings[word]
		if !ok {
			return unknownWord(d, "limit", slices.Sorted(maps.Keys(limitThings)))
		}
		if err := seen.add(d); err != nil {
			return err
		}
		var probe ratelimit.Config
		limit := reflect.ValueOf(&probe).Elem().Field(field).Field(index)
		if err := setLimit(d, limit); err != nil {
			return err
		}
		reflect.ValueOf(&r.Config).Elem().Field(field).Field(index).Set(limit)
		if err := probe.Validate(); err != nil {
			return d.WrapErr(err)
		}
	}
	if len(seen) == 0 {
		return d.Errf("per %s: found no limit, expected a block with one at least", scope)
	}
	return nil
}

// setLimit reads what stands after the word of one limit.
func setLimit(d *caddyfile.Dispenser, limit reflect.Value) error {
	word := d.Val()
	if number, ok := reflect.TypeAssert[*int](limit.Addr()); ok {
		value, err := oneArg(d, "a positive whole number")
		if err != nil {
			return err
		}
		if *number, err = strconv.Atoi(value); err != nil || *number <= 0 {
			return d.Errf("%s: found %q, expected a positive whole number", word, value)
		}
		return nil
	}
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return d.Errf("%s: found %d values, expected a rate such as 20 or 100/m, and a burst or not", word, len(args))
	}
	if word == "bytes" {
		for i, arg := range args {
			size, unit, hasUnit := strings.Cut(arg, "/")
			n, err := humanize.ParseBytes(size)
			if err != nil {
				return d.Errf("%s: found %q, expected a size such as 64KB, or 10MB/m", word, arg)
			}
			args[i] = strconv.FormatUint(n, 10)
			if hasUnit {
				args[i] += "/" + unit
			}
		}
	}
	rate, err := ratelimit.ParseRate(args[0])
	if err != nil {
		return d.Errf("%s: %v", word, err)
	}
	if len(args) == 2 {
		if rate.Burst, err = strconv.Atoi(args[1]); err != nil || rate.Burst <= 0 {
			return d.Errf("%s: found the burst %q, expected a positive whole number", word, args[1])
		}
	}
	limit.Set(reflect.ValueOf(rate))
	return noBlock(d, word)
}

// Interface guards
var (
	_ PluginModule          = (*RateLimit)(nil)
	_ caddyfile.Unmarshaler = (*RateLimit)(nil)
)
