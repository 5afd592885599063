package pusherhub_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const (
	keyWrong  = "Idempotency-Key is wrong: expected one value of 1 to 255 printable ASCII characters."
	keyReused = "This Idempotency-Key was used with another request."
)

// keyed is a request with an Idempotency-Key and the answer that it must get.
type keyed struct {
	target, body string
	keys         []string
	status       int
	answer       string
	replayed     bool
}

func (k keyed) expect(t *testing.T, s *hubtest.Server) {
	t.Helper()
	r, err := http.NewRequest("POST", k.target, strings.NewReader(k.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Idempotency-Key"] = k.keys
	res, err := s.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	header := strings.Join(res.Header["Idempotency-Replayed"], ",")
	if res.StatusCode != k.status || string(answer) != k.answer || (header == "true") != k.replayed || (header != "") != k.replayed {
		t.Errorf("found %d %s, Idempotency-Replayed %q, expected %d %s, %v", res.StatusCode, answer, header, k.status, k.answer, k.replayed)
	}
}

// events returns the target of POST /events, signed now.
func events(s *hubtest.Server, body string) string {
	return s.SignedURL("POST", "/apps/app-id/events", body, nil)
}

func TestIdempotencyKey(t *testing.T) {
	key := []string{`"8e03978e-40d5-43dd-bc93-6894a57f9324"`}
	t.Run("Idempotency-Key: a retry is answered and not published", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := s.Dial(t)
		c.Subscribe("c")
		for _, shape := range []struct{ path, body, answer string }{
			{"/events", `{"name":"e","data":"1","channel":"c","info":"subscription_count"}`, `{"channels":{"c":{"subscription_count":1}}}`},
			{"/batch_events", `{"batch":[{"name":"e","data":"1","channel":"c"}]}`, "{}"},
			{"/channels/c/events", "1", "{}"},
		} {
			status := 200
			if shape.path == "/channels/c/events" {
				status = 202
			}
			k := keyed{body: shape.body, keys: []string{shape.path}, status: status, answer: shape.answer}
			for range 3 {
				k.target = s.SignedURL("POST", "/apps/app-id"+shape.path, shape.body, url.Values{"name": {"e"}})
				k.expect(t, s)
				k.replayed = true
				later(10 * time.Second) // so that the retry has a signature of its own
			}
			c.Expect("e")
			c.ExpectQuiet()
		}
		for _, other := range [][]string{{"another"}, nil, nil} {
			keyed{target: events(s, oneEvent), body: oneEvent, keys: other, status: 200, answer: "{}"}.expect(t, s)
			c.Expect("e")
		}
	}))
	t.Run("Idempotency-Key: the same key with another request", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		keyed{target: events(s, oneEvent), body: oneEvent, keys: key, status: 200, answer: "{}"}.expect(t, s)
		other := strings.Replace(oneEvent, "1", "2", 1)
		keyed{target: events(s, other), body: other, keys: key, status: 422, answer: keyReused}.expect(t, s)
		batch := s.SignedURL("POST", "/apps/app-id/batch_events", oneEvent, nil)
		keyed{target: batch, body: oneEvent, keys: key, status: 422, answer: keyReused}.expect(t, s)
		named := s.SignedURL("POST", "/apps/app-id/events", oneEvent, url.Values{"name": {"x"}})
		keyed{target: named, body: oneEvent, keys: key, status: 422, answer: keyReused}.expect(t, s)
		for i, one := range []struct{ channel, name string }{{"a", "e"}, {"b", "e"}, {"a", "f"}} {
			target := s.SignedURL("POST", "/apps/app-id/channels/"+one.channel+"/events", "1", url.Values{"name": {one.name}})
			want := keyed{target: target, body: "1", keys: []string{"one"}, status: 202, answer: "{}"}
			if i > 0 {
				want.status, want.answer = 422, keyReused
			}
			want.expect(t, s)
		}
	}))
	t.Run("Idempotency-Key: wrong ones", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		for _, keys := range [][]string{{""}, {strings.Repeat("k", 256)}, {"a", "a"}, {"caf\u00e9"}, {"a\tb"}} {
			keyed{target: events(s, oneEvent), body: oneEvent, keys: keys, status: 400, answer: keyWrong}.expect(t, s)
		}
		keyed{target: events(s, oneEvent), body: oneEvent, keys: []string{strings.Repeat("k", 255)}, status: 200, answer: "{}"}.expect(t, s)
	}))
	t.Run("Idempotency-Key: other requests than publishes are carried out again", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		for range 2 {
			target := s.SignedURL("POST", "/apps/app-id/users/7/terminate_connections", "{}", nil)
			keyed{target: target, body: "{}", keys: key, status: 200, answer: "{}"}.expect(t, s)
		}
	}))
	t.Run("Idempotency-Key: only who can sign learns anything", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		k := keyed{target: events(s, oneEvent), body: oneEvent, keys: key, status: 200, answer: "{}"}
		k.expect(t, s)
		k.target, k.status, k.answer = strings.ReplaceAll(k.target, "auth_signature=", "auth_signature=0"), 401, signatureInvalid
		k.expect(t, s)
	}))
	t.Run("Idempotency-Key: each app has its own", bubble(func(t *testing.T) {
		one := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		keyed{target: events(one, oneEvent), body: oneEvent, keys: key, status: 200, answer: "{}"}.expect(t, one)
		app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "two", Key: "two", Secret: "two"})
		if err != nil {
			t.Fatal(err)
		}
		first, err := pusherhub.NewApp(one.App)
		if err != nil {
			t.Fatal(err)
		}
		settings, err := pusherhub.NewSettings(pusherhub.Config{Apps: []*pusherhub.App{first, app}})
		if err != nil {
			t.Fatal(err)
		}
		if err := one.Hub.Apply(settings); err != nil { // which forgets nothing
			t.Fatal(err)
		}
		two := &hubtest.Server{Hub: one.Hub, URL: one.URL, Client: one.Client, App: app.Config()}
		keyed{target: two.SignedURL("POST", "/apps/two/events", oneEvent, nil), body: oneEvent, keys: key, status: 200, answer: "{}"}.expect(t, two)
		keyed{target: events(one, oneEvent), body: oneEvent, keys: key, status: 200, answer: "{}", replayed: true}.expect(t, one)
	}))
	t.Run("Idempotency-Key: what failed may be tried again", bubble(func(t *testing.T) {
		b := &moodyBroker{MemoryBroker: pusherhub.NewMemoryBroker(), away: true}
		s := serverWith(t, refusing(), b)
		k := keyed{target: events(s, oneEvent), body: oneEvent, keys: key, status: 503, answer: overloaded}
		k.expect(t, s)
		b.away = false
		k.status, k.answer = 200, "{}"
		k.expect(t, s)
		k.replayed = true // although refuse_replays is on
		k.expect(t, s)
		bad := `{"name":"e","data":"1","channel":"no spaces"}`
		for range 2 {
			target := events(s, bad)
			r, err := http.NewRequest("POST", target, strings.NewReader(bad))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Idempotency-Key", "bad")
			if status, _, _ := serve(s.Hub, r, pusherhub.Site{}); status != 422 {
				t.Errorf("found %d, expected 422", status)
			}
			later(time.Second)
		}
		keyed{target: events(s, oneEvent), body: oneEvent, keys: []string{"bad"}, status: 200, answer: "{}"}.expect(t, s)
	}))
}

