package pusherhub_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestAPICORS(t *testing.T) {
	for _, c := range []struct {
		name           string
		origins        []string
		method, origin string
		status         int
		allowed        bool
		vary           string
	}{
		{"off by default", nil, "GET", "https://a.example", 200, false, ""},
		{"off by default, preflight", nil, "OPTIONS", "https://a.example", 405, false, ""},
		{"named", []string{"a.example"}, "GET", "https://a.example", 200, true, "Origin"},
		{"named, preflight", []string{"a.example"}, "OPTIONS", "https://a.example:8443", 204, true, "Origin"},
		{"any", []string{"*"}, "OPTIONS", "https://b.example", 204, true, "Origin"},
		{"another", []string{"a.example"}, "GET", "https://b.example", 200, false, "Origin"},
		{"another, preflight", []string{"a.example"}, "OPTIONS", "https://b.example", 405, false, "Origin"},
		{"no origin", []string{"*"}, "GET", "", 200, false, "Origin"},
	} {
		t.Run("T50 CORS, "+c.name, func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{APICORSOrigins: c.origins})
			target := s.SignedURL("GET", "/apps/app-id/channels", "", nil)
			if c.method == "OPTIONS" {
				target = s.URL + "/apps/app-id/channels" // browsers sign no preflight
			}
			r, err := http.NewRequest(c.method, target, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			res, err := s.Client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != c.status {
				t.Errorf("found %s, expected %d", res.Status, c.status)
			}
			allowed := res.Header.Get("Access-Control-Allow-Origin")
			if c.allowed && allowed != c.origin || !c.allowed && allowed != "" {
				t.Errorf("found Access-Control-Allow-Origin %q", allowed)
			}
			if found := res.Header.Get("Vary"); found != c.vary {
				t.Errorf("found Vary %q, expected %q", found, c.vary)
			}
			if headers := res.Header.Get("Access-Control-Allow-Headers"); strings.Contains(headers, "Idempotency-Key") != (c.status == 204) {
				t.Errorf("found Access-Control-Allow-Headers %q", headers)
			}
			if methods := res.Header.Get("Access-Control-Allow-Methods"); (methods != "") != (c.status == 204) {
				t.Errorf("found Access-Control-Allow-Methods %q", methods)
			}
		})
	}
}
