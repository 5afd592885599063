package ratelimit_test

import (
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"github.com/onecharge/pusherhub/pusherhub/ratelimit"
)

// What every plugin must pass: with limits that nobody meets, and with some that everybody does.
func TestPlugin(t *testing.T) {
	for name, rate := range map[string]ratelimit.Rate{"wide": {Count: 1e12}, "narrow": {Count: 3, Per: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			sockets := ratelimit.Limits{Messages: rate, Bytes: rate, ClientEvents: rate, Subscriptions: rate}
			all := sockets
			all.Connections, all.Handshakes, all.Publishes = 10, rate, rate
			hubtest.TestPlugin(t, func(t testing.TB) pusherhub.Plugin {
				l, err := ratelimit.New(ratelimit.Config{PerSocket: sockets, PerUser: sockets, PerIP: all, PerApp: all})
				if err != nil {
					t.Fatal(err)
				}
				return l
			})
		})
	}
}
