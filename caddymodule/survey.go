package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// site is one place of a config where a handler of ours is.
type site struct {
	hub        string
	configures bool
	config     string // canonical form of the HubConfig
	path       string
	place      string   // in the config, for errors
	origins    []string // where browsers find it, such as https://example.com
	public     bool     // reachable from other machines
	server     *caddyhttp.Server
	host       string // with which requests reach the site; empty if that has only patterns
}

// survey finds every handler of ours in the HTTP app that ctx belongs to, and refuses hubs that are
// configured twice. It has to run in the Provision of the first of these handlers, when the raw JSON
// of all of them is still in place: Caddy drops it as soon as the handlers around are loaded.
func survey(ctx caddy.Context) ([]site, error) {
	var app *caddyhttp.App
	for _, mod := range ctx.Modules() {
		if found, ok := mod.(*caddyhttp.App); ok {
			app = found
		}
	}
	if app == nil {
		return nil, nil // provisioned by something that is not Caddy's HTTP app
	}
	var sites []site
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		srv := app.Servers[name]
		look := func(place string, routes ...caddyhttp.Route) error {
			for _, route := range routes {
				found, err := sitesIn(route, app, srv, place)
				if err != nil {
					return err
				}
				sites = append(sites, found...)
			}
			return nil
		}
		err := look("server "+name, srv.Routes...)
		for _, routeName := range slices.Sorted(maps.Keys(srv.NamedRoutes)) {
			err = errors.Join(err, look("server "+name+", named route "+routeName, *srv.NamedRoutes[routeName]))
		}
		if srv.Errors != nil {
			err = errors.Join(err, look("server "+name+", error routes", srv.Errors.Routes...))
		}
		if err != nil {
			return nil, err
		}
	}
	return sites, conflicts(sites)
}

// sitesIn returns the handlers of ours in one route.
func sitesIn(route caddyhttp.Route, app *caddyhttp.App, srv *caddyhttp.Server, place string) (sites []site, err error) {
	for _, raw := range route.HandlersRaw {
		root, err := decodeAny(raw)
		if err != nil {
			continue // Caddy reports it when it loads the handler
		}
		for _, h := range handlersIn(root) {
			s := site{
				hub:        h.hubName(),
				configures: h.configures(),
				path:       sitePath(h.Path, os.Getenv),
				place:      place,
				server:     srv,
			}
			if s.config, err = h.canonical(); err != nil {
				return nil, fmt.Errorf("encoding the config of hub %q: %w", s.hub, err)
			}
			s.locate(hostsOf(route), app, srv)
			sites = append(sites, s)
		}
	}
	return sites, nil
}

// handlersIn returns the handlers of ours in a handler's JSON, at any depth: subroutes, handle_response, ….
func handlersIn(v any) (found []*Handler) {
	switch v := v.(type) {
	case map[string]any:
		if v["handler"] == "pusher_hub" {
			var h Handler
			// what cannot be decoded is reported when Caddy loads the handler
			if text, err := json.Marshal(v); err == nil && json.Unmarshal(text, &h) == nil {
				found = append(found, &h)
			}
			return found
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			found = append(found, handlersIn(v[key])...)
		}
	case []any:
		for _, element := range v {
			found = append(found, handlersIn(element)...)
		}
	}
	return found
}

// hostsOf returns the hosts that a route of a server asks for.
func hostsOf(route caddyhttp.Route) (hosts []string) {
	for _, set := range route.MatcherSets {
		for _, matcher := range set {
			if m, ok := matcher.(*caddyhttp.MatchHost); ok {
				hosts = append(hosts, *m...)
			}
		}
	}
	return hosts
}

// locate finds out where clients and servers reach the site.
func (s *site) locate(hosts []string, app *caddyhttp.App, srv *caddyhttp.Server) {
	onlyPatterns := len(hosts) > 0
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(name string) bool { return strings.ContainsAny(name, "*{") })
	onlyPatterns = onlyPatterns && len(hosts) == 0
	for _, listen := range srv.Listen {
		addr, err := caddy.ParseNetworkAddress(caddy.NewReplacer().ReplaceKnown(listen, ""))
		if err != nil || addr.IsUnixNetwork() {
			continue
		}
		ip := net.ParseIP(addr.Host)
		local := addr.Host == "localhost" || ip != nil && ip.IsLoopback()
		s.public = s.public || !local

		names := hosts
		if len(names) == 0 {
			names = []string{"localhost"}
			if addr.Host != "" && (ip == nil || !ip.IsUnspecified()) {
				names = []string{addr.Host}
			}
		}
		for _, name := range names {
			s.origins = append(s.origins, origin(name, addr.StartPort, app, srv))
		}
	}
	switch {
	case onlyPatterns:
	case len(s.origins) > 0:
		_, s.host, _ = strings.Cut(s.origins[0], "://")
	case len(hosts) > 0:
		s.host = hosts[0] // on a unix socket
	default:
		s.host = "localhost"
	}
}

// origin returns scheme, host and, if it is not the scheme's own, port. Caddy decides about TLS in the same way.
func origin(host string, port uint, app *caddyhttp.App, srv *caddyhttp.Server) string {
	httpPort := uint(caddyhttp.DefaultHTTPPort)
	if app.HTTPPort != 0 {
		httpPort = uint(app.HTTPPort)
	}
	scheme, usual := "http", uint(caddyhttp.DefaultHTTPPort)
	if len(srv.TLSConnPolicies) > 0 && port != httpPort {
		scheme, usual = "https", caddyhttp.DefaultHTTPSPort
	}
	if port == usual {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}

// conflicts refuses two different configs of one hub.
func conflicts(sites []site) error {
	first := make(map[string]site)
	for _, s := range sites {
		if !s.configures {
			continue
		}
		other, ok := first[s.hub]
		if !ok {
			first[s.hub] = s
		} else if other.config != s.config {
			return errConflict(s.hub, other.String(), s.String())
		}
	}
	return nil
}

// String says where the site is, for errors.
func (s site) String() string {
	return strings.Join(append(slices.Clone(s.origins), s.place), ", ")
}

// errConflict says what to do about a hub that is configured twice. one and other say where; empty if unknown.
func errConflict(hub, one, other string) error {
	if one != "" {
		one = ": at " + one + "; and at " + other
	}
	return fmt.Errorf("hub %q is configured twice, with different options%s; keep one block, and write %s without a block in the other place to join it",
		hub, one, directive(hub))
}

// directive returns the line that joins a hub.
func directive(hub string) string {
	if hub == defaultHub {
		return "'pusher_hub'"
	}
	return "'pusher_hub " + hub + "'"
}