func TestIdempotencyTTL(t *testing.T) {
	for _, c := range []struct {
		name   string
		ttl    pusherhub.Duration
		lasts  time.Duration
		ignore bool
	}{
		{"10m by default", 0, 10 * time.Minute, false},
		{"20s", pusherhub.Duration(20 * time.Second), 20 * time.Second, false},
		{"off", -1, time.Second, true},
	} {
		t.Run("idempotency_ttl "+c.name, bubble(func(t *testing.T) {
			s := hubtest.NewPipeServer(t, pusherhub.AppConfig{IdempotencyTTL: c.ttl})
			for range 2 {
				k := keyed{target: events(s, oneEvent), body: oneEvent, keys: []string{"key"}, status: 200, answer: "{}"}
				k.expect(t, s)
				later(c.lasts - time.Second)
				k.target, k.replayed = events(s, oneEvent), !c.ignore
				k.expect(t, s)
				later(time.Second)
			}
			if c.ignore {
				keyed{target: events(s, oneEvent), body: oneEvent, keys: []string{""}, status: 200, answer: "{}"}.expect(t, s)
			}
		}))
	}
}

// While the first request is under way, its repetitions wait for what becomes of it.
func TestIdempotencyConcurrent(t *testing.T) {
	for name, fails := range map[string]bool{"succeeds": false, "fails": true} {
		t.Run("Idempotency-Key: the first is under way and "+name, bubble(func(t *testing.T) {
			b := &gatedBroker{MemoryBroker: pusherhub.NewMemoryBroker(), gate: make(chan error)}
			s := serverWith(t, pusherhub.AppConfig{}, b)
			answers := make(chan string, 5)
			for range cap(answers) {
				go func() {
					r, err := http.NewRequest("POST", events(s, oneEvent), strings.NewReader(oneEvent))
					if err != nil {
						panic(err)
					}
					r.Header.Set("Idempotency-Key", "key")
					w := httptest.NewRecorder()
					s.Hub.Serve(w, r, pusherhub.Site{})
					answers <- w.Result().Status + w.Header().Get("Idempotency-Replayed")
				}()
			}
			synctest.Wait()
			if n := b.asked.Load(); n != 1 {
				t.Errorf("found %d published at once, expected 1", n)
			}
			keyed{target: events(s, "{}"), body: "{}", keys: []string{"key"}, status: 422, answer: keyReused}.expect(t, s)
			found := make(map[string]int)
			if fails {
				b.gate <- errAway
				found[<-answers]++
				synctest.Wait()
				if n := b.asked.Load(); n != 2 {
					t.Errorf("found %d published, expected one of those that waited to be the second", n)
				}
			}
			b.gate <- nil
			for total(found) < cap(answers) {
				found[<-answers]++
			}
			want := map[string]int{"200 OK": 1, "200 OKtrue": 4}
			if fails {
				want = map[string]int{"503 Service Unavailable": 1, "200 OK": 1, "200 OKtrue": 3}
			}
			if !maps.Equal(found, want) {
				t.Errorf("found %v, expected %v", found, want)
			}
		}))
	}
	t.Run("Idempotency-Key: who waits may give up", bubble(func(t *testing.T) {
		b := &gatedBroker{MemoryBroker: pusherhub.NewMemoryBroker(), gate: make(chan error)}
		s := serverWith(t, pusherhub.AppConfig{}, b)
		first := make(chan struct{})
		target := events(s, oneEvent)
		go func() {
			defer close(first)
			keyed{target: target, body: oneEvent, keys: []string{"key"}, status: 200, answer: "{}"}.expect(t, s)
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "POST", target, strings.NewReader(oneEvent))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Idempotency-Key", "key")
		if status, _, _ := serve(s.Hub, r, pusherhub.Site{}); status != 503 {
			t.Errorf("found %d, expected 503", status)
		}
		b.gate <- nil
		<-first
	}))
	t.Run("Idempotency-Key: the first panics", bubble(func(t *testing.T) {
		b := &gatedBroker{MemoryBroker: pusherhub.NewMemoryBroker(), gate: make(chan error, 1), panics: true}
		s := serverWith(t, pusherhub.AppConfig{}, b)
		k := keyed{target: events(s, oneEvent), body: oneEvent, keys: []string{"key"}, status: 200, answer: "{}"}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the broker's panic did not come through")
				}
			}()
			k.expect(t, s)
		}()
		b.panics = false
		b.gate <- nil
		k.expect(t, s)
	}))
}

// gatedBroker publishes when the test says so, or fails as it says.
type gatedBroker struct {
	*pusherhub.MemoryBroker
	gate   chan error
	asked  atomic.Int32
	panics bool
}

func (b *gatedBroker) Publish(ctx context.Context, m *pusherhub.Message) error {
	b.asked.Add(1)
	if b.panics {
		panic("broken")
	}
	if err := <-b.gate; err != nil {
		return err
	}
	return b.MemoryBroker.Publish(ctx, m)
}

func total(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}
