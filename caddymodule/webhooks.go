package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/egress"
	"github.com/onecharge/pusherhub/pusherhub/webhooks"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(Webhooks{})
}

// Webhooks is the plugin that tells a backend what happens, as Pusher's webhooks do: which channels are occupied and vacated,
// who came and went, what clients sent.
//
// Beside URLs an endpoint can be a path of the site itself, as in `site:/pusher/webhook`. See [SiteTransport].
//
// Requests go to public addresses only, unless `allow_private` lists the host or the address, and through no proxy. Redirects are not
// followed, certificates are verified.
//
// URLs, headers, `spool`, `allow_private` and `site_host` may hold placeholders ({env.NAME}, {file.PATH}). A relative `spool` is below
// `pusher_hub` in Caddy's data directory. An app that an app source found may only have endpoints on the internet: placeholders are
// taken literally, and paths of the site, `spool`, `allow_private` and `site_host` are errors, because who can write the app's row
// need not be who runs this machine.
type Webhooks struct {
	webhooks.Config

	// SiteHost is the host that requests to paths of the site are for. Default: the first host of the site.
	SiteHost string `json:"site_host,omitempty"`

	// Set by Provision.
	resolved webhooks.Config
	outward  *http.Transport
}

// siteScheme begins the URLs of endpoints that are paths of the site.
const siteScheme = "site:"

// CaddyModule returns the Caddy module information.
func (Webhooks) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  pluginsNamespace + ".webhooks",
		New: func() caddy.Module { return new(Webhooks) },
	}
}

// Provision resolves placeholders and makes the ways that requests take.
func (w *Webhooks) Provision(ctx caddy.Context) (err error) {
	w.resolved, err = w.resolve(ctx)
	if err != nil {
		return err
	}
	if w.outward, err = egress.NewTransport(w.resolved.AllowPrivate); err != nil {
		return fmt.Errorf("allow_private: %w", err)
	}
	w.resolved.Transport = w.outward
	w.resolved.Logger = ctx.Logger()
	return nil
}

// resolve returns the config without placeholders and with the transport into the site, if an endpoint needs it.
func (w *Webhooks) resolve(ctx caddy.Context) (webhooks.Config, error) {
	c := w.Config
	toSite := slices.ContainsFunc(c.Endpoints, func(e webhooks.Endpoint) bool { return strings.HasPrefix(e.URL, siteScheme) })
	if FromAppSource(ctx) {
		if c.Spool != "" || c.AllowPrivate != nil || w.SiteHost != "" || toSite {
			return c, errors.New("found spool, allow_private, site_host or an endpoint site:/… in an app of a source, expected them in the config only")
		}
		return c, nil
	}
	repl := caddy.NewReplacer()
	var errs []error
	resolved := func(word, text string) string {
		text, err := resolveText(repl, text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", word, err))
		}
		return text
	}
	c.Endpoints = slices.Clone(c.Endpoints)
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		e.URL = resolved("url", e.URL)
		e.Headers = maps.Clone(e.Headers)
		for name, value := range e.Headers {
			e.Headers[name] = resolved("header "+name, value)
		}
	}
	c.AllowPrivate = slices.Clone(c.AllowPrivate)
	for i, text := range c.AllowPrivate {
		c.AllowPrivate[i] = resolved("allow_private", text)
	}
	if c.Spool != "" {
		c.Spool = resolved("spool", c.Spool)
		if !filepath.IsAbs(c.Spool) {
			c.Spool = filepath.Join(caddy.AppDataDir(), hubsID, c.Spool)
		}
		errs = append(errs, takeSpool(ctx, c.Spool))
	}
	if toSite {
		site, err := siteFor(ctx, resolved("site_host", w.SiteHost))
		errs = append(errs, err)
		c.Site = site
	}
	return c, errors.Join(errs...)
}

// spoolsKey is under what a context of provisioning holds the directories that spools of this config use, a map[string]bool.
type spoolsKey struct{}

// takeSpool refuses a directory that another spool of the config has: both would want the same file, and the second would make the
// hub wait for ever.
func takeSpool(ctx caddy.Context, dir string) error {
	taken, _ := ctx.Value(spoolsKey{}).(map[string]bool)
	if taken == nil {
		return nil // a guest that no handler loads
	}
	if dir = filepath.Clean(dir); taken[dir] {
		return fmt.Errorf("spool: found %s, which is already the spool of other webhooks of this config, expected another directory", dir)
	}
	taken[dir] = true
	return nil
}

// siteFor returns the transport into the site, with another host if one is given.
func siteFor(ctx caddy.Context, host string) (http.RoundTripper, error) {
	transport, err := SiteTransport(ctx)
	if err != nil {
		return nil, err
	}
	if host != "" {
		return siteHost{transport, host}, nil
	}
	if site, ok := transport.(*siteTransport); ok && site.host == "" {
		return nil, errors.New("all hosts of this site are patterns: expected a line site_host <host>")
	}
	return transport, nil
}

// siteHost sends requests into the site under another host.
type siteHost struct {
	site http.RoundTripper
	host string
}

func (s siteHost) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = s.host
	return s.site.RoundTrip(r)
}

// Plugin returns a plugin that begins its work when its settings go live.
func (w *Webhooks) Plugin() (pusherhub.Plugin, error) { return webhooks.New(w.resolved) }

// Cleanup lets go of idle connections. Requests that are under way go on.
func (w *Webhooks) Cleanup() error {
	if w.outward != nil {
		w.outward.CloseIdleConnections()
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner  = (*Webhooks)(nil)
	_ caddy.CleanerUpper = (*Webhooks)(nil)
	_ PluginModule       = (*Webhooks)(nil)
)
