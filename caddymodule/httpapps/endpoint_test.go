package httpapps

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

const secret = "shared-by-both"

// backend is a user's endpoint. It checks requests by what the documentation says, not by our code.
type backend struct {
	t *testing.T

	mu      sync.Mutex
	answers map[string]string // guarded by mu: by query; "302" and the like are statuses
	asked   []string          // guarded by mu: the request lines
}

func (b *backend) set(query, answer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.answers == nil {
		b.answers = make(map[string]string)
	}
	b.answers[query] = answer
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, r.Method+" "+r.RequestURI)
	timestamp := r.Header.Get("X-Pusher-Hub-Timestamp")
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "GET\n%s\n%s", r.RequestURI, timestamp)
	if r.Header.Get("X-Pusher-Hub-Signature") != hex.EncodeToString(mac.Sum(nil)) {
		b.t.Errorf("%s: the signature is wrong", r.RequestURI)
	}
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if age := time.Since(time.Unix(at, 0)); err != nil || age < -time.Second || age > time.Minute {
		b.t.Errorf("found timestamp %q", timestamp)
	}
	answer, ok := b.answers[r.URL.RawQuery]
	switch status, err := strconv.Atoi(answer); {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case err == nil:
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	default:
		fmt.Fprint(w, answer)
	}
}

// open makes a source as Caddy does.
func open(t *testing.T, words string) pusherhub.AppSource {
	t.Helper()
	a := new(Apps)
	if err := a.UnmarshalCaddyfile(caddyfile.NewTestDispenser("http " + words)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := a.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	built, err := a.AppSource(func(app caddymodule.App) (*pusherhub.App, error) { return pusherhub.NewApp(app.AppConfig) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := built.(*source).Close(); err != nil {
			t.Error(err)
		}
	})
	return built
}

func serve(t *testing.T, b *backend) *httptest.Server {
	t.Helper()
	b.t = t
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	return s
}

func TestRequests(t *testing.T) {
	b := new(backend)
	s := serve(t, b)
	src := open(t, s.URL+"/hub/apps?tenant=5 {\n secret "+secret+"\n}")
	b.set("tenant=5&key=k%2Bey", `{"id":"a","key":"k+ey","secret":"s","max_connections":5}`)
	app, err := src.AppByKey(t.Context(), "k+ey")
	if err != nil {
		t.Fatal(err)
	}
	if c := app.Config(); c.ID != "a" || c.MaxConnections != 5 {
		t.Errorf("found %s with %d connections", c.ID, c.MaxConnections)
	}
	if same, err := src.AppByID(t.Context(), "a"); same != app || err != nil {
		t.Errorf("found %v %v", same, err)
	}
	if _, err := src.AppByID(t.Context(), "b"); err != pusherhub.ErrAppNotFound { //nolint:errorlint // exactly this one
		t.Errorf("found %v", err)
	}
	if asked := strings.Join(b.asked, ", "); asked != "GET /hub/apps?tenant=5&key=k%2Bey, GET /hub/apps?tenant=5&id=b" {
		t.Errorf("the endpoint was asked %s", asked)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	b := new(backend)
	s := serve(t, b)
	src := open(t, s.URL+" {\n secret "+secret+"\n max_body 1KB\n}")
	for _, tc := range []struct{ id, answer, want string }{
		{"redirect", "302", "found status 302, expected 200 or 404"},
		{"forbidden", "403", "found status 403"},
		{"failing", "500", "found status 500"},
		{"large", `{"id":"large","key":"k","secret":"` + strings.Repeat("x", 1024) + `"}`, "found more than max_body, 1000 bytes"},
		{"html", "<html>", "expected a JSON object"},
		{"list", `[{"id":"list"}]`, "found a list, expected a JSON object"},
		{"half", `{"id":"half"}`, "key is missing"},
		{"misspelt", `{"id":"misspelt","sekret":"x"}`, "did you mean 'secret'?"},
	} {
		b.set("id="+tc.id, tc.answer)
		_, err := src.AppByID(t.Context(), tc.id)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: found %v, expected %s", tc.id, err, tc.want)
		}
		if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "id=")) {
			t.Errorf("%s: the error says too much: %v", tc.id, err)
		}
	}
	for _, line := range b.asked {
		if strings.Contains(line, "elsewhere") {
			t.Error("a redirect was followed")
		}
	}
	s.Close()
	if _, err := src.AppByID(t.Context(), "away"); err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "id=") {
		t.Errorf("found %v", err)
	}
}

// Without a certificate that is valid nothing is believed.
func TestTLSIsVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(&backend{t: t})
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the client
	s.StartTLS()
	defer s.Close()
	src := open(t, s.URL+" {\n secret "+secret+"\n}")
	if _, err := src.AppByID(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("found %v", err)
	}
}

// Apps are added, changed, disabled and removed while sockets are open.
func TestLiveApps(t *testing.T) {
	b := new(backend)
	s := serve(t, b)
	src := open(t, s.URL+" {\n secret "+secret+"\n ttl 20ms\n negative_ttl 20ms\n}")
	hub := hubtest.NewServerWith(t, pusherhub.Config{AppSource: src})
	set := func(rest string) {
		answer := `{"id":"a","key":"key-a","secret":"s"` + rest + `}`
		b.set("id=a", answer)
		b.set("key=key-a", answer)
	}
	hubtest.Open(t, hub.URL, "key-a", "", nil).ExpectClose(pusherhub.CodeNoSuchApp)
	set("")
	var c *hubtest.Client
	hubtest.Eventually(t, "the app is there", func() bool {
		if _, err := src.AppByKey(t.Context(), "key-a"); err != nil {
			return false
		}
		c = hubtest.Dial(t, hub.URL, "key-a", "")
		return true
	})
	c.Subscribe("x")
	set(`,"accept_client_events_from":"none"`)
	hubtest.Eventually(t, "client events are refused", func() bool {
		c.Send(hubtest.EventFrame("client-x", "x", "1"))
		c.Send(`{"event":"pusher:ping"}`)
		return c.Next().Event == "pusher:error"
	})
	set(`,"enabled":false`)
	c.ExpectClose(pusherhub.CodeAppDisabled)
	set("")
	hubtest.Eventually(t, "the app is enabled", func() bool {
		app, err := src.AppByKey(t.Context(), "key-a")
		return err == nil && *app.Config().Enabled
	})
	c = hubtest.Dial(t, hub.URL, "key-a", "")
	b.set("id=a", "404")
	c.ExpectClose(pusherhub.CodeNoSuchApp)
}

func TestWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ words, want string }{
		{"https://a.test", "secret: found nothing"},
		{"{\n secret s3cret\n}", "url: expected a URL such as"},
		{"ftp://a.test {\n secret s3cret\n}", "url: expected a URL such as"},
		{"https://u:pa55@a.test {\n secret s3cret\n}", "url: found a user"},
		{"https://a.test b", `http: found "b" after the URL`},
		{"https://a.test {\n url https://b.test\n}", "url: found it twice"},
		{"https://a.test {\n sekret s3cret\n}", "did you mean 'secret'?"},
		{"https://a.test {\n secret {env.NOT_SET_HERE}\n}", "NOT_SET_HERE} is empty"},
		{"https://a.test {\n secret s3cret\n max_body unlimited\n}", "max_body: found it unlimited"},
	} {
		a := new(Apps)
		err := a.UnmarshalCaddyfile(caddyfile.NewTestDispenser("http " + tc.words))
		if err == nil {
			err = a.Provision(caddy.Context{Context: t.Context()})
		}
		if err == nil {
			err = a.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: found %v, expected %s", tc.words, err, tc.want)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "pa55")) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}
