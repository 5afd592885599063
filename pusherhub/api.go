package pusherhub

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// apiError is an answer of the HTTP API other than success. SDKs put its text into their exceptions.
type apiError struct {
	status     int
	text       string // one short sentence
	json       []byte // sent instead of text if not nil
	retryAfter int    // seconds; 0: no header
	why        string // for the log: what was wrong, if text does not say it
	signed     string // for the log: what the signature should have been made over
}

// apiRequest is an API request of an app that exists.
type apiRequest struct {
	hub   *Hub
	app   *App
	route route
	r     *http.Request

	// Set when the signature was found good.
	state  *appState
	params params
	body   []byte
	began  time.Time // when the body had been read

	unasked bool // the other nodes could not be asked, and are not asked again for each channel

	clientIP string
	result   APIResult // for who traces it
}

// serveAPI answers a request to an endpoint of the API, unless the app is unknown and nothing
// says that the request is meant for a hub.
func (h *Hub) serveAPI(w http.ResponseWriter, r *http.Request, site Site, s *Settings, rt route, prefix string) bool {
	app, err := h.apiApp(r, s, rt, true)
	if err != nil {
		if query := r.URL.Query(); !query.Has("auth_key") || !query.Has("auth_signature") {
			return false
		}
		app, err = h.apiApp(r, s, rt, false)
	}
	if !h.enter() {
		plainText(w, http.StatusServiceUnavailable, "The server is shutting down.")
		return true
	}
	defer h.leave()
	if err != nil {
		h.refuse(w, r, nil, h.appError(err, r, rt))
		return true
	}
	if app.corsHeaders(w, r) && r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	q := &apiRequest{hub: h, app: app, route: rt, r: r, clientIP: site.clientIP(r)}
	ended := q.trace(site)
	status, answer, e := q.serve(w, s, prefix)
	if e != nil {
		status = e.status
		h.refuse(w, r, app, e)
	} else {
		writeJSON(w, status, answer)
	}
	if ended != nil {
		q.result.Status = status
		ended(q.result)
	}
	return true
}

// trace tells the site that a request begins. ended is nil if nobody wants to know how it ends.
func (q *apiRequest) trace(site Site) (ended func(APIResult)) {
	if site.TraceAPI == nil {
		return nil
	}
	ctx, ended := site.TraceAPI(q.r.Context(), APICall{App: q.app.ID(), Operation: q.route.endpoint.operation()})
	if ended != nil {
		q.r = q.r.WithContext(ctx)
	}
	return ended
}

// serve checks the request and carries it out.
func (q *apiRequest) serve(w http.ResponseWriter, s *Settings, prefix string) (status int, answer []byte, e *apiError) {
	method := q.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if want := q.route.endpoint.method(); method != want {
		w.Header().Set("Allow", want)
		return 0, nil, &apiError{status: http.StatusMethodNotAllowed, text: textMethodNotAllowed}
	}
	if q.body, e = readBody(w, q.r, q.app.cfg.MaxRequestSize); e != nil {
		return 0, nil, e
	}
	if e = q.follow(s); e != nil {
		return 0, nil, e
	}
	q.began = time.Now()
	q.params, e = q.app.verifyRequest(q.r.Method, signedPaths(q.r.URL, prefix), q.r.URL.RawQuery, q.body, q.began)
	if e != nil {
		if e.status == http.StatusUnauthorized {
			q.hub.countersOf(q.app).apiAuthFailures.Add(1)
		}
		return 0, nil, e
	}
	if !q.app.enabled() {
		return 0, nil, &apiError{status: http.StatusForbidden, text: errAppDisabled.Reason}
	}
	q.state = q.hub.stateOf(s, q.app)
	return q.answerOnce(w.Header())
}

