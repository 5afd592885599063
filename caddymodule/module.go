// Package caddymodule makes a [pusherhub.Hub] of a Caddy config: the handler
// http.handlers.pusher_hub, its Caddyfile directive pusher_hub, and the namespaces
// in which brokers, app sources and plugins register.
//
// # From config to hub
//
// A config has any number of handlers (module.go). The [Hubs] app (hubs.go) exists once in
// a config and makes one [pusherhub.Settings] for each hub name: out of the handler that
// configures the hub (config.go, build.go), or out of the environment (environment.go).
// Settings die with their config. The hub with its sockets lives in a pool (pool.go) under its
// name, outlives configs, and takes the new settings when Caddy says that a config is live. A
// config that fails changes nothing.
package caddymodule

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler speaks the Pusher Channels protocol: clients (pusher-js, Laravel Echo, the mobile
// SDKs) connect to `/app/<key>`, servers publish to `/apps/<id>/events`. Every other
// request goes on to the next handler.
//
// A handler with any option of the hub (`apps`, `defaults`, `plugins` and so on) configures the hub of
// its name; the others join it, as a listener does that is there for publishing only. A hub
// that no handler configures takes its app from the environment: `REVERB_APP_ID`,
// `REVERB_APP_KEY` and `REVERB_APP_SECRET`, else `PUSHER_APP_ID`, `PUSHER_APP_KEY` and
// `PUSHER_APP_SECRET`.
//
// Open sockets survive config reloads.
type Handler struct {
	// Hub is the name of the hub. Handlers with the same name share apps, channels and
	// sockets, whatever site or port they are on. Default: `default`.
	Hub string `json:"hub,omitempty"`

	// Path is the prefix of `/app` and `/apps` on this site; `/` stands for none. Default:
	// the environment variable `REVERB_SERVER_PATH`, else none.
	Path string `json:"path,omitempty"`

	// ReverbUp answers `GET <path>/up` with `{"health":"OK"}`, as Reverb does. Without a
	// path this hides Laravel's own `/up`. Default: `false`.
	ReverbUp bool `json:"reverb_up,omitempty"`

	// Ready is the path on this site that answers 200 while the hub takes sockets, its broker is there and
	// php-fpm, if Caddy runs it, answers; otherwise 503, with the reasons in JSON. `warnings` in it say what is
	// wrong with all nodes alike, such as replicas that do not hear of each other. `off` switches it off. Default:
	// `/.well-known/pusher-hub/ready`.
	Ready string `json:"ready,omitempty"`

	// Live is the path on this site that answers 200 as long as Caddy answers at all. `off` switches it off. Default:
	// `/.well-known/pusher-hub/live`.
	Live string `json:"live,omitempty"`

	HubConfig

	// Static after Provision. The settings of a handler that joins may come later in
	// the same provisioning, so requests read them from hub.
	site pusherhub.Site
	hub  *configuredHub
}

// defaultHub is the name of the hub of handlers that name none.
const defaultHub = "default"

// hubName returns the name of the handler's hub.
func (h *Handler) hubName() string { return cmp.Or(h.Hub, defaultHub) }

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.pusher_hub",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision finds the handler's hub, and configures it if this is the handler to do so. It
// neither dials nor changes a live hub. What it takes is given back by [Hubs.Cleanup].
func (h *Handler) Provision(ctx caddy.Context) error {
	h.site = pusherhub.Site{
		Path:     sitePath(h.Path, os.Getenv),
		ReverbUp: h.ReverbUp,
		ClientIP: clientIP,
		Secure:   secure,
		TraceAPI: traceAPI,
	}
	hubs, err := ctx.App(hubsID)
	if err != nil {
		return fmt.Errorf("finding the hubs of this config: %w", err)
	}
	h.hub, err = hubs.(*Hubs).join(ctx, h)
	return err
}

// Validate refuses a path that cannot stand before /app, and health checks that are no paths.
func (h *Handler) Validate() error {
	if strings.ContainsAny(h.site.Path, "?#%*{} \t\r\n") || strings.Contains(h.site.Path, "//") {
		return fmt.Errorf("path: found %q, expected a prefix such as /reverb", h.site.Path)
	}
	for word, path := range map[string]string{"ready": h.Ready, "live": h.Live} {
		if path != "" && path != "off" && !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%s: found %q, expected a path such as /healthz, or off", word, path)
		}
	}
	return nil
}

// ServeHTTP answers what belongs to the hub and hands on everything else, and everything that the hub itself sends
// ([SiteTransport]).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if fromHub(r) {
		caddyhttp.SetVar(r.Context(), siteVar, "true")
		return next.ServeHTTP(w, r)
	}
	if h.serveHealth(w, r) {
		return nil
	}
	if err := h.hub.ready(); err != nil {
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	}
	site := h.site
	site.Settings = h.hub.settings
	if h.hub.pooled.Serve(w, r, site) {
		return nil
	}
	return next.ServeHTTP(w, r)
}

// sitePath returns the prefix of a site with a leading slash and without a trailing one; empty for none.
func sitePath(configured string, env environment) string {
	path := caddy.NewReplacer().ReplaceKnown(configured, "")
	if path == "" {
		path = env.value("REVERB_SERVER_PATH")
	}
	path = strings.Trim(path, "/")
	if path == "" {
		return ""
	}
	return "/" + path
}

// clientIP returns the address that Caddy took from trusted proxies or from the connection.
func clientIP(r *http.Request) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return ip
}

// secure reports whether the client reached us by TLS: here, or at a trusted proxy.
func secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
