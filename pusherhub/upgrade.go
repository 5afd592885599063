package pusherhub

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"
)

// isUpgrade reports whether r asks for a WebSocket over HTTP/1.1.
func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && headerHasToken(r.Header, "Connection", "upgrade") && headerHasToken(r.Header, "Upgrade", "websocket")
}

// isExtendedConnect reports whether r asks for a WebSocket over HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220).
func isExtendedConnect(r *http.Request) bool {
	return r.Method == http.MethodConnect && (r.Proto == "websocket" || r.Header.Get(":protocol") == "websocket")
}

func headerHasToken(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// upgrade answers a WebSocket handshake. A client that is refused is told so on the open
// socket: browsers hide the status of a failed handshake from their code.
func (h *Hub) upgrade(w http.ResponseWriter, r *http.Request, site Site, s *Settings, key string) {
	if !h.enter() {
		plainText(w, http.StatusServiceUnavailable, "The server is shutting down.")
		return
	}
	established := false
	defer func() {
		if !established {
			h.leave()
		}
	}()
	switch version := r.Header.Get("Sec-WebSocket-Version"); version {
	case "13":
	case "": // a hand-written curl line; what it means is clear
		r = r.Clone(r.Context())
		r.Header.Set("Sec-WebSocket-Version", "13")
	default:
		w.Header().Set("Sec-WebSocket-Version", "13")
		plainText(w, http.StatusUpgradeRequired, "WebSocket version "+strconv.Quote(version)+" is not supported, 13 is.")
		return
	}
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
		plainText(w, http.StatusBadRequest, "A WebSocket handshake has no body.")
		return
	}

	c := &conn{hub: h, jitter: int8(rand.IntN(201) - 100), lastRead: time.Now(), spoke: time.Now()} //nolint:gosec // spreads load, guards nothing
	c.protocol, _ = strconv.Atoi(queryValue(r.URL.RawQuery, "protocol"))
	app, refusal := h.admit(r, site, s, key)
	if refusal == nil {
		refusal = c.enter(r, site, s, app)
	}

	options := &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the app's own origin list has decided
		CompressionMode:    websocket.CompressionDisabled,
		Subprotocols:       chooseSubprotocol(r.Header),
	}
	if refusal == nil && isOn(app.cfg.Compression) {
		options.CompressionMode = websocket.CompressionNoContextTakeover
	}
	if err := c.shakeHands(w, r, options); err != nil {
		if c.state != nil {
			c.exit()
		}
		if c.nc != nil {
			_ = c.nc.Close()
		}
		h.logger().Debug("WebSocket handshake failed", zap.Error(err))
		return
	}
	established = true
	if refusal != nil {
		h.countersOf(app).refusals.count(refusal.Code)
		h.logRefused(r, site, key, refusal)
		c.id, c.state = "", nil
		c.close(refusal)
	} else {
		c.establish(app)
	}
	go c.serve()
}

// admit runs the checks that need no state, in the order of the protocol. It returns the app if there is one, also with a refusal.
func (h *Hub) admit(r *http.Request, site Site, s *Settings, key string) (*App, *CloseError) {
	if h.draining.Load() {
		return nil, errDraining
	}
	app, err := s.appByKey(r.Context(), key, false)
	switch {
	case errors.Is(err, ErrAppNotFound):
		return nil, errNoSuchApp
	case err != nil:
		h.logLookup(r.Context(), "key", key, err)
		return nil, errOverCapacity
	case !app.enabled():
		return app, errAppDisabled
	case isOn(app.cfg.TLSOnly) && !site.secure(r):
		return app, errTLSOnly
	case !app.originAllowed(r.Header.Get("Origin")):
		return app, errOriginNotAllowed
	case isOn(app.cfg.StrictProtocol):
		if refusal := checkProtocol(r.URL.Query()); refusal != nil {
			return app, refusal
		}
	}
	return app, nil
}

// enter asks the plugins and takes a place; exit gives it back.
func (c *conn) enter(r *http.Request, site Site, s *Settings, app *App) *CloseError {
	h := c.hub
	c.id, c.clientIP = h.socketIDs.next(), site.clientIP(r)
	state := h.stateOf(s, app)
	request := &ConnectRequest{
		App: app.ID(), SocketID: c.id, ClientIP: c.clientIP,
		Origin: r.Header.Get("Origin"), UserAgent: r.UserAgent(),
	}
	agreed, refusal := app.hooks.connect(r.Context(), h, request)
	if refusal == nil {
		refusal = h.reserve(s, app, state)
	}
	if refusal != nil {
		app.hooks.disconnect(h, request, agreed)
		return refusal
	}
	if len(app.hooks.onDisconnect) > 0 {
		c.request = request
	}
	c.describe(r.UserAgent())
	c.state = state
	return nil
}

