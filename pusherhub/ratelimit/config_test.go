package ratelimit_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/ratelimit"
)

func TestRate(t *testing.T) {
	for _, c := range []struct {
		json string
		want ratelimit.Rate
		back string // empty: json
	}{
		{`20`, ratelimit.Rate{Count: 20}, ""},
		{`0.5`, ratelimit.Rate{Count: 0.5}, ""},
		{`1e3`, ratelimit.Rate{Count: 1000}, "1000"},
		{`"20"`, ratelimit.Rate{Count: 20}, "20"},
		{`"20/s"`, ratelimit.Rate{Count: 20, Per: time.Second}, ""},
		{`"100/m"`, ratelimit.Rate{Count: 100, Per: time.Minute}, ""},
		{`{"rate":20}`, ratelimit.Rate{Count: 20}, "20"},
		{`{"rate":20,"burst":40}`, ratelimit.Rate{Count: 20, Burst: 40}, ""},
		{`{"rate":"5000/h","burst":1}`, ratelimit.Rate{Count: 5000, Per: time.Hour, Burst: 1}, ""},
	} {
		var found ratelimit.Rate
		if err := json.Unmarshal([]byte(c.json), &found); err != nil || found != c.want {
			t.Errorf("%s: found %+v %v, expected %+v", c.json, found, err, c.want)
		}
		if c.back == "" {
			c.back = c.json
		}
		if back, err := json.Marshal(found); err != nil || string(back) != c.back {
			t.Errorf("%s: found %s %v, expected %s", c.json, back, err, c.back)
		}
	}
	for _, wrong := range []string{
		`0`, `-1`, `"0"`, `"fast"`, `""`, `"5/d"`, `"5/"`, `"/s"`, `"NaN"`, `"Inf"`, `1e16`, `null`, `true`, `[5]`, `{}`,
		`{"burst":5}`, `{"rate":5,"burst":0}`, `{"rate":5,"burst":-1}`, `{"rate":5,"bursts":1}`,
	} {
		found := struct{ R *ratelimit.Rate }{new(ratelimit.Rate)}
		if err := json.Unmarshal([]byte(`{"R":`+wrong+`}`), &found); (err == nil) != (wrong == "null") {
			t.Errorf("%s: found %v %v", wrong, found.R, err)
		}
	}
}

func TestConfig(t *testing.T) {
	const text = `{"per_app":{"connections":10000,"client_events":500,"publishes":{"rate":1000,"burst":2000},"bytes":10000000},` +
		`"per_socket":{"messages":{"rate":20,"burst":40},"bytes":64000},"per_user":{"subscriptions":5},` +
		`"per_ip":{"connections":50,"handshakes":{"rate":5,"burst":20},"messages":"100/m"}}`
	var c ratelimit.Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(c); err != nil || string(back) != text {
		t.Errorf("found %s %v, expected %s", back, err, text)
	}
	if _, err := ratelimit.New(c); err != nil {
		t.Error(err)
	}
}

// Limits that cannot be kept are no limits, and are refused.
func TestConfigErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                               "found no limit, expected one at least, such as per_socket messages",
		`{"per_socket":{"connections":1}}`: "per_socket connections cannot be counted: expected one of messages, client_events, subscriptions, bytes",
		`{"per_socket":{"handshakes":1}}`:  "per_socket handshakes cannot be counted: expected one of messages, client_events, subscriptions, bytes",
		`{"per_socket":{"publishes":1}}`:   "per_socket publishes cannot be counted: expected one of messages, client_events, subscriptions, bytes",
		`{"per_user":{"connections":1}}`:   "per_user connections cannot be counted: expected one of messages, client_events, subscriptions, bytes",
		`{"per_user":{"handshakes":1}}`:    "per_user handshakes cannot be counted: expected one of messages, client_events, subscriptions, bytes",
		`{"per_user":{"publishes":1}}`:     "per_user publishes cannot be counted: expected one of messages, client_events, subscriptions, bytes",
		`{"per_ip":{"connections":-1}}`:    "per_ip connections: found -1, expected a positive number",
	} {
		var c ratelimit.Config
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		if _, err := ratelimit.New(c); err == nil || err.Error() != want {
			t.Errorf("%s: found %v, expected %s", text, err, want)
		}
	}
	for _, c := range []struct {
		rate ratelimit.Rate
		want string
	}{
		{ratelimit.Rate{Per: time.Second}, "per_app messages: found 0/s, expected positive numbers"},
		{ratelimit.Rate{Count: 1, Burst: -1}, "per_app messages: found 1 -1, expected positive numbers"},
		{ratelimit.Rate{Count: 1, Per: time.Millisecond}, "per_app messages: found 1 in 1ms, expected a second, a minute or an hour"},
	} {
		if _, err := ratelimit.New(ratelimit.Config{PerApp: ratelimit.Limits{Messages: c.rate}}); err == nil || err.Error() != c.want {
			t.Errorf("%+v: found %v, expected %s", c.rate, err, c.want)
		}
	}
}
