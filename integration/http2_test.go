package integration

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
)

// A browser that sees a server offer WebSockets over HTTP/2 or HTTP/3 does not fall back to HTTP/1.1: the answer has
// to be clean, and nothing of it may reach PHP.
func TestExtendedConnectGets501(t *testing.T) {
	s := newServer(t)
	s.Env = append([]string{"GODEBUG=http2xconnect=1"}, environmentApp...)
	s.start(curlSites)
	trust := &tls.Config{
		ServerName:         "app.onecharge.io",
		InsecureSkipVerify: true, // Caddy's own certificate
	}
	h2Trust := trust.Clone()
	h2Trust.NextProtos = []string{http2.NextProtoTLS}
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.tlsPort), h2Trust)
	if err != nil {
		t.Fatal(err)
	}
	h2, err := new(http2.Transport).NewClientConn(conn) //nolint:staticcheck // the client of net/http refuses :protocol
	if err != nil {
		t.Fatal(err)
	}
	defer h2.Close()
	h3 := &http3.Transport{TLSClientConfig: trust}
	defer h3.Close()

	for _, tc := range []struct {
		proto  string
		client http.RoundTripper
		mark   func(*http.Request)
	}{
		{"HTTP/2.0", h2, func(r *http.Request) { r.Header.Set(":protocol", "websocket") }},
		{"HTTP/3.0", h3, func(r *http.Request) { r.Proto = "websocket" }},
	} {
		t.Run(tc.proto, func(t *testing.T) {
			url := fmt.Sprintf("https://127.0.0.1:%d/app/%s", s.tlsPort, appKey)
			for range 2 { // the connection must serve the next one, too
				body, end := io.Pipe() // as long as the tunnel would be open
				r, err := http.NewRequestWithContext(t.Context(), http.MethodConnect, url, body)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = "app.onecharge.io"
				tc.mark(r)
				res, err := tc.client.RoundTrip(r)
				if err != nil {
					t.Fatalf("CONNECT: %v", err)
				}
				said, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatalf("reading the answer: %v", err)
				}
				_ = res.Body.Close()
				_ = end.Close()
				if res.Proto != tc.proto || res.StatusCode != http.StatusNotImplemented || !strings.Contains(string(said), "HTTP/1.1") {
					t.Errorf("found %s %s %q, expected %s 501 and a sentence", res.Proto, res.Status, said, tc.proto)
				}
			}
			plain, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"x", nil)
			if err != nil {
				t.Fatal(err)
			}
			plain.Host = "app.onecharge.io"
			res, err := tc.client.RoundTrip(plain)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if said, _ := io.ReadAll(res.Body); string(said) != "application" {
				t.Errorf("the application behind: found %s %q", res.Status, said)
			}
		})
	}
}
