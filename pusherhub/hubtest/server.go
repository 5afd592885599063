package hubtest

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// The credentials of the app that tests use unless they say otherwise.
const (
	AppID  = "app-id"
	Key    = "app-key"
	Secret = "app-secret"
)

// Server is a hub behind an HTTP server on a free local port.
type Server struct {
	Hub *pusherhub.Hub
	URL string // http://127.0.0.1:port
	App pusherhub.AppConfig

	// Client sends the requests.
	Client *http.Client

	t testing.TB
}

// NewServer starts a server with one app. What config leaves empty of id, key and secret is filled
// in. The server is closed with the test, which fails if that takes too long: then something leaks.
func NewServer(t testing.TB, config pusherhub.AppConfig) *Server {
	t.Helper()
	return newServer(t, config, NewServerWith)
}

func newServer(t testing.TB, config pusherhub.AppConfig, with func(testing.TB, pusherhub.Config) *Server) *Server {
	t.Helper()
	config = WithCredentials(config)
	s := with(t, pusherhub.Config{Apps: newApps(t, []pusherhub.AppConfig{config})})
	s.App = config
	return s
}

func newApps(t testing.TB, configs []pusherhub.AppConfig) (apps []*pusherhub.App) {
	t.Helper()
	for _, config := range configs {
		app, err := pusherhub.NewApp(WithCredentials(config))
		if err != nil {
			t.Fatalf("building the app: %v", err)
		}
		apps = append(apps, app)
	}
	return apps
}

// NewServerWith starts a server with any settings. Requests are signed for the default app.
func NewServerWith(t testing.TB, config pusherhub.Config) *Server {
	t.Helper()
	hub := newHub(t, config)
	web := httptest.NewServer(hub)
	t.Cleanup(func() {
		closeHub(t, hub)
		web.Close()
	})
	return &Server{Hub: hub, URL: web.URL, Client: web.Client(), App: WithCredentials(pusherhub.AppConfig{}), t: t}
}

func newHub(t testing.TB, config pusherhub.Config) *pusherhub.Hub {
	t.Helper()
	settings, err := pusherhub.NewSettings(config)
	if err != nil {
		t.Fatalf("building the settings: %v", err)
	}
	hub := pusherhub.New()
	if err := hub.Apply(settings); err != nil {
		t.Fatalf("applying the settings: %v", err)
	}
	return hub
}

// Apply gives the hub these apps instead of those before, as a reload of the config does: sockets of an app that is still
// there stay. What is empty of ids, keys and secrets is filled in.
func (s *Server) Apply(apps ...pusherhub.AppConfig) {
	s.t.Helper()
	settings, err := pusherhub.NewSettings(pusherhub.Config{Apps: newApps(s.t, apps)})
	if err != nil {
		s.t.Fatalf("building the settings: %v", err)
	}
	if err := s.Hub.Apply(settings); err != nil {
		s.t.Fatalf("applying the settings: %v", err)
	}
}

func closeHub(t testing.TB, hub *pusherhub.Hub) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- hub.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("closing the hub: %v", err)
		}
	case <-time.After(Patience):
		t.Error("the hub does not close: a goroutine hangs")
	}
}

// single sends each request on a connection of its own: a server that reloads its config closes those that are kept, maybe just
// when the next request is on its way, and a POST is not sent again by itself.
var single = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// At is a server that runs elsewhere, such as in another process, and may reload its config between two requests. Its Hub is nil.
func At(t testing.TB, url string, config pusherhub.AppConfig) *Server {
	return &Server{URL: url, Client: single, App: WithCredentials(config), t: t}
}

// WithCredentials fills in id, key and secret where they are empty.
func WithCredentials(config pusherhub.AppConfig) pusherhub.AppConfig {
	for _, f := range []struct {
		field *string
		value string
	}{{&config.ID, AppID}, {&config.Key, Key}, {&config.Secret, Secret}} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	return config
}

// Dial connects a client to the server's app.
func (s *Server) Dial(t testing.TB) *Client {
	t.Helper()
	c := s.Open(t, s.App.Key, "protocol=7&client=js&version=8.6.0&flash=false", nil)
	c.expectEstablished()
	return c
}

// Open connects to /app/{key} without expecting a frame. query and header may be empty.
func (s *Server) Open(t testing.TB, key, query string, header http.Header) *Client {
	t.Helper()
	return open(t, s.Client, s.URL, key, query, header)
}

// Join connects a client and subscribes it to a presence channel.
func (s *Server) Join(t testing.TB, channel, channelData string) *Client {
	t.Helper()
	c := s.Dial(t)
	c.SubscribeWith(channel, s.Auth(c, channel, channelData), channelData)
	return c
}

// Auth is the auth value with which c may subscribe.
func (s *Server) Auth(c *Client, channel, channelData string) string {
	message := c.SocketID + ":" + channel
	if channelData != "" {
		message += ":" + channelData
	}
	return s.App.Key + ":" + Sign(s.App.Secret, message)
}

// SigninFrame is the text of a pusher:signin that is signed for c.
func (s *Server) SigninFrame(c *Client, userData string) string {
	return EventFrame("pusher:signin", "", map[string]string{
		"auth":      s.App.Key + ":" + Sign(s.App.Secret, c.SocketID+"::user::"+userData),
		"user_data": userData,
	})
}

// Signin signs c in and expects success.
func (s *Server) Signin(t testing.TB, c *Client, userData string) Frame {
	t.Helper()
	c.Send(s.SigninFrame(c, userData))
	return c.Expect("pusher:signin_success")
}

// Sign is HMAC-SHA256 in hexadecimal.
func Sign(secret, message string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

// SignedURL is base with the query parameters that sign a request with the server's app: params are put in, too.
func (s *Server) SignedURL(method, path, body string, params url.Values) string {
	query := url.Values{
		"auth_key":       {s.App.Key},
		"auth_timestamp": {strconv.FormatInt(time.Now().Unix(), 10)},
		"auth_version":   {"1.0"},
	}
	if body != "" {
		sum := md5.Sum([]byte(body))
		query.Set("body_md5", hex.EncodeToString(sum[:]))
	}
	maps.Copy(query, params)
	var pairs []string
	for name := range query {
		pairs = append(pairs, strings.ToLower(name)+"="+query.Get(name))
	}
	slices.Sort(pairs)
	query.Set("auth_signature", Sign(s.App.Secret, method+"\n"+path+"\n"+strings.Join(pairs, "&")))
	return s.URL + path + "?" + query.Encode()
}

// Do sends a signed request to /apps/{id}{path} and returns the answer.
func (s *Server) Do(method, path, body string, params url.Values) (status int, answer string, header http.Header) {
	s.t.Helper()
	target := s.SignedURL(method, "/apps/"+s.App.ID+path, body, params)
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		s.t.Fatalf("building a request: %v", err)
	}
	res, err := s.Client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, string(text), res.Header
}

// Publish publishes one event and expects success.
func (s *Server) Publish(channel, event, data string) {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"name": event, "data": data, "channel": channel})
	if err != nil {
		s.t.Fatal(err)
	}
	if status, answer, _ := s.Do(http.MethodPost, "/events", string(body), nil); status != http.StatusOK || answer != "{}" {
		s.t.Fatalf("publishing to %s: found %d %s, expected 200 {}", channel, status, answer)
	}
}
