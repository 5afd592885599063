package webhooks

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

func TestSignature(t *testing.T) {
	t.Run("T57 vectors: the signature is over the exact bytes, the headers are exact", func(t *testing.T) {
		raw, err := os.ReadFile("../testdata/vectors.json")
		if err != nil {
			t.Fatal(err)
		}
		var vectors struct {
			Webhook []struct {
				ID, Key, Secret, Body string
				Headers               map[string]string
			}
		}
		if err := json.Unmarshal(raw, &vectors); err != nil {
			t.Fatal(err)
		}
		if len(vectors.Webhook) == 0 {
			t.Fatal("no vectors")
		}
		for _, v := range vectors.Webhook {
			rc := &receiver{t: t, secret: v.Secret, flying: make(map[string]int)}
			s, err := newSettings(Config{Endpoints: []Endpoint{{URL: hookURL}}, Transport: rc})
			if err != nil {
				t.Fatal(err)
			}
			app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "app", Key: v.Key, Secret: v.Secret})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.targets[0].post(t.Context(), s.timeout, app, []byte(v.Body)); err != nil {
				t.Fatal(err)
			}
			r := rc.all()[0]
			if r.body != v.Body {
				t.Errorf("%s: sent %s, expected %s", v.ID, r.body, v.Body)
			}
			for name, value := range v.Headers {
				if found := r.header[name]; !slices.Equal(found, []string{value}) {
					t.Errorf("%s: %s is %q, expected %q alone", v.ID, name, found, value)
				}
			}
		}
	})

	t.Run("T57 all events have Pusher's form, byte for byte", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Hold: -1})
			r.tell(
				occupied("my-channel"),
				added("presence-x", "10"),
				pusherhub.Observation{Type: pusherhub.ClientEvent, Channel: "presence-x", Event: "client-typing", Data: `{"a":"<&>"}`, SocketID: "1.2", UserID: "10"},
				pusherhub.Observation{Type: pusherhub.CacheMiss, Channel: "cache-x", SocketID: "1.2"},
				pusherhub.Observation{Type: pusherhub.SubscriptionCount, Channel: "my-channel", Count: 0},
				removed("presence-x", "10"),
				vacated("my-channel"),
				// nobody is told of these
				occupied("#server-to-user-10"), vacated("#server-to-user-10"),
				pusherhub.Observation{Type: pusherhub.Connected, SocketID: "1.2"},
				pusherhub.Observation{Type: pusherhub.SignedIn, SocketID: "1.2", UserID: "10"},
			)
			begun := time.Now().Add(50 * time.Millisecond)
			r.detach()
			want := `{"time_ms":` + timeMS(begun.Add(-50*time.Millisecond)) + `,"events":[` + strings.Join([]string{
				`{"name":"channel_occupied","channel":"my-channel"}`,
				`{"name":"member_added","channel":"presence-x","user_id":"10"}`,
				`{"name":"client_event","channel":"presence-x","user_id":"10","event":"client-typing","data":"{\"a\":\"<&>\"}","socket_id":"1.2"}`,
				`{"name":"cache_miss","channel":"cache-x"}`,
				`{"name":"subscription_count","channel":"my-channel","subscription_count":0}`,
				`{"name":"member_removed","channel":"presence-x","user_id":"10"}`,
				`{"name":"channel_vacated","channel":"my-channel"}`,
			}, ",") + `]}`
			requests := r.all()
			if len(requests) != 1 || requests[0].body != want {
				t.Fatalf("found %+v, expected one request with\n%s", requests, want)
			}
			for name, value := range map[string]string{"Content-Type": "application/json", headerKey: testKey, "User-Agent": userAgent} {
				if found := requests[0].header[name]; !slices.Equal(found, []string{value}) {
					t.Errorf("%s is %q, expected %q", name, found, value)
				}
			}
		})
	})

	t.Run("T57 a request over the network is the same", func(t *testing.T) {
		var requests atomic.Int32
		rc := newReceiver(t)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("a redirect was followed")
			}
			if r.Method != http.MethodPost || r.ContentLength <= 0 || !slices.Equal(r.Header["Content-Type"], []string{"application/json"}) {
				t.Errorf("found %s with %d bytes and %q, expected POST, a length and application/json", r.Method, r.ContentLength, r.Header["Content-Type"])
			}
			if user, password, ok := r.BasicAuth(); !ok || user != "me" || password != "secret" {
				t.Errorf("found the user %q and password %q, expected those of the URL", user, password)
			}
			r.URL.Scheme, r.URL.Host = "http", r.Host
			if _, err := rc.RoundTrip(r); err != nil {
				t.Error(err)
			}
			if requests.Add(1) == 1 {
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			}
		}))
		defer server.Close()
		p, err := New(Config{Endpoints: []Endpoint{{URL: strings.Replace(server.URL, "//", "//me:secret@", 1) + "/hook?a=b"}}})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{receiver: rc, plugin: p, app: newApp(t, "app", testSecret)}
		r.attach(nil)
		r.tell(occupied("c"))
		r.detach() // the redirect is a failure, which is tried again
		if requests.Load() != 2 {
			t.Errorf("%d requests, expected 2", requests.Load())
		}
		plainTransport.CloseIdleConnections()
	})
}

func timeMS(at time.Time) string {
	b, _ := json.Marshal(at.UnixMilli())
	return string(b)
}
