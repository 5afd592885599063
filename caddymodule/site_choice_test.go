package caddymodule

import (
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// A hub can be at several sites. Its requests go to that of visitors, whichever comes first in the config.
func TestSiteOfTheHub(t *testing.T) {
	sites := []site{
		{hub: "default", configures: true, host: "loopback"},
		{hub: "default", configures: true, host: "visitors", public: true},
		{hub: "default", host: "joins", public: true},
		{hub: "other", configures: true, host: "another hub", public: true},
		{hub: "unconfigured", host: "by the environment", public: true},
	}
	for range 2 {
		h := &Hubs{sites: sites}
		for hub, expected := range map[string]string{"default": "visitors", "unconfigured": "by the environment"} {
			ctx := h.forGuests(caddy.Context{Context: t.Context()}, hub)
			if got := ctx.Value(siteKey{}).(*siteTransport).host; got != expected {
				t.Errorf("hub %s: found %s, expected %s", hub, got, expected)
			}
		}
		slices.Reverse(sites)
	}
}
