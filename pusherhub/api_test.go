package pusherhub_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// call is one signed request to the HTTP API and the whole answer that it must get.
type call struct {
	name         string
	method, path string // path below /apps/{id}, escaped
	body         string
	params       url.Values
	status       int
	answer       string // JSON if it starts with a brace, else an error's text
}

// expect sends the request and compares status, body and the headers that SDKs look at.
func (c call) expect(t *testing.T, s *hubtest.Server) http.Header {
	t.Helper()
	status, answer, header := s.Do(c.method, c.path, c.body, c.params)
	if status != c.status || answer != c.answer {
		t.Errorf("%s %s: found %d %s, expected %d %s", c.method, c.path, status, answer, c.status, c.answer)
	}
	want := "text/plain; charset=utf-8"
	if strings.HasPrefix(c.answer, "{") {
		want = "application/json"
	}
	if found := header.Get("Content-Type"); found != want {
		t.Errorf("%s %s: found Content-Type %q, expected %q", c.method, c.path, found, want)
	}
	if found := header.Get("Content-Length"); found != strconv.Itoa(len(c.answer)) {
		t.Errorf("%s %s: found Content-Length %q, expected %d", c.method, c.path, found, len(c.answer))
	}
	return header
}

// runCalls runs each call as a subtest against one server, which stays as it is.
func runCalls(t *testing.T, prefix string, config pusherhub.AppConfig, calls []call) {
	t.Helper()
	for _, c := range calls {
		t.Run(prefix+c.name, func(t *testing.T) {
			c.expect(t, hubtest.NewServer(t, config))
		})
	}
}

// send sends a request that is ready as it is.
func send(t testing.TB, s *hubtest.Server, method, target, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// serve shows one request to a hub as a site does.
func serve(hub *pusherhub.Hub, r *http.Request, site pusherhub.Site) (status int, answer string, handled bool) {
	w := httptest.NewRecorder()
	handled = hub.Serve(w, r, site)
	return w.Code, w.Body.String(), handled
}
