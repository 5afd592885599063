package pusherhub

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"
)

// apiError is an answer of the HTTP API other than success. SDKs put its text into their exceptions.
type apiError struct {
	status     int
	text       string // one short sentence
	json       []byte // sent instead of text if not nil
	retryAfter int    // seconds; 0: no header
	signed     string // for the log: what the signature should have been made over
}

// apiRequest is an API request whose signature is good.
type apiRequest struct {
	hub    *Hub
	app    *App
	state  *appState
	route  route
	params params
	body   []byte
	r      *http.Request

	clientIP string
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
		h.refuse(w, r, h.appError(err, r, rt))
		return true
	}
	if app.corsHeaders(w, r) && r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if want := rt.endpoint.method(); method != want {
		w.Header().Set("Allow", want)
		h.refuse(w, r, &apiError{status: http.StatusMethodNotAllowed, text: textMethodNotAllowed})
		return true
	}
	body, e := readBody(w, r, app.cfg.MaxRequestSize)
	if e != nil {
		h.refuse(w, r, e)
		return true
	}
	verified, e := app.verifyRequest(r.Method, signedPaths(r.URL, prefix), r.URL.RawQuery, body, time.Now())
	if e == nil && !app.enabled() {
		e = &apiError{status: http.StatusForbidden, text: errAppDisabled.Reason}
	}
	if e != nil {
		h.refuse(w, r, e)
		return true
	}
	q := &apiRequest{hub: h, app: app, state: h.stateOf(s, app), route: rt, params: verified, body: body, r: r, clientIP: site.clientIP(r)}
	status, answer, e := q.answerOnce(w.Header())
	if e != nil {
		h.refuse(w, r, e)
		return true
	}
	writeJSON(w, status, answer)
	return true
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

func (h *Hub) appError(err error, r *http.Request, rt route) *apiError {
	if errors.Is(err, ErrAppNotFound) {
		name := rt.appID
		if name == "" {
			name = r.URL.Query().Get("auth_key")
		}
		return &apiError{status: http.StatusNotFound, text: fmt.Sprintf(textNoMatchingApp, name)}
	}
	h.logger().Error("looking up app", zap.String("id", rt.appID), zap.Error(err))
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
		body = append(strconv.AppendInt([]byte(`{"connections":`), q.state.connections.Load(), 10), '}')
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

// refuse writes an error.
func (h *Hub) refuse(w http.ResponseWriter, r *http.Request, e *apiError) {
	if c := h.logger().Check(zap.DebugLevel, "API request refused"); c != nil {
		fields := []zap.Field{zap.Int("status", e.status), zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.String("reason", e.text)}
		if e.signed != "" {
			fields = append(fields, zap.String("expected_signature_over", e.signed))
		}
		c.Write(fields...)
	}
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
	_, _ = w.Write(body) //nolint:gosec // JSON of our own making; the client may be gone
}

func plainText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) //nolint:gosec // text/plain, nosniff; the client may be gone
}
