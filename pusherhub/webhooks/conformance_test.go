package webhooks

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// willing is an endpoint without a network that takes everything.
type willing struct{}

func (willing) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// dead is an endpoint without a network that takes nothing.
type dead struct{}

func (dead) RoundTrip(*http.Request) (*http.Response, error) { return nil, errRefused }

// What every plugin must pass.
func TestPlugin(t *testing.T) {
	for _, tc := range []struct {
		name     string
		spool    bool
		endpoint http.RoundTripper
	}{
		{"in memory", false, willing{}},
		{"in a spool", true, willing{}},
		{"in a spool, for a dead endpoint", true, dead{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hubtest.TestPlugin(t, func(t testing.TB) pusherhub.Plugin {
				cfg := Config{Transport: tc.endpoint, Endpoints: []Endpoint{{URL: hookURL, EventTypes: pusherEvents}}}
				if tc.spool {
					cfg.Spool = t.TempDir()
				}
				p, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				return p
			})
		})
	}
}
