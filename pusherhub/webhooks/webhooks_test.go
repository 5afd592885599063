package webhooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"github.com/pusher/pusher-http-go/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }

const (
	testKey    = "278d425bdf160c739803"
	testSecret = "7ad3773142a6692b25b8"
	hookURL    = "https://hooks.example/pusher"
	otherURL   = "https://other.example/pusher"
)

// receiver stands for all endpoints. It checks each request as Pusher's Go library does, and keeps it.
type receiver struct {
	t *testing.T

	mu       sync.Mutex
	secret   string
	answer   func(r received) (status int, err error) // nil: 200
	requests []received
	flying   map[string]int // by app key and URL
}

// received is one request.
type received struct {
	url    string
	header http.Header
	body   string
	at     time.Time
	try    int // of this URL, from 1
	taken  bool
}

func newReceiver(t *testing.T) *receiver {
	return &receiver{t: t, secret: testSecret, flying: make(map[string]int)}
}

func (rc *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	got := received{url: r.URL.String(), header: r.Header.Clone(), body: string(raw), at: time.Now()}
	one := r.Header.Get(headerKey) + " " + got.url
	rc.mu.Lock()
	if rc.flying[one]++; rc.flying[one] > 1 {
		rc.t.Errorf("%d requests of one app are under way to %s, expected one", rc.flying[one], got.url)
	}
	client := pusher.Client{Key: r.Header.Get(headerKey), Secret: rc.secret}
	if _, err := client.Webhook(r.Header, raw); err != nil {
		rc.t.Errorf("Pusher's library refuses the request %s: %v", raw, err)
	}
	for _, before := range rc.requests {
		if before.url == got.url {
			got.try++
		}
	}
	got.try++
	answer := rc.answer
	rc.mu.Unlock()

	status := http.StatusOK
	if answer != nil {
		status, err = answer(got)
	}
	if ctxErr := r.Context().Err(); err == nil && ctxErr != nil {
		err = ctxErr
	}
	got.taken = err == nil && status >= 200 && status < 300

	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.flying[one]--
	rc.requests = append(rc.requests, got)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("OK"))}, nil
}

// answers changes what the endpoints answer.
func (rc *receiver) answers(answer func(r received) (int, error)) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.answer = answer
}

func (rc *receiver) all() []received {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return slices.Clone(rc.requests)
}

// events returns the events that an endpoint has taken, as "name channel user count data".
func (rc *receiver) events(url string) (events []string) {
	for _, r := range rc.all() {
		if r.taken && r.url == url {
			events = append(events, r.events(rc.t)...)
		}
	}
	return events
}

func (r received) events(t *testing.T) (events []string) {
	var body struct {
		TimeMS int64 `json:"time_ms"`
		Events []event
	}
	from := json.NewDecoder(strings.NewReader(r.body))
	from.DisallowUnknownFields()
	if err := from.Decode(&body); err != nil {
		t.Fatalf("reading the body %s: %v", r.body, err)
	}
	for _, e := range body.Events {
		text := e.Name + " " + e.Channel
		if e.UserID != "" {
			text += " " + e.UserID
		}
		if e.SubscriptionCount != nil {
			text += fmt.Sprint(" ", *e.SubscriptionCount)
		}
		if e.Data != nil {
			text += " " + *e.Data
		}
		events = append(events, text)
	}
	return events
}

func (rc *receiver) expect(url string, want ...string) {
	rc.t.Helper()
	if found := rc.events(url); !slices.Equal(found, want) {
		rc.t.Errorf("%s has taken\n %s\nexpected\n %s", url, strings.Join(found, "\n "), strings.Join(want, "\n "))
	}
}

// rig is a plugin that is attached to one app.
type rig struct {
	*receiver
	plugin pusherhub.Plugin
	app    *pusherhub.App
	log    *observer.ObservedLogs
}

// newRig attaches a plugin with that config and, if it has none, one endpoint that wants everything that Pusher sends.
func newRig(t *testing.T, cfg Config) *rig {
	r := &rig{receiver: newReceiver(t), app: newApp(t, "app", testSecret)}
	r.plugin = r.build(cfg)
	r.attach(nil)
	return r
}

func newApp(t *testing.T, id, secret string) *pusherhub.App {
	t.Helper()
	app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: id, Key: testKey, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func (r *rig) build(cfg Config) pusherhub.Plugin {
	r.t.Helper()
	if cfg.Endpoints == nil {
		cfg.Endpoints = []Endpoint{{URL: hookURL}}
	}
	cfg.Transport, cfg.Site = r.receiver, r.receiver
	core, logs := observer.New(zap.DebugLevel)
	r.log, cfg.Logger = logs, zap.New(core)
	p, err := New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) attach(old pusherhub.Plugin) {
	r.plugin.(pusherhub.AttachHook).OnAttach(r.app, old)
}

// reload puts a plugin with another config in the place of the one before.
func (r *rig) reload(cfg Config) {
	r.t.Helper()
	old := r.plugin
	r.plugin = r.build(cfg)
	r.attach(old)
}

func (r *rig) detach() { r.plugin.(pusherhub.AttachHook).OnDetach(r.t.Context(), r.app) }

// tell tells the plugin of observations as the hub does.
func (r *rig) tell(observations ...pusherhub.Observation) {
	for i := range observations {
		observations[i].App, observations[i].Time = r.app.ID(), time.Now()
	}
	if keeping, ok := r.plugin.(pusherhub.KeepingObserver); ok {
		keeping.Keep(r.t.Context(), observations)
		return
	}
	for _, o := range observations {
		r.plugin.(pusherhub.Observer).Observe(o)
	}
}

// measure returns one of the plugin's figures for the app.
func (r *rig) measure(name string) float64 {
	r.t.Helper()
	for _, m := range r.plugin.(pusherhub.Measurer).Measures() {
		if m.Name == name && m.App == r.app.ID() {
			return m.Value
		}
	}
	r.t.Fatalf("no figure is named %q", name)
	return 0
}

func occupied(channel string) pusherhub.Observation {
	return pusherhub.Observation{Type: pusherhub.ChannelOccupied, Channel: channel}
}

func vacated(channel string) pusherhub.Observation {
	return pusherhub.Observation{Type: pusherhub.ChannelVacated, Channel: channel}
}

func added(channel, user string) pusherhub.Observation {
	return pusherhub.Observation{Type: pusherhub.MemberAdded, Channel: channel, UserID: user}
}

func removed(channel, user string) pusherhub.Observation {
	return pusherhub.Observation{Type: pusherhub.MemberRemoved, Channel: channel, UserID: user}
}

func clientEvent(channel, data string) pusherhub.Observation {
	return pusherhub.Observation{Type: pusherhub.ClientEvent, Channel: channel, SocketID: "1.2", Event: "client-x", Data: data}
}

// numbered returns n client events whose data are the numbers from the first.
func numbered(channel string, first, n int) (o []pusherhub.Observation, events []string) {
	for i := first; i < first+n; i++ {
		o = append(o, clientEvent(channel, fmt.Sprint(i)))
		events = append(events, fmt.Sprint("client_event ", channel, " ", i))
	}
	return o, events
}

var errRefused = errors.New("connection refused")

func refuse(received) (int, error) { return 0, errRefused }

func compact(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// zapJSON returns a log entry as it is written to a file.
func zapJSON(cfg zapcore.EncoderConfig, entry observer.LoggedEntry) (string, error) {
	line, err := zapcore.NewJSONEncoder(cfg).EncodeEntry(entry.Entry, entry.Context)
	if err != nil {
		return "", err
	}
	return line.String(), nil
}
