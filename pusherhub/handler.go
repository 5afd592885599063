package pusherhub

import (
	"context"
	"net"
	"net/http"
	"strings"
)

// Site is what belongs to the place where a hub is mounted and not to the hub: two sites may
// serve one hub under different paths.
type Site struct {
	// Path is put in front of /app and /apps, such as "/reverb". Default: none.
	Path string

	// ReverbUp answers GET {Path}/up with {"health":"OK"}, as Reverb does. Off by
	// default, because Laravel has a route of that name.
	ReverbUp bool

	// Settings are used instead of those that the hub was last given: a server may take requests
	// with a new configuration a moment before it is applied. Default: the hub's.
	Settings *Settings

	// ClientIP tells a request's client address. Default: the host of RemoteAddr.
	ClientIP func(*http.Request) string

	// Secure reports whether the client came over TLS, to this server or to a trusted
	// proxy in front of it. Default: r.TLS is set.
	Secure func(*http.Request) bool

	// TraceAPI, unless nil, is told that a request of the HTTP API of an app that exists begins; its signature is not checked yet. ctx is
	// the request's. Whatever the request leads to, hooks and the broker, gets the returned context. ended is called when
	// the request is answered; nil: nothing is traced, and the context stays as it was.
	TraceAPI func(ctx context.Context, call APICall) (traced context.Context, ended func(APIResult))
}

// APICall is a request of the HTTP API as who traces it sees it.
type APICall struct {
	App       string // the app id
	Operation string // publish, channels, channel, users, terminate, connections
}

// APIResult is what came of an [APICall].
type APIResult struct {
	Status   int // of HTTP
	Channels int // that events went to, each counted once for each event
	Events   int // published
}

func (s Site) clientIP(r *http.Request) string {
	if s.ClientIP != nil {
		return s.ClientIP(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (s Site) secure(r *http.Request) bool {
	if s.Secure != nil {
		return s.Secure(r)
	}
	return r.TLS != nil
}

// prefix returns Path with a leading and without a trailing slash.
func (s Site) prefix() string {
	p := strings.Trim(s.Path, "/")
	if p == "" {
		return ""
	}
	return "/" + p
}

// ServeHTTP serves what belongs to the hub at the root and answers 404 to everything else.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.Serve(w, r, Site{}) {
		plainText(w, http.StatusNotFound, textNotFound)
	}
}

// Serve answers r if it is the hub's: WebSocket handshakes at {path}/app/{key}, and the
// documented endpoints below {path}/apps/{id} of an app that exists or in a request that is signed. It
// returns false, with nothing written, for everything else: an application's own /app/settings or
// /apps/5/channels is none of its business.
//
// A WebSocket goes on after Serve has returned.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, site Site) (handled bool) {
	settings := site.Settings
	if settings == nil {
		settings = h.settings.Load()
	}
	if settings == nil {
		return false
	}
	prefix := site.prefix()
	path, mounted := strings.CutPrefix(r.URL.Path, prefix)
	if !mounted {
		return false
	}
	if key, found := strings.CutPrefix(path, "/app/"); found && key != "" && !strings.Contains(key, "/") {
		return h.serveClient(w, r, site, settings, strings.Clone(key))
	}
	if path == "/up" && site.ReverbUp && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		writeJSON(w, http.StatusOK, []byte(`{"health":"OK"}`))
		return true
	}
	escaped, mounted := strings.CutPrefix(r.URL.EscapedPath(), prefix)
	if !mounted {
		return false
	}
	if route, found := parseRoute(escaped); found {
		return h.serveAPI(w, r, site, settings, route, prefix)
	}
	return false
}

// serveClient answers requests for {path}/app/{key}.
func (h *Hub) serveClient(w http.ResponseWriter, r *http.Request, site Site, s *Settings, key string) bool {
	switch {
	case isUpgrade(r):
		h.upgrade(w, r, site, s, key)
		return true
	case isExtendedConnect(r):
		plainText(w, http.StatusNotImplemented, "WebSockets over HTTP/2 and HTTP/3 are not supported here, use HTTP/1.1.")
		return true
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return false
	}
	if _, err := s.appByKey(r.Context(), key, true); err != nil {
		return false
	}
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "websocket")
	plainText(w, http.StatusUpgradeRequired, "This is a WebSocket endpoint: connect to it with a Pusher client, such as pusher-js or Laravel Echo.")
	return true
}
