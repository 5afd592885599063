// Package httpapps is the app source `http`: an endpoint of the user's own says which apps there are. It is a package of its
// own so that builds without it carry nothing of it:
//
//	xcaddy build --with github.com/onecharge/pusherhub/caddymodule --with github.com/onecharge/pusherhub/caddymodule/httpapps
//
// # What the endpoint gets
//
//	GET <url>?id=<app id>     when a server publishes
//	GET <url>?key=<app key>   when a client connects
//	X-Pusher-Hub-Timestamp: <seconds since 1970>
//	X-Pusher-Hub-Signature: <hex>
//
// The signature is the HMAC-SHA256, with the secret that both sides know, of three lines: the method, path and
// query as they stand in the request, and the timestamp, with a newline between them and none at the end. In Laravel:
//
//	$signed = "GET\n".$request->getRequestUri()."\n".$request->header('X-Pusher-Hub-Timestamp');
//	abort_unless(hash_equals(hash_hmac('sha256', $signed, $secret), $request->header('X-Pusher-Hub-Signature')), 403);
//
// # What it answers
//
// 200 and the app as a JSON object, in the words of a file of apps (caddymodule.ParseApp); 404 if there is no such app. Anything
// else, redirects included, means that it cannot be said at the moment.
package httpapps

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/appcache"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(Apps{})
}

// Apps is the app source `http`: an endpoint is asked for each app, and its answers are kept for a while.
type Apps struct {
	Options

	log *zap.Logger // static after Provision
}

// Options are the words of the source.
type Options struct {
	// URL is the endpoint, https or http. It may have a query of its own. Required.
	URL string `json:"url,omitempty"`

	// Secret signs the requests. In a config file use `{env.NAME}` or `{file.PATH}`. Required.
	Secret string `json:"secret,omitempty"`

	// TTL is how long an app is used without asking again, and so the time after which a change takes effect on
	// open sockets. Default: `1m`.
	TTL pusherhub.Duration `json:"ttl,omitempty"`

	// NegativeTTL is how long an app that was not found stays so. Default: `10s`.
	NegativeTTL pusherhub.Duration `json:"negative_ttl,omitempty"`

	// Stale is how long beyond TTL an app is served as it was while the endpoint does not answer. Default: `1h`.
	Stale pusherhub.Duration `json:"stale,omitempty"`

	// Timeout bounds one request. Default: `5s`.
	Timeout pusherhub.Duration `json:"timeout,omitempty"`

	// MaxConnections bounds the requests at one time. Default: 8.
	MaxConnections pusherhub.Limit `json:"max_connections,omitempty"`

	// MaxBody bounds an answer, in bytes. Default: 1 MiB.
	MaxBody pusherhub.Size `json:"max_body,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Apps) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.pusher_hub.apps.http", New: func() caddy.Module { return new(Apps) }}
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	apps http [<url>] {
//		url <url>
//		secret <secret>
//		ttl <duration>
//		negative_ttl <duration>
//		stale <duration>
//		timeout <duration>
//		max_connections <number>
//		max_body <size>
//	}
func (a *Apps) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // http
	var address string
	if d.NextArg() {
		address = d.Val()
	}
	if d.NextArg() {
		return d.Errf("http: found %q after the URL, expected a block", d.Val())
	}
	if err := caddymodule.UnmarshalOptions(d, &a.Options); err != nil {
		return err
	}
	if address != "" && a.URL != "" {
		return d.Errf("url: found it twice, %q and %q, expected it once", address, a.URL)
	}
	a.URL = cmp.Or(a.URL, address)
	return nil
}

// Provision resolves placeholders.
func (a *Apps) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger()
	return caddymodule.ResolveOptions(&a.Options)
}

// Validate refuses what could not work.
func (a *Apps) Validate() error {
	if a.Secret == "" {
		return errors.New("secret: found nothing, expected the secret that the endpoint verifies requests with")
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("url: expected a URL such as https://app.example.com/hub/apps") // it may hold a password: never shown
	}
	if u.User != nil || u.Fragment != "" {
		return errors.New("url: found a user or a fragment in it, expected neither: requests are signed with the secret")
	}
	for _, o := range []struct {
		word  string
		value int64
	}{
		{"ttl", int64(a.TTL)},
		{"negative_ttl", int64(a.NegativeTTL)},
		{"timeout", int64(a.Timeout)},
		{"max_connections", int64(a.MaxConnections)},
		{"max_body", int64(a.MaxBody)},
	} {
		if o.value < 0 {
			return fmt.Errorf("%s: found it unlimited or off, expected a positive value", o.word)
		}
	}
	return nil
}

// AppSource returns the source, which has asked nothing yet.
func (a *Apps) AppSource(build caddymodule.AppBuilder) (pusherhub.AppSource, error) {
	lookups := int(cmp.Or(a.MaxConnections, 8))
	endpoint, err := newEndpoint(a.URL, a.Secret, lookups, int64(cmp.Or(a.MaxBody, 1<<20)))
	if err != nil {
		return nil, err
	}
	return &source{
		endpoint: endpoint,
		Cache: appcache.New(appcache.Config{
			Loader: endpoint,
			Build: func(text []byte) (*pusherhub.App, error) {
				app, err := caddymodule.ParseApp(text)
				if err != nil {
					return nil, err
				}
				return build(app)
			},
			TTL:         time.Duration(a.TTL),
			NegativeTTL: time.Duration(a.NegativeTTL),
			Stale:       time.Duration(a.Stale),
			Timeout:     time.Duration(a.Timeout),
			Lookups:     lookups,
			Logger:      a.log,
		}),
	}, nil
}

// source is the endpoint and what is known of its answers.
type source struct {
	*appcache.Cache
	endpoint *endpoint
}

// Close lets go of the connections.
func (s *source) Close() error {
	err := s.Cache.Close()
	s.endpoint.client.CloseIdleConnections()
	return err
}

// Interface guards
var (
	_ caddymodule.AppSourceModule = (*Apps)(nil)
	_ caddyfile.Unmarshaler       = (*Apps)(nil)
	_ caddy.Provisioner           = (*Apps)(nil)
	_ caddy.Validator             = (*Apps)(nil)
)
