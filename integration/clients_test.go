package integration

import (
	"strconv"
	"strings"
	"testing"
)

// demoSites serve the PHP demo with all that the client programs try switched on.
const demoSites = `
(demo) {
	root * {$DEMO_ROOT}
	pusher_hub {
		watchlist
		subscription_count
		drain 100ms
	}
	php_fastcgi unix/{$DIR}/php.sock
	file_server
}
:{$PORT} {
	import demo
}
https://127.0.0.1:{$TLS_PORT} {
	tls internal
	import demo
}
` + apiSite

// startDemo starts php-fpm and a server with the demo.
func startDemo(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	s.startPHP()
	s.start(demoSites)
	return s
}

func TestPusherJS(t *testing.T)      { startDemo(t).runNode(t, "clients/pusher-js.mjs") }
func TestLaravelEcho(t *testing.T)   { startDemo(t).runNode(t, "clients/echo.mjs") }
func TestNodeServerSDK(t *testing.T) { startDemo(t).runNode(t, "clients/server-sdk.mjs") }

// Pusher's server SDK for Node reads the hub's webhooks.
func TestNodeWebhooks(t *testing.T) {
	s := newServer(t)
	port := strconv.Itoa(freePort(t))
	s.startPHP()
	s.start(strings.Replace(demoSites, "watchlist\n", "watchlist\n webhooks {\n endpoint http://127.0.0.1:"+port+"\n allow_private 127.0.0.1\n hold 100ms\n retry_for off\n}\n", 1))
	s.runNode(t, "clients/webhooks.mjs", "WEBHOOK_PORT="+port)
}
