package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestRateLimitCaddyfile(t *testing.T) {
	const input = `rate_limit {
		per ip {
			connections 50
			handshakes 5 20
			messages 100/m
		}
		per socket {
			messages 20 40
			bytes 64KB
			subscriptions 0.5
		}
		per user {
			bytes 1MiB/m 2MB
		}
		per app {
			connections 10000
			publishes 1000 2000
			client_events 5000/h 10
		}
	}`
	const expected = `{"per_app":{"connections":10000,"client_events":{"rate":"5000/h","burst":10},"publishes":{"rate":1000,"burst":2000}},` +
		`"per_socket":{"messages":{"rate":20,"burst":40},"subscriptions":0.5,"bytes":64000},` +
		`"per_user":{"bytes":{"rate":"1048576/m","burst":2000000}},` +
		`"per_ip":{"connections":50,"handshakes":{"rate":5,"burst":20},"messages":"100/m"}}`
	var r RateLimit
	if err := r.UnmarshalCaddyfile(caddyfile.NewTestDispenser(input)); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(r)
	if err != nil || string(got) != expected {
		t.Errorf("expected %s\ngot      %s %v", expected, got, err)
	}
	var back RateLimit
	if err := caddy.StrictUnmarshalJSON(got, &back); err != nil || back != r {
		t.Errorf("found %+v %v, expected %+v", back, err, r)
	}
	if _, err := back.Plugin(); err != nil {
		t.Error(err)
	}
}

func TestRateLimitCaddyfileErrors(t *testing.T) {
	for i, tc := range []struct {
		input    string
		expected string // the whole error but the file's name
	}{
		{"rate_limit 5", `rate_limit: found "5", expected a block:1`},
		{"rate_limit", `rate_limit: found no limit, expected a block with per app, per ip, per socket, per user:1`},
		{"rate_limit {\nmessages 5\n}", `rate_limit: found "messages", expected per app, per ip, per socket, per user:2`},
		{"rate_limit {\nper\n}", `per: found nothing, expected one of app, ip, socket, user:2`},
		{"rate_limit {\nper room {\n}\n}", `per: found "room", expected one of app, ip, socket, user:2`},
		{"rate_limit {\nper ip\n}", `per ip: found no limit, expected a block with one at least:2`},
		{"rate_limit {\nper ip messages 5\n}", `per ip: found "messages", expected a block:2`},
		{"rate_limit {\nper ip {\nmessages 5\n}\nper ip {\nbytes 5\n}\n}", `per ip: found it again, expected it once: it is already in line 2:5`},
		{"rate_limit {\nper ip {\nmesages 5\n}\n}", `unknown limit 'mesages'; did you mean 'messages'?:3`},
		{"rate_limit {\nper ip {\nmessages 5\nmessages 6\n}\n}", `messages: found it again, expected it once: it is already in line 3:4`},
		{"rate_limit {\nper ip {\nmessages\n}\n}", `messages: found 0 values, expected a rate such as 20 or 100/m, and a burst or not:3`},
		{"rate_limit {\nper ip {\nmessages 1 2 3\n}\n}", `messages: found 3 values, expected a rate such as 20 or 100/m, and a burst or not:3`},
		{"rate_limit {\nper ip {\nmessages many\n}\n}", `messages: found "many", expected a positive number, with /s, /m or /h after it or not:3`},
		{"rate_limit {\nper ip {\nmessages 5/d\n}\n}", `messages: found "5/d", expected a positive number, with /s, /m or /h after it or not:3`},
		{"rate_limit {\nper ip {\nmessages 0\n}\n}", `messages: found "0", expected a positive number, with /s, /m or /h after it or not:3`},
		{"rate_limit {\nper ip {\nmessages 5 0\n}\n}", `messages: found the burst "0", expected a positive whole number:3`},
		{"rate_limit {\nper ip {\nmessages 5 {\nx\n}\n}\n}", `messages: found a block, expected the end of the line:4`},
		{"rate_limit {\nper ip {\nbytes much\n}\n}", `bytes: found "much", expected a size such as 64KB, or 10MB/m:3`},
		{"rate_limit {\nper ip {\nconnections 5/s\n}\n}", `connections: found "5/s", expected a positive whole number:3`},
		{"rate_limit {\nper ip {\nconnections 5 10\n}\n}", `connections: found 2 values, expected a positive whole number:3`},
		{
			"rate_limit {\nper socket {\npublishes 5\n}\n}",
			`per_socket publishes cannot be counted: expected one of messages, client_events, subscriptions, bytes:3`,
		},
	} {
		err := new(RateLimit).UnmarshalCaddyfile(caddyfile.NewTestDispenser(tc.input))
		got := ""
		if err != nil {
			got = strings.Replace(err.Error(), ", at Testfile:", ":", 1)
		}
		if got != tc.expected {
			t.Errorf("%d: %s\nexpected %s\ngot      %s", i, tc.input, tc.expected, got)
		}
	}
}

// JSON is checked when the config is loaded, and before it is used.
func TestRateLimitJSON(t *testing.T) {
	for text, expected := range map[string]string{
		`{"per_ip":{"handshakes":{"rate":5,"burst":20}},"per_app":{"publishes":1000,"client_events":500}}`: "",
		`{"per_ips":{"handshakes":5}}`:                    `unknown field "per_ips"`,
		`{"per_ip":{"handshake":5}}`:                      `unknown field "handshake"`,
		`{"per_ip":{"handshakes":{"rate":5,"bursts":2}}}`: `unknown field "bursts"`,
		`{"per_ip":{"handshakes":-5}}`:                    `found "-5", expected a positive number`,
		`{"per_user":{"handshakes":5}}`:                   `per_user handshakes cannot be counted`,
	} {
		var r RateLimit
		err := caddy.StrictUnmarshalJSON([]byte(text), &r)
		if err == nil {
			err = caddy.Validator(r).Validate()
		}
		if (err == nil) != (expected == "") || err != nil && !strings.Contains(err.Error(), expected) {
			t.Errorf("%s: found %v, expected %q", text, err, expected)
		}
	}
}
