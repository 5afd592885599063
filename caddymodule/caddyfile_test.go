package caddymodule

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestUnmarshalCaddyfile(t *testing.T) {
	for i, tc := range []struct {
		input    string
		expected string // JSON
	}{
		{`pusher_hub`, `{}`},
		{`pusher_hub chat`, `{"hub":"chat"}`},
		{"pusher_hub {\n}", `{}`},
		{"pusher_hub {\npath /reverb\nreverb_up\n}", `{"path":"/reverb","reverb_up":true}`},
		{"pusher_hub {\nreverb_up off\n}", `{}`},
		{"pusher_hub {\nready /healthz\nlive off\n}", `{"ready":"/healthz","live":"off"}`},
		{"pusher_hub {\ndrain 20s\nmax_node_connections 5000\n}", `{"drain":"20s","max_node_connections":5000}`},
		{"pusher_hub {\nmax_node_connections unlimited\n}", `{"max_node_connections":-1}`},
		{"pusher_hub {\nbroker memory\n}", `{"broker":{"broker":"memory"}}`},
		{
			"pusher_hub {\nwatchlist\nsubscription_count on\ntls_only off\n}",
			`{"defaults":{"tls_only":false,"watchlist":true,"subscription_count":true}}`,
		},
		{
			"pusher_hub {\nmax_connections 100\nmax_event_data unlimited\nmax_message_size 64KB\nmax_queue 2MiB\nmax_request_size 20000\n}",
			`{"defaults":{"max_connections":100,"max_message_size":64000,"max_request_size":20000,"max_event_data":-1,"max_queue":2097152}}`,
		},
		{
			"pusher_hub {\nactivity_timeout 1m\ncache_ttl 1d\ntimestamp_tolerance off\nidempotency_ttl off\n}",
			`{"defaults":{"activity_timeout":"1m0s","cache_ttl":"24h0m0s","timestamp_tolerance":"off","idempotency_ttl":"off"}}`,
		},
		{
			"pusher_hub {\nallowed_origins *.example.com https://example.org\nterminate_code 4200\ncompat pusher\n}",
			`{"defaults":{"compat":"pusher","allowed_origins":["*.example.com","https://example.org"],"terminate_code":4200}}`,
		},
		{"pusher_hub {\nrate_limiting\n}", `{"defaults":{"rate_limiting":{}}}`},
		{
			"pusher_hub {\nrate_limiting {\nmax_attempts 10\ndecay 2s\nterminate_on_limit\n}\n}",
			`{"defaults":{"rate_limiting":{"max_attempts":10,"decay":"2s","terminate_on_limit":true}}}`,
		},
		{
			"pusher_hub {\napp one {\nkey k1\nsecret {env.ONE}\n}\napp two {\nkey k2\nsecret new old older\nenabled off\n}\n}",
			`{"apps":[{"id":"one","key":"k1","secret":"{env.ONE}"},` +
				`{"id":"two","key":"k2","secret":"new","previous_secrets":["old","older"],"enabled":false}]}`,
		},
		{
			"pusher_hub {\naccept_client_events_from {env.FROM}\n}",
			`{"defaults":{"accept_client_events_from":"{env.FROM}"}}`,
		},
	} {
		h := new(Handler)
		if err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(tc.input)); err != nil {
			t.Errorf("%d: %s: %v", i, tc.input, err)
			continue
		}
		got, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != tc.expected {
			t.Errorf("%d: %s\nexpected %s\ngot      %s", i, tc.input, tc.expected, got)
		}
		var back Handler
		if err := json.Unmarshal(got, &back); err != nil {
			t.Errorf("%d: %s does not decode again: %v", i, got, err)
		}
	}
}

