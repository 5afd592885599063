package integration

import (
	"net/http"
	"strings"
	"testing"
)

// edgeNetworks are those that load balancers in front of a container come from.
const edgeNetworks = "TRUSTED_PROXIES=private_ranges 100.64.0.0/10"

// Whom PHP takes a visitor for, and by which scheme it thinks that it is reached: wrong answers let strangers choose their
// address, or make an app behind a load balancer link to http://.
func TestPHPKnowsItsClients(t *testing.T) {
	type header map[string]string
	type request struct {
		name   string
		header header
		client string // what PHP says
	}
	for _, tc := range []struct {
		name     string
		env      []string
		requests []request
	}{
		{"a server of its own", nil, []request{
			{"plain", nil, "http from 127.0.0.1"},
			{"a stranger who makes up everything", header{"X-Real-IP": "203.0.113.9", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}, "http from 127.0.0.1"},
		}},
		{"headers without networks", []string{"CLIENT_IP_HEADERS=X-Real-IP X-Forwarded-For"}, []request{
			{"a stranger who makes up everything", header{"X-Real-IP": "203.0.113.9", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}, "http from 127.0.0.1"},
		}},
		{"an edge that sets X-Real-IP", []string{edgeNetworks, "CLIENT_IP_HEADERS=X-Real-IP X-Forwarded-For"}, []request{
			{"its visitors", header{"X-Real-IP": "203.0.113.9", "X-Forwarded-Proto": "https"}, "https from 203.0.113.9"},
			{"one who makes up the other header", header{"X-Real-IP": "203.0.113.9", "X-Forwarded-For": "198.51.100.66", "X-Forwarded-Proto": "https"}, "https from 203.0.113.9"},
			{"its own health check", nil, "http from 127.0.0.1"},
		}},
		{"an edge that adds to X-Forwarded-For", []string{edgeNetworks}, []request{
			{"its visitors", header{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}, "https from 203.0.113.9"},
			{"by two hops", header{"X-Forwarded-For": "203.0.113.9, 100.64.0.7"}, "http from 203.0.113.9"},
			{"one who makes up the beginning", header{"X-Forwarded-For": "198.51.100.66, 203.0.113.9"}, "http from 203.0.113.9"},
			{"one who makes up the other header", header{"X-Real-IP": "198.51.100.66", "X-Forwarded-For": "203.0.113.9"}, "http from 203.0.113.9"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := startExample(t, tc.env...)
			for _, request := range tc.requests {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url()+"/client", nil)
				if err != nil {
					t.Fatal(err)
				}
				for name, value := range request.header {
					r.Header.Set(name, value)
				}
				if a := do(t, r); strings.TrimSpace(a.body) != request.client {
					t.Errorf("%s: found %d %q, expected %q", request.name, a.status, a.body, request.client)
				}
			}
		})
	}
}
