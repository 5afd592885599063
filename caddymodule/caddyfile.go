package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("pusher_hub", parseDirective)
	// before rewrite and try_files, which in a PHP site turn /app/<key> into /index.php
	httpcaddyfile.RegisterDirectiveOrder("pusher_hub", httpcaddyfile.Before, "rewrite")
}

// The words of the blocks beside the options.
var (
	hubWords = []string{"app", "apps", "broker", "drain", "live", "max_node_connections", "path", "ready", "reverb_up"}
	appWords = slices.Sorted(maps.Keys(appOptions))
)

// parseDirective reads one directive and compares it with the others that configure the same hub. What
// cannot be seen here, such as named routes, is compared again at provisioning.
func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	where := fmt.Sprintf("%s:%d", h.File(), h.Line())
	h.Reset()

	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if !handler.configures() {
		return handler, nil
	}
	config, err := handler.canonical()
	if err != nil {
		return nil, h.WrapErr(err)
	}
	type declaration struct{ config, where string }
	key := "pusher_hub " + handler.hubName()
	first, ok := h.State[key].(declaration)
	if !ok {
		h.State[key] = declaration{config, where}
	} else if first.config != config {
		return nil, errConflict(handler.hubName(), first.where, where)
	}
	return handler, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	pusher_hub [<matcher>] [<hub name>] {
//		path <prefix>
//		reverb_up [on|off]
//		ready <path>|off
//		live  <path>|off
//
//		<app option>
//		app <id> {
//			key <key>
//			secret <secret> [<previous secrets...>]
//			<app option>
//			<plugin> ...
//		}
//		apps   <module> ...
//		broker <module> ...
//		<plugin> ...
//		drain <duration>
//		max_node_connections <number>|unlimited
//	}
//
// path, reverb_up, ready and live belong to this site. All else belongs to the hub: a block that has any of it
// configures the hub, and a directive without it joins the hub of that name. If no block configures the
// default hub, the environment does (REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET).
//
// An app option is any field of pusherhub.AppConfig by its JSON name. Beside app it is the default
// of every app. By type of the field:
//
//	<switch> [on|off]                  the bare word is on
//	<limit> <number>|unlimited
//	<size> <size>|unlimited            64KB, 1MiB, or a number of bytes
//	<duration> <duration>              30s, 5m; timestamp_tolerance and idempotency_ttl also take off
//	<text> <text>
//	<list> <texts...>
//	rate_limiting {
//		max_attempts <number>
//		decay <duration>
//		terminate_on_limit [on|off]
//	}
//
// <plugin> is the name of a module in http.pusher_hub.plugins, followed by whatever that module
// reads. apps and broker take modules of http.pusher_hub.apps and http.pusher_hub.brokers. Apps that are
// written here come first, and those of apps beside them.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		h.Hub = d.Val()
	}
	if d.NextArg() {
		return d.Errf("found %q after the hub's name, expected a block or the end of the line", d.Val())
	}
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := h.unmarshalWord(d, seen); err != nil {
			return err
		}
	}
	return nil
}

// unmarshalWord reads one line or block of the hub's block.
func (h *Handler) unmarshalWord(d *caddyfile.Dispenser, seen seenWords) (err error) {
	word := d.Val()
	_, isOption := appOptions[word]
	if isOption || slices.Contains(hubWords, word) && word != "app" {
		if err := seen.add(d); err != nil {
			return err
		}
	}
	switch word {
	case "path":
		h.Path, err = oneArg(d, "a prefix such as /reverb")
		return err
	case "reverb_up":
		var on *bool
		err = setSwitch(d, &on)
		h.ReverbUp = err == nil && *on
		return err
	case "ready":
		h.Ready, err = oneArg(d, "a path such as /healthz, or off")
		return err
	case "live":
		h.Live, err = oneArg(d, "a path such as /healthz, or off")
		return err
	case "drain":
		return setOption(d, reflect.ValueOf(&h.Drain).Elem())
	case "max_node_connections":
		return setOption(d, reflect.ValueOf(&h.MaxNodeConnections).Elem())
	case "app":
		app, err := unmarshalApp(d, seen)
		if err != nil {
			return err
		}
		h.Apps = append(h.Apps, app)
		return nil
	case "apps":
		h.AppSourceRaw, err = unmarshalGuest(d, appsNamespace, "source")
		return err
	case "broker":
		h.BrokerRaw, err = unmarshalGuest(d, brokersNamespace, "broker")
		return err
	case "key", "secret":
		return d.Errf("%s: found beside the apps, expected inside of one: app <id> { %s ... }", word, word)
	}
	if isOption {
		return setAppOption(d, &h.Defaults)
	}
	return unmarshalPlugin(d, &h.PluginsRaw, append(hubWords, appWords...))
}

// unmarshalApp reads one app.
func unmarshalApp(d *caddyfile.Dispenser, apps seenWords) (*App, error) {
	app := new(App)
	args := d.RemainingArgs()
	if len(args) != 1 {
		return nil, d.Errf("app: found %d values, expected one, the app's id", len(args))
	}
	id := args[0]
	app.ID = id
	if err := apps.addAs(d, "app "+id); err != nil {
		return nil, err
	}
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if _, ok := appOptions[word]; ok {
			if err := seen.add(d); err != nil {
				return nil, err
			}
			if err := setAppOption(d, &app.AppConfig); err != nil {
				return nil, err
			}
			continue
		}
		if slices.Contains(hubWords, word) {
			return nil, d.Errf("%s: found inside of app %s, expected beside it: it belongs to the pusher_hub block", word, id)
		}
		if err := unmarshalPlugin(d, &app.PluginsRaw, appWords); err != nil {
			return nil, err
		}
	}
	for _, word := range ofOneApp {
		if _, ok := seen[word]; !ok {
			return nil, d.Errf("app %s: found no %s, expected a line '%s <%s>' in its block", id, word, word, word)
		}
	}
	return app, nil
}

// unmarshalPlugin reads a plugin, which begins with its name. known are the other words that were possible.
func unmarshalPlugin(d *caddyfile.Dispenser, into *[]json.RawMessage, known []string) error {
	name := d.Val()
	id := pluginsNamespace + "." + name
	if _, err := caddy.GetModule(id); err != nil {
		return unknownWord(d, "option or plugin", append(slices.Clone(known), namesIn(pluginsNamespace)...))
	}
	plugin, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return err
	}
	*into = append(*into, caddyconfig.JSONModuleObject(plugin, "plugin", name, nil))
	return nil
}

// unmarshalGuest reads a word that is followed by the name of a module.
func unmarshalGuest(d *caddyfile.Dispenser, namespace, inlineKey string) (json.RawMessage, error) {
	word := d.Val()
	if !d.NextArg() {
		return nil, d.Errf("%s: found nothing, expected the name of a module in %s", word, namespace)
	}
	name := d.Val()
	id := namespace + "." + name
	if _, err := caddy.GetModule(id); err != nil {
		known := namesIn(namespace)
		hint := didYouMean(name, known)
		if isMissing(id) {
			hint = "; " + howToAdd(id)
		}
		return nil, d.Errf("%s: found '%s', which this Caddy is not built with%s (it has: %s)",
			word, name, hint, cmp.Or(strings.Join(known, ", "), "none"))
	}
	guest, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(guest, inlineKey, name, nil), nil
}

// namesIn returns the names of the modules in a namespace.
func namesIn(namespace string) (names []string) {
	for _, mod := range caddy.GetModules(namespace) {
		names = append(names, mod.ID.Name())
	}
	slices.Sort(names)
	return names
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Handler)(nil)
