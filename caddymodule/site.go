package caddymodule

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const (
	// siteRequests is how many requests a hub has under way in its own site; others wait. php-fpm has few children,
	// and visitors need them.
	siteRequests = 4

	// siteResponseLimit is how much of an answer is kept, in bytes.
	siteResponseLimit = 1 << 20

	// siteVar is the variable that requests of the hub have, as {http.vars.pusher_hub_site} and for the matcher vars.
	siteVar = "pusher_hub_site"
)

// siteKey is under what a context of provisioning holds the transport into its site.
type siteKey struct{}

// siteRequestKey marks the context of a request that the hub itself sends.
type siteRequestKey struct{}

// SiteTransport returns a transport whose requests go straight into the handler chain of the site at which
// the hub is configured: through php_fastcgi, say, with its root, rewrites and access log, but through no port, DNS, TLS or public
// route. It is for guests, in their Provision: ctx is the context that they get there. Whoever outlives a config has to replace the
// transport by the next config's, as a plugin is replaced ([pusherhub.AttachHook]).
//
// Of a request's URL only path and query count, as in `site:/webhook`; a host in it chooses among the hosts of the server, and is needed
// if the site has none but patterns (`*.example.com`). The request comes from 127.0.0.1 and counts as TLS, so that nothing
// redirects it. Where it has passed pusher_hub, the variable {http.vars.pusher_hub_site} is `true`, which no request from outside can have:
//
//	@outside {
//		path /webhook
//		not vars pusher_hub_site true
//	}
//	error @outside 404
//
// The hub does not answer these requests, and they cannot send others: neither can a webhook cause itself. At most four of them are under
// way at a time. RoundTrip returns when the request's context ends, even if a handler goes on working. It fails if no handler of
// the site answers; reading the body fails above 1 MiB.
func SiteTransport(ctx caddy.Context) (http.RoundTripper, error) {
	site, ok := ctx.Value(siteKey{}).(*siteTransport)
	if !ok || site.server == nil {
		return nil, errors.New("site: expected the context of a guest of a pusher_hub handler in an HTTP server of Caddy, found another one")
	}
	return site, nil
}

// siteTransport is what [SiteTransport] returns. Immutable but for the slots.
type siteTransport struct {
	server http.Handler
	host   string // of requests that name none; empty if the site has only patterns
	log    *zap.Logger
	slots  chan struct{} // holds one element a request under way
}

func newSiteTransport(server http.Handler, host string, log *zap.Logger) *siteTransport {
	return &siteTransport{server: server, host: host, log: log, slots: make(chan struct{}, siteRequests)}
}

// forGuests returns ctx as the guests of the hub of that name get it: with the transport into the hub's site.
func (h *Hubs) forGuests(ctx caddy.Context, name string) caddy.Context {
	ctx.Context = context.WithValue(ctx.Context, spoolsKey{}, h.spools)
	var best *site
	for i := range h.sites {
		s := &h.sites[i]
		if s.hub == name && (s.configures || !h.configured(name)) && (best == nil || s.public && !best.public) {
			best = s
		}
	}
	var transport *siteTransport
	if best != nil {
		transport = newSiteTransport(best.server, best.host, h.log)
	} else if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		transport = newSiteTransport(server, "localhost", h.log) // a handler that the survey could not see
	} else {
		return ctx
	}
	ctx.Context = context.WithValue(ctx.Context, siteKey{}, transport)
	return ctx
}

// RoundTrip sends a request into the site.
func (s *siteTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := readAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("site: reading the request's body: %w", err)
	}
	inner, err := s.request(req, body)
	if err != nil {
		return nil, fmt.Errorf("site: %w", err)
	}
	select {
	case s.slots <- struct{}{}:
	case <-req.Context().Done():
		return nil, fmt.Errorf("site: waiting for one of %d requests under way to end: %w", siteRequests, context.Cause(req.Context()))
	}
	type outcome struct {
		answer *siteResponse
		err    error
	}
	done := make(chan outcome, 1)
	// Of its own, because a handler need not listen to the context: php_fastcgi does not while PHP works. It ends when
	// the handler does, as for a visitor who went away, and keeps its slot until then.
	go func() {
		defer func() { <-s.slots }()
		answer, err := s.serve(inner)
		done <- outcome{answer, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, fmt.Errorf("site: %w", o.err)
		}
		return o.answer.response(req), nil
	case <-req.Context().Done():
		return nil, fmt.Errorf("site: %w", context.Cause(req.Context()))
	}
}

// request returns the request as the site's server gets it.
func (s *siteTransport) request(req *http.Request, body []byte) (*http.Request, error) {
	if fromHub(req) {
		return nil, errors.New("a request that the hub sent into the site cannot send another one: it could go round for ever")
	}
	if !strings.HasPrefix(req.URL.Path, "/") {
		return nil, fmt.Errorf("found the path %q, expected one that begins with a slash, such as /webhook", req.URL.Path)
	}
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	if host == "" {
		host = s.host
	}
	if host == "" {
		return nil, errors.New("all hosts of this site are patterns: name the one that the request is for, as in //app.example.com/webhook")
	}
	header := maps.Clone(req.Header)
	if header == nil {
		header = make(http.Header)
	}
	header.Set("Content-Length", strconv.Itoa(len(body))) // FastCGI reads the header
	header.Set("X-Forwarded-Proto", "https")              // for sites behind a TLS edge that ask for it
	target := &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	r := &http.Request{
		Method:        req.Method,
		URL:           target,
		RequestURI:    target.RequestURI(),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Host:          host,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		RemoteAddr:    "127.0.0.1:0",
		TLS: &tls.ConnectionState{
			Version:           tls.VersionTLS13,
			CipherSuite:       tls.TLS_AES_128_GCM_SHA256,
			HandshakeComplete: true,
			ServerName:        (&url.URL{Host: host}).Hostname(), // servers may insist on it being the host
		},
	}
	return r.WithContext(context.WithValue(req.Context(), siteRequestKey{}, true)), nil
}

// serve runs the site's handlers.
func (s *siteTransport) serve(r *http.Request) (answer *siteResponse, err error) {
	w := &siteResponse{header: make(http.Header)}
	defer func() {
		switch reason := recover(); reason {
		case nil:
		case http.ErrAbortHandler:
			err = fmt.Errorf("the site aborted %s %s", r.Method, r.URL.Path)
		default:
			s.log.Error("a handler of the site panicked at a request of the hub",
				zap.String("path", r.URL.Path), zap.Any("panic", reason), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("a handler of the site panicked at %s %s", r.Method, r.URL.Path)
		}
	}()
	s.server.ServeHTTP(w, r)
	if w.status == 0 {
		return nil, fmt.Errorf("nothing in the site answers %s %s for the host %s: expected a handler such as php_fastcgi", r.Method, r.URL.Path, r.Host)
	}
	return w, nil
}

// fromHub reports whether the hub sent the request.
func fromHub(r *http.Request) bool { return r.Context().Value(siteRequestKey{}) != nil }

// readAll returns the whole body of a request, which may be nil, and closes it.
func readAll(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer body.Close()
	return io.ReadAll(body)
}
