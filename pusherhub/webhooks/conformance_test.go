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

// What every plugin must pass.
func TestPlugin(t *testing.T) {
	for name, spool := range map[string]bool{"in memory": false, "in a spool": true} {
		t.Run(name, func(t *testing.T) {
			hubtest.TestPlugin(t, func(t testing.TB) pusherhub.Plugin {
				cfg := Config{Transport: willing{}, Endpoints: []Endpoint{{URL: hookURL, EventTypes: pusherEvents}}}
				if spool {
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
