package caddymodule_test

import (
	"net/http"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Limits of a hub and of an app, for the address that Caddy knows, over reloads.
func TestRateLimit(t *testing.T) {
	l := newLive(t)
	l.options = "servers {\n trusted_proxies static 127.0.0.1/32\n}"
	load := func(handshakes, own string) {
		t.Helper()
		l.mustLoad(":PORT {\n pusher_hub {\n rate_limit {\n per ip {\n handshakes " +
			handshakes + "\n }\n }\n" + appBlock("one", own) + appBlock("two") + "}\n}")
	}
	from := func(ip string) *hubtest.Client {
		t.Helper()
		return hubtest.Open(t, l.url(), "key-one", "", http.Header{"X-Forwarded-For": {ip}})
	}
	const own = "rate_limit {\n per app {\n publishes 1/h 2\n }\n per socket {\n client_events 1/h\n }\n}\n"
	load("2/h", own)

	for _, ip := range []string{"203.0.113.1", "203.0.113.2"} {
		for range 2 {
			from(ip).Expect("pusher:connection_established")
		}
		refused := from(ip)
		if text := refused.ExpectError(4100); text != "Too many connection attempts from your IP address: at most 2 an hour" {
			t.Errorf("found %q", text)
		}
		refused.ExpectClose(4100)
	}
	for i, want := range []int{200, 200, 429} {
		if status := l.publish(appOf("one"), "news", "x"); status != want {
			t.Errorf("publish %d: found %d, expected %d", i, status, want)
		}
		if status := l.publish(appOf("two"), "news", "x"); status != 200 {
			t.Errorf("another app: found %d", status)
		}
	}

	client := from("203.0.113.3")
	client.Expect("pusher:connection_established")
	client.Subscribe("news")
	whisper := hubtest.EventFrame("client-x", "news", "y")
	client.Send(whisper)
	client.ExpectQuiet()
	load("3/h", own+"watchlist\n")
	client.Send(whisper) // an old socket under the new config has used up what it had
	client.ExpectError(pusherhub.CodeClientEventRejected)
	if status := l.publish(appOf("one"), "news", "x"); status != http.StatusTooManyRequests {
		t.Errorf("after a reload: found %d, expected 429", status)
	}
	refused := from("203.0.113.1")
	if text := refused.ExpectError(4100); text != "Too many connection attempts from your IP address: at most 3 an hour" {
		t.Errorf("found %q", text)
	}
	load("1/h", "") // without the app's own limits
	client.Send(whisper)
	client.ExpectQuiet()
	if status := l.publish(appOf("one"), "news", "x"); status != http.StatusOK {
		t.Errorf("without a limit: found %d", status)
	}
}

// REVERB_APP_RATE_LIMIT_* mean what they mean at Reverb, beside the plugin.
func TestRateLimitBesideReverbs(t *testing.T) {
	for name, value := range map[string]string{
		"REVERB_APP_ID": "one", "REVERB_APP_KEY": "key-one", "REVERB_APP_SECRET": "secret-one",
		"REVERB_APP_RATE_LIMITING_ENABLED": "true", "REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS": "3", "REVERB_APP_RATE_LIMIT_DECAY_SECONDS": "3600",
	} {
		t.Setenv(name, value)
	}
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n rate_limit {\n per socket {\n messages 5/h\n }\n }\n }\n}")
	client := hubtest.Dial(t, l.url(), "key-one", "")
	for range 3 {
		client.Subscribe("news")
	}
	for _, text := range []string{"Rate limit exceeded", "Rate limit exceeded", "Too many messages on this connection: at most 5 an hour"} {
		client.Send(hubtest.SubscribeFrame("news", "", ""))
		if found := client.ExpectError(4301); found != text {
			t.Errorf("found %q, expected %q", found, text)
		}
	}
}
