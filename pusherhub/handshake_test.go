package pusherhub_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// site makes the server's clients reach its hub at a site of its own.
func site(s *hubtest.Server, site pusherhub.Site) {
	s.Client = &http.Client{Transport: hubtest.Pipe{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.Hub.Serve(w, r, site) {
			http.NotFound(w, r)
		}
	})}}
}

func mustApp(t testing.TB, config pusherhub.AppConfig) *pusherhub.App {
	t.Helper()
	app, err := pusherhub.NewApp(hubtest.WithCredentials(config))
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func TestEstablished(t *testing.T) {
	t.Run("T1 first frame and its shape", func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := s.Open(t, s.App.Key, "protocol=7&client=js&version=8.6.0&flash=false", nil)
		first := c.Expect("pusher:connection_established")
		var data struct {
			SocketID string `json:"socket_id"`
		}
		if err := json.Unmarshal([]byte(first.Text()), &data); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`\A[1-9][0-9]*\.[0-9]+\z`).MatchString(data.SocketID) {
			t.Errorf("found socket_id %q", data.SocketID)
		}
		want := `{"event":"pusher:connection_established","data":"{\"socket_id\":\"` + data.SocketID + `\",\"activity_timeout\":30}"}`
		if first.Raw != want {
			t.Errorf("found %s, expected %s", first.Raw, want)
		}
		c.ExpectQuiet() // it comes once, and nothing with it
	})
	for _, o := range []struct {
		name   string
		config pusherhub.AppConfig
		want   string
	}{
		{"profile reverb", pusherhub.AppConfig{}, `"activity_timeout":30}`},
		{"profile pusher", pusherhub.AppConfig{Compat: "pusher"}, `"activity_timeout":120}`},
		{"option activity_timeout", pusherhub.AppConfig{ActivityTimeout: pusherhub.Duration(17 * time.Second)}, `"activity_timeout":17}`},
	} {
		t.Run("T2 activity_timeout is a number and not zero: "+o.name+", row 5", func(t *testing.T) {
			s := hubtest.NewPipeServer(t, o.config)
			first := s.Open(t, s.App.Key, "", nil).Expect("pusher:connection_established")
			if !strings.HasSuffix(first.Text(), o.want) {
				t.Errorf("found %s, expected %s in it", first.Raw, o.want)
			}
		})
	}
	t.Run("T7 prefix path", func(t *testing.T) {
		for _, path := range []string{"/reverb", "reverb/", "/a/b"} {
			s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
			site(s, pusherhub.Site{Path: path})
			res, err := s.Client.Get(s.URL + "/app/" + s.App.Key)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("path %q: found status %d outside of it, expected 404", path, res.StatusCode)
			}
			s.URL += "/" + strings.Trim(path, "/")
			s.Dial(t).ExpectQuiet()
		}
	})
	t.Run("T8 unknown query parameters, row 43", func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		for _, query := range []string{
			"", "protocol=7&unknown=1&x[]=2&flash=true", "protocol=5&client=java-client&version=2.4.4", "client=Pysher&version=1.0.6&protocol=6",
			"protocol=99", "protocol=x&version=%zz", "protocol=-1", "&&=&;",
		} {
			c := s.Open(t, s.App.Key, query, nil)
			c.Expect("pusher:connection_established")
			c.ExpectQuiet()
		}
	})
	t.Run("T9 two connections never share a socket_id", func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		seen := make(map[string]bool)
		for range 200 {
			c := s.Dial(t)
			if seen[c.SocketID] {
				t.Fatalf("found socket_id %s twice", c.SocketID)
			}
			seen[c.SocketID] = true
		}
	})
}

func TestSubprotocol(t *testing.T) {
	s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
	for _, o := range []struct{ offered, want string }{
		{"", ""},
		{"pusher-channels-protocol-7", "pusher-channels-protocol-7"},
		{"chat", "chat"},
		{"chat, pusher-channels-protocol-5", "pusher-channels-protocol-5"},
		{"chat,superchat", "chat"},
	} {
		for _, key := range []string{s.App.Key, "unknown"} { // who is refused gets it, too
			t.Run("T6 sub-protocol echoed: "+key+" offered "+o.offered+", row 44", func(t *testing.T) {
				r, _ := http.NewRequest(http.MethodGet, s.URL+"/app/"+key, nil)
				r.Header = http.Header{
					"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"WebSocket"},
					"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
				}
				if o.offered != "" {
					r.Header.Set("Sec-WebSocket-Protocol", o.offered)
				}
				res, err := s.Client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				found := strings.Join(res.Header.Values("Sec-WebSocket-Protocol"), "|")
				if res.StatusCode != http.StatusSwitchingProtocols || found != o.want {
					t.Errorf("found status %d and %q, expected 101 and %q", res.StatusCode, found, o.want)
				}
			})
		}
	}
}
