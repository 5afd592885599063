package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// receiver is somebody's endpoint for webhooks, in the test's process. It checks every request as an SDK does.
type receiver struct {
	*httptest.Server
	t    testing.TB
	keys []string // of the apps that may send; static once requests come

	mu       sync.Mutex
	hooks    []hook             // guarded by mu: the requests that were answered with 2xx
	tries    []hook             // guarded by mu: all requests
	answer   func(try hook) int // guarded by mu: the status; nil: 200
	received chan struct{}      // guarded by mu: closed and replaced by every request
}

// hook is one request.
type hook struct {
	header http.Header
	path   string
	body   string
	at     time.Time
	events []hookEvent
}

// hookEvent is one event of a request, as JSON has it.
type hookEvent map[string]any

// text returns a member that is a string, empty if there is none.
func (e hookEvent) text(member string) string {
	text, _ := e[member].(string)
	return text
}

// String is the event in short: name, channel and what tells it from others.
func (e hookEvent) String() string {
	return strings.TrimSpace(strings.Join([]string{e.text("name"), e.text("channel"), e.text("user_id"), e.text("event"), e.text("data")}, " "))
}

// newReceiver starts a receiver that takes everything.
func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{t: t, keys: []string{appKey}, received: make(chan struct{})}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP takes one request.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the hub went away in the middle: it will try again
	}
	h := hook{header: req.Header.Clone(), path: req.URL.Path, body: string(body), at: time.Now()}
	if found, expected := req.Header.Get("X-Pusher-Signature"), hubtest.Sign(appSecret, h.body); found != expected {
		r.t.Errorf("found the signature %q, expected %q for %s", found, expected, h.body)
	}
	if key := req.Header.Get("X-Pusher-Key"); !slices.Contains(r.keys, key) {
		r.t.Errorf("found the key %q, expected one of %q", key, r.keys)
	}
	var parsed struct {
		Events []hookEvent `json:"events"`
	}
	if err := json.Unmarshal(body, &parsed); err != nil {
		r.t.Errorf("reading the webhook %s: %v", h.body, err)
	}
	h.events = parsed.Events

	r.mu.Lock()
	status := http.StatusOK
	if r.answer != nil {
		status = r.answer(h)
	}
	r.tries = append(r.tries, h)
	if status < 300 {
		r.hooks = append(r.hooks, h)
	}
	close(r.received)
	r.received = make(chan struct{})
	r.mu.Unlock()
	w.WriteHeader(status)
}

// answers changes what the receiver says. The function runs under its lock.
func (r *receiver) answers(with func(try hook) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = with
}

// taken returns the requests that were answered with 2xx, in order.
func (r *receiver) taken() []hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.hooks)
}

// tried returns all requests, in order.
func (r *receiver) tried() []hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tries)
}

// events returns all events that were taken, in order.
func (r *receiver) events() (events []hookEvent) {
	for _, h := range r.taken() {
		events = append(events, h.events...)
	}
	return events
}

// await waits until what has arrived is enough.
func (r *receiver) await(what string, enough func() bool) {
	r.t.Helper()
	patience := time.After(2 * hubtest.Patience)
	for {
		r.mu.Lock()
		received := r.received
		r.mu.Unlock()
		if enough() {
			return
		}
		select {
		case <-received:
		case <-patience:
			events := r.events()
			r.t.Fatalf("waited in vain for %s; the last that arrived: %v", what, events[max(0, len(events)-20):])
		}
	}
}

// expect waits for an event that reads like this (see [hookEvent.String]).
func (r *receiver) expect(event string) (found hookEvent) {
	r.t.Helper()
	r.await(event, func() bool {
		for _, e := range r.events() {
			if e.String() == event {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// expectNo makes sure that no such event was taken so far.
func (r *receiver) expectNo(part string) {
	r.t.Helper()
	for _, e := range r.events() {
		if strings.Contains(e.String(), part) {
			r.t.Errorf("found %s, expected nothing with %q", e, part)
		}
	}
}

// webhookSite is publicSite with webhooks; WEBHOOKS stands for the plugin's lines.
const webhookSite = `
:{$PORT} {
	pusher_hub {
		drain 100ms
		webhooks {
			allow_private 127.0.0.1
			WEBHOOKS
		}
	}
	respond "application"
}
`

// startWebhooks starts a server whose webhooks go to endpoint, with further lines of the plugin.
func startWebhooks(t testing.TB, endpoint string, lines ...string) *server {
	t.Helper()
	return startServer(t, sitesWithWebhooks(endpoint, lines...))
}

func sitesWithWebhooks(endpoint string, lines ...string) string {
	plugin := strings.Join(append([]string{"endpoint " + endpoint}, lines...), "\n")
	return strings.Replace(webhookSite, "WEBHOOKS", plugin, 1) + apiSite
}