// apiApp finds the app that a request is about. local: ask nobody else.
func (h *Hub) apiApp(r *http.Request, s *Settings, rt route, local bool) (*App, error) {
	if rt.appID != "" {
		return s.appByID(r.Context(), rt.appID, local)
	}
	if query := r.URL.Query(); !local {
		return s.appByKey(r.Context(), query.Get("auth_key"), false)
	}
	return nil, ErrAppNotFound
}

// follow takes the app as its source has it now, unless it is the one in use: while the body came it may have been changed,
// disabled or removed, and with what was found before that the request would bring the old settings back.
func (q *apiRequest) follow(s *Settings) *apiError {
	if state := q.hub.state(q.app.ID()); s.source == nil || state != nil && state.attached.Load() == q.app {
		return nil
	}
	app, err := q.hub.apiApp(q.r, s, q.route, false)
	if err != nil {
		return q.hub.appError(err, q.r, q.route)
	}
	q.app = app
	return nil
}

func (h *Hub) appError(err error, r *http.Request, rt route) *apiError {
	if errors.Is(err, ErrAppNotFound) {
		name := rt.appID
		if name == "" {
			name = r.URL.Query().Get("auth_key")
		}
		return &apiError{status: http.StatusNotFound, text: fmt.Sprintf(textNoMatchingApp, name)}
	}
	if rt.appID != "" {
		h.logLookup(r.Context(), "id", rt.appID, err)
	} else {
		h.logLookup(r.Context(), "key", r.URL.Query().Get("auth_key"), err)
	}
	return &apiError{status: http.StatusServiceUnavailable, text: "The app cannot be looked up at the moment.", retryAfter: 1}
}

// answer carries the request out.
func (q *apiRequest) answer() (status int, body []byte, e *apiError) {
	switch q.route.endpoint {
	case postEvents:
		body, e = q.trigger()
	case postBatchEvents:
		body, e = q.triggerBatch()
	case postChannelEvents:
		e = q.triggerOne()
		return http.StatusAccepted, []byte("{}"), e
	case getChannels:
		body, e = q.channels()
	case getChannel:
		body, e = q.channel()
	case getChannelUsers:
		body, e = q.users()
	case getChannelStats:
		body, e = q.channelStats()
	case postTerminate:
		body, e = q.terminate()
	case getConnections:
		count := q.state.connections.Load() + int64(q.state.connectionsElsewhere())
		body = append(strconv.AppendInt([]byte(`{"connections":`), count, 10), '}')
	}
	return http.StatusOK, body, e
}

// readBody reads a request's body if it keeps within the app's bound.
func readBody(w http.ResponseWriter, r *http.Request, bound Size) ([]byte, *apiError) {
	tooLarge := &apiError{status: http.StatusRequestEntityTooLarge, text: textPayloadTooLarge}
	if r.ContentLength > int64(bound) {
		return nil, tooLarge
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, text: "Compressed request bodies are not supported."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(bound)))
	if _, isTooLarge := errors.AsType[*http.MaxBytesError](err); isTooLarge {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &apiError{status: http.StatusBadRequest, text: "The request body could not be read."}
	}
	return body, nil
}

// refuse writes an error. app is nil if none was found.
func (h *Hub) refuse(w http.ResponseWriter, r *http.Request, app *App, e *apiError) {
	h.countersOf(app).apiErrors.count(e.status)
	h.logAPIError(r, app, e)
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	if e.json != nil {
		writeJSON(w, e.status, e.json)
		return
	}
	plainText(w, e.status, e.text)
}

// corsHeaders lets browsers of the app's api_cors_origins in and reports whether it did.
func (a *App) corsHeaders(w http.ResponseWriter, r *http.Request) bool {
	if len(a.cfg.APICORSOrigins) == 0 {
		return false
	}
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !a.cors.matches(origin) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	if r.Method == http.MethodOptions {
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type, X-Pusher-Library, "+headerIdempotencyKey)
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	return true
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // JSON of our own making; the client may be gone
}

func plainText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) //nolint:gosec // text/plain, nosniff; the client may be gone
}
