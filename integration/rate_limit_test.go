package integration

import "testing"

// Clients do the right thing when they are over a limit: come back later, or go on.
func TestRateLimitWithPusherJS(t *testing.T) {
	s := startServer(t, limited(`rate_limit {
			per ip {
				handshakes 30/m 2
			}
			per socket {
				client_events 5
			}
		}`)+apiSite)
	s.runNode(t, "clients/rate-limit.mjs")
}