// exit tells the plugins that the socket is gone and gives its place back.
func (c *conn) exit() {
	if k := c.state.last().app.Load().hooks; len(k.onDisconnect) > 0 {
		request := c.request
		if request == nil { // it was here before the plugin was
			request = &ConnectRequest{App: c.state.id, SocketID: c.id, ClientIP: c.clientIP, UserAgent: c.agent()}
		}
		k.disconnect(c.hub, request, len(k.slots))
	}
	c.hub.release(c.state)
}

// reserve takes a place among the app's and the node's connections; release gives it back.
func (h *Hub) reserve(s *Settings, app *App, state *appState) *CloseError {
	n := int(state.connections.Add(1))
	state.holdConnections()
	if app.cfg.MaxConnections > 0 && app.cfg.MaxConnections.exceeded(n+state.connectionsElsewhere()) {
		state.leave()
		return errOverQuota
	}
	if n := h.connections.Add(1); s.maxConns.exceeded(int(n)) {
		h.release(state)
		return errOverCapacity
	}
	return nil
}

func (h *Hub) release(state *appState) {
	if h.connections.Add(-1) == 0 && h.draining.Load() {
		select {
		case h.emptied <- struct{}{}:
		default:
		}
	}
	state.leave()
}

// leave takes a connection out of the count.
func (s *appState) leave() {
	left := s.connections.Add(-1)
	s.holdConnections()
	if left == 0 && s.gone.Load() != nil {
		s.detachAll()
	}
}

// establish makes the socket known and greets it.
func (c *conn) establish(app *App) {
	if isOn(app.cfg.UserAuthentication) {
		c.authorizeBy = time.Now().Add(time.Duration(app.cfg.UserAuthenticationTimeout))
	}
	if app.conflating() {
		keepUnsent(c.nc)
	}
	c.state.counters.connectionsTotal.Add(1)
	c.replyPayload(establishedPayload(c.id, int(time.Duration(app.cfg.ActivityTimeout)/time.Second)))
	c.state.conns.add(c)
	c.closeIfLate()
	c.state.awaitRoom()
	c.observe(Observation{Type: Connected, SocketID: c.id, ClientIP: c.clientIP})
	c.settle()
}

// checkProtocol applies the option strict_protocol.
func checkProtocol(query url.Values) *CloseError {
	if !query.Has("protocol") {
		return errNoProtocol
	}
	if n, err := strconv.Atoi(query.Get("protocol")); err != nil || n < 4 || n > 7 {
		return errUnsupportedProtocol
	}
	if version := query.Get("version"); version != "" && !strings.ContainsAny(version[:1], "0123456789") {
		return errInvalidVersion
	}
	return nil
}

// queryValue is url.Values.Get without a map of all parameters, which would cost more than all other checks of a handshake.
func queryValue(query, name string) string {
	for parameter := range strings.SplitSeq(query, "&") {
		if key, value, _ := strings.Cut(parameter, "="); key == name {
			value, _ = url.QueryUnescape(value)
			return value
		}
	}
	return ""
}

// chooseSubprotocol picks the one offered sub-protocol that the answer repeats: Swift
// clients and browsers give up without it.
func chooseSubprotocol(h http.Header) []string {
	var first string
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for offered := range strings.SplitSeq(line, ",") {
			offered = strings.TrimSpace(offered)
			if strings.HasPrefix(offered, subprotocolPrefix) {
				return []string{offered}
			}
			if first == "" {
				first = offered
			}
		}
	}
	if first == "" {
		return nil
	}
	return []string{first}
}

// connect asks the connect hooks. agreed is the number of plugins, of all that the app has, that let the client in or have no say.
func (k hooks) connect(ctx context.Context, h *Hub, r *ConnectRequest) (agreed int, refusal *CloseError) {
	for _, hook := range k.onConnect {
		if err := h.callHook(hook, func() error { return hook.OnConnect(ctx, r) }); err != nil {
			e := h.refusal(hook, err, CodeOverCapacity, errConnectRefused)
			if e.Code < 4000 || e.Code > 4299 { // no client would come back after another
				e = &CloseError{CodeUnauthorized, e.Reason}
			}
			return hook.index, e
		}
	}
	return len(k.slots), nil
}

// disconnect tells the first agreed of the app's plugins that a socket is gone.
func (k hooks) disconnect(h *Hub, r *ConnectRequest, agreed int) {
	for _, hook := range k.onDisconnect {
		if hook.index < agreed {
			_ = h.callHook(hook, func() error { hook.OnDisconnect(r); return nil })
		}
	}
}

var errConnectRefused = &CloseError{CodeUnauthorized, "Connection refused"}