func TestUnmarshalCaddyfileErrors(t *testing.T) {
	for i, tc := range []struct {
		input    string
		expected string // the whole error but the file's name
	}{
		{"pusher_hub a b", `found "b" after the hub's name, expected a block or the end of the line:1`},
		{"pusher_hub {\nactivty_timeout 5s\n}", `unknown option or plugin 'activty_timeout'; did you mean 'activity_timeout'?:2`},
		{"pusher_hub {\nbrokr memory\n}", `unknown option or plugin 'brokr'; did you mean 'broker'?:2`},
		{"pusher_hub {\nfrobnicate\n}", `unknown option or plugin 'frobnicate':2`},
		{"pusher_hub {\nwatchlist\nwatchlist off\n}", `watchlist: found it again, expected it once: it is already in line 2:3`},
		{"pusher_hub {\npath /a\npath /b\n}", `path: found it again, expected it once: it is already in line 2:3`},
		{"pusher_hub {\npath\n}", `path: found nothing, expected a prefix such as /reverb:2`},
		{"pusher_hub {\nwatchlist maybe\n}", `watchlist: found "maybe", expected nothing, on or off:2`},
		{"pusher_hub {\nwatchlist {\n}\n}", ``},
		{"pusher_hub {\nwatchlist {\nx\n}\n}", `watchlist: found a block, expected the end of the line:3`},
		{"pusher_hub {\nmax_connections\n}", `max_connections: found nothing, expected a positive whole number or unlimited:2`},
		{"pusher_hub {\nmax_connections many\n}", `max_connections: found "many", expected a positive whole number or unlimited:2`},
		{"pusher_hub {\nmax_connections 0\n}", `max_connections: found "0", expected a positive whole number or unlimited:2`},
		{"pusher_hub {\nmax_connections 1 2\n}", `max_connections: found 2 values, expected a positive whole number or unlimited:2`},
		{"pusher_hub {\nmax_message_size large\n}", `max_message_size: found "large", expected a size such as 64KB or unlimited:2`},
		{
			"pusher_hub {\nmax_message_size unlimited\n}",
			`max_message_size, max_request_size and max_queue cannot be unlimited: they bound the memory that a stranger can take:2`,
		},
		{"pusher_hub {\nping_interval 30\n}", `ping_interval: found "30", expected a positive duration such as 30s:2`},
		{"pusher_hub {\nping_interval off\n}", `ping_interval: found "off", expected a positive duration such as 30s:2`},
		{"pusher_hub {\ndrain 0s\n}", `drain: found "0s", expected a positive duration such as 30s:2`},
		{"pusher_hub {\ncompat soketi\n}", `compat: found "soketi", expected reverb or pusher:2`},
		{"pusher_hub {\nterminate_code 4300\n}", `terminate_code: found 4300, expected 4000 to 4299 (clients never return after 4300 and above):2`},
		{"pusher_hub {\nterminate_code x\n}", `terminate_code: found "x", expected a positive whole number:2`},
		{"pusher_hub {\nallowed_origins\n}", `allowed_origins: found nothing, expected one value or more:2`},
		{"pusher_hub {\nrate_limiting 5\n}", `rate_limiting: found "5", expected a block or nothing:2`},
		{"pusher_hub {\nrate_limiting {\nmax_attempt 5\n}\n}", `unknown option of rate_limiting 'max_attempt'; did you mean 'max_attempts'?:3`},
		{"pusher_hub {\nkey k\n}", `key: found beside the apps, expected inside of one: app <id> { key ... }:2`},
		{"pusher_hub {\napp {\n}\n}", `app: found 0 values, expected one, the app's id:2`},
		{"pusher_hub {\napp x {\nkey k\n}\n}", `app x: found no secret, expected a line 'secret <secret>' in its block:4`},
		{"pusher_hub {\napp x {\nkey k\nsecret\n}\n}", `secret: found nothing, expected the secret and, after it, any previous ones:4`},
		{"pusher_hub {\napp x {\nkey k/y\nsecret s\n}\n}", `key "k/y" cannot stand in a URL path: expected letters, digits, '-', '_' or '.':3`},
		{"pusher_hub {\napp x {\nkey k\nsecret s\ndrain 5s\n}\n}", `drain: found inside of app x, expected beside it: it belongs to the pusher_hub block:5`},
		{"pusher_hub {\napp x {\nkey k\nsecret s\nwatchlst\n}\n}", `unknown option or plugin 'watchlst'; did you mean 'watchlist'?:5`},
		{"pusher_hub {\napp x {\nkey k\nsecret s\n}\napp x {\nkey l\nsecret s\n}\n}", `app x: found it again, expected it once: it is already in line 2:6`},
		{"pusher_hub {\nbroker\n}", `broker: found nothing, expected the name of a module in http.pusher_hub.brokers:2`},
		{"pusher_hub {\nbroker memori\n}", `broker: found 'memori', which this Caddy is not built with; did you mean 'memory'? (it has: memory):2`},
		{
			"pusher_hub {\nbroker redis\n}",
			`broker: found 'redis', which this Caddy is not built with; add it with xcaddy build --with github.com/onecharge/pusherhub/caddymodule/redis (it has: memory):2`,
		},
		{"pusher_hub {\nbroker memory 1\n}", `broker memory: found "1", expected nothing: it has no options:2`},
	} {
		err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser(tc.input))
		got := ""
		if err != nil {
			got = strings.Replace(err.Error(), ", at Testfile:", ":", 1)
			got = strings.Replace(got, "diary, ", "", 1) // a broker of another test
		}
		if got != tc.expected {
			t.Errorf("%d: %s\nexpected %s\ngot      %s", i, tc.input, tc.expected, got)
		}
	}
}

// A new field of pusherhub.AppConfig must be settable in a Caddyfile without a change here.
func TestEveryOptionHasASyntax(t *testing.T) {
	for word := range appOptions {
		accepted := false
		for _, value := range []string{"", "5", "5s", "any", "all", "string", "both", "auto", "reverb", "4200", "unlimited", "close"} {
			line := "pusher_hub {\napp x {\nkey k\nsecret s\n" + word + " " + value + "\n}\n}"
			switch word {
			case "key":
				line = "pusher_hub {\napp x {\nkey " + value + "\nsecret s\n}\n}"
			case "secret":
				line = "pusher_hub {\napp x {\nkey k\nsecret " + value + "\n}\n}"
			}
			h := new(Handler)
			if err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(line)); err == nil {
				accepted = true
				if field := appField(h, word); field.IsZero() {
					t.Errorf("%s %s: accepted, but nothing is set", word, value)
				}
			}
		}
		if !accepted {
			t.Errorf("%s: no value is accepted", word)
		}
	}
	if len(appOptions) < 35 {
		t.Errorf("found %d options", len(appOptions))
	}
}

func appField(h *Handler, word string) reflect.Value {
	return reflect.ValueOf(h.Apps[0].AppConfig).Field(appOptions[word])
}
