package caddymodule

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// variables is an environment of "NAME=value" lines.
func variables(lines ...string) environment {
	values := make(map[string]string)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		values[name] = value
	}
	return func(name string) string { return values[name] }
}

var triple = []string{"REVERB_APP_ID=1001", "REVERB_APP_KEY=app-key", "REVERB_APP_SECRET=topsecret"}

func TestEnvironmentApp(t *testing.T) {
	app := func(change func(*pusherhub.AppConfig)) pusherhub.AppConfig {
		c := pusherhub.AppConfig{ID: "1001", Key: "app-key", Secret: "topsecret"}
		if change != nil {
			change(&c)
		}
		return c
	}
	limiter := &pusherhub.RateLimiting{MaxAttempts: 5, Decay: pusherhub.Duration(time.Second)}

	for name, tc := range map[string]struct {
		env      []string
		defaults pusherhub.AppConfig
		expected pusherhub.AppConfig
	}{
		"the triple": {env: triple, expected: app(nil)},
		"pusher": {
			env:      []string{"PUSHER_APP_ID=7", "PUSHER_APP_KEY=k", "PUSHER_APP_SECRET=s", "REVERB_APP_KEY="},
			expected: pusherhub.AppConfig{ID: "7", Key: "k", Secret: "s"},
		},
		"reverb before pusher": {
			env:      append([]string{"PUSHER_APP_ID=7", "PUSHER_APP_KEY=k", "PUSHER_APP_SECRET=s"}, triple...),
			expected: app(nil),
		},
		"quotes": {
			env:      []string{`REVERB_APP_ID="1001"`, `REVERB_APP_KEY='app-key'`, `REVERB_APP_SECRET="topsecret"`},
			expected: app(nil),
		},
		"braces are no placeholder": {
			env:      append([]string{}, "REVERB_APP_ID=1001", "REVERB_APP_KEY=app-key", "REVERB_APP_SECRET={env.HOME}"),
			expected: app(func(c *pusherhub.AppConfig) { c.Secret = "{env.HOME}" }),
		},
		"all options": {
			env: append([]string{
				"REVERB_APP_PING_INTERVAL=20", "REVERB_APP_ACTIVITY_TIMEOUT= 40 ", "REVERB_APP_MAX_CONNECTIONS=1000",
				"REVERB_APP_MAX_MESSAGE_SIZE=10000", "REVERB_MAX_REQUEST_SIZE=20000", "REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM=all",
				"REVERB_APP_RATE_LIMITING_ENABLED=(true)", "REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS=7",
				"REVERB_APP_RATE_LIMIT_DECAY_SECONDS=8", "REVERB_APP_RATE_LIMIT_TERMINATE=True",
			}, triple...),
			expected: app(func(c *pusherhub.AppConfig) {
				c.PingInterval = pusherhub.Duration(20 * time.Second)
				c.ActivityTimeout = pusherhub.Duration(40 * time.Second)
				c.MaxConnections = 1000
				c.MaxMessageSize = 10000
				c.MaxRequestSize = 20000
				c.AcceptClientEventsFrom = "all"
				c.RateLimiting = &pusherhub.RateLimiting{MaxAttempts: 7, Decay: pusherhub.Duration(8 * time.Second), TerminateOnLimit: new(true)}
			}),
		},
		"null and empty are unset": {
			env: append([]string{
				"REVERB_APP_PING_INTERVAL=null", "REVERB_APP_ACTIVITY_TIMEOUT=(null)", "REVERB_APP_MAX_CONNECTIONS=",
				"REVERB_APP_MAX_MESSAGE_SIZE=empty", "REVERB_MAX_REQUEST_SIZE=(empty)", "REVERB_APP_RATE_LIMITING_ENABLED=",
			}, triple...),
			expected: app(nil),
		},
		"no bound": {
			env:      append([]string{"REVERB_APP_MAX_CONNECTIONS=-1"}, triple...),
			expected: app(func(c *pusherhub.AppConfig) { c.MaxConnections = pusherhub.Unlimited }),
		},
		"the environment wins, options fill in": {
			env:      append([]string{"REVERB_APP_PING_INTERVAL=20"}, triple...),
			defaults: pusherhub.AppConfig{PingInterval: 1, MaxConnections: 5, Watchlist: new(true)},
			expected: app(func(c *pusherhub.AppConfig) {
				c.PingInterval, c.MaxConnections, c.Watchlist = pusherhub.Duration(20*time.Second), 5, new(true)
			}),
		},
		"a limiter without ENABLED is off": {
			env:      append([]string{"REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS=7"}, triple...),
			expected: app(nil),
		},
		"the limiter of the options, partly overridden": {
			env:      append([]string{"REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS=7"}, triple...),
			defaults: pusherhub.AppConfig{RateLimiting: limiter},
			expected: app(func(c *pusherhub.AppConfig) {
				c.RateLimiting = &pusherhub.RateLimiting{MaxAttempts: 7, Decay: pusherhub.Duration(time.Second)}
			}),
		},
		"the limiter of the options, switched off": {
			env:      append([]string{"REVERB_APP_RATE_LIMITING_ENABLED=false"}, triple...),
			defaults: pusherhub.AppConfig{RateLimiting: limiter},
			expected: app(nil),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := variables(tc.env...).app(tc.defaults)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.expected) {
				t.Errorf("expected %+v\ngot      %+v", tc.expected, got)
			}
		})
	}
}

func TestEnvironmentErrors(t *testing.T) {
	for i, tc := range []struct {
		env      []string
		expected []string
	}{
		{nil, []string{"REVERB_APP_ID=", "REVERB_APP_KEY=", "REVERB_APP_SECRET=", "app my-app-id {", "secret"}},
		{triple[:1], []string{"half an app: REVERB_APP_ID is set, but REVERB_APP_KEY, REVERB_APP_SECRET is unset or empty"}},
		{
			[]string{"REVERB_APP_ID=1", "REVERB_APP_KEY=k", "REVERB_APP_SECRET=null", "PUSHER_APP_ID=1", "PUSHER_APP_KEY=k", "PUSHER_APP_SECRET=s"},
			[]string{"REVERB_APP_ID, REVERB_APP_KEY is set, but REVERB_APP_SECRET is unset or empty"},
		},
		{[]string{"PUSHER_APP_SECRET=topsecret"}, []string{"PUSHER_APP_SECRET is set, but PUSHER_APP_ID, PUSHER_APP_KEY is unset or empty"}},
		{
			append([]string{"REVERB_APP_PING_INTERVAL=60s", "REVERB_APP_MAX_CONNECTIONS=many"}, triple...),
			[]string{
				`REVERB_APP_PING_INTERVAL: found "60s", expected a whole number of seconds, such as 60`,
				`REVERB_APP_MAX_CONNECTIONS: found "many", expected a whole number, such as 1000, or -1 for unlimited`,
			},
		},
		{
			append([]string{"REVERB_APP_MAX_MESSAGE_SIZE=0"}, triple...),
			[]string{`REVERB_APP_MAX_MESSAGE_SIZE: found "0", expected a whole number of bytes, such as 10000`},
		},
		{
			append([]string{"REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM=member"}, triple...),
			[]string{`REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM: found "member", expected members, all or none`},
		},
		{
			append([]string{"REVERB_APP_RATE_LIMITING_ENABLED=on", "REVERB_APP_RATE_LIMIT_DECAY_SECONDS=-5"}, triple...),
			[]string{
				`REVERB_APP_RATE_LIMITING_ENABLED: found "on", expected true or false`,
				`REVERB_APP_RATE_LIMIT_DECAY_SECONDS: found "-5", expected a whole number of seconds, such as 60`,
			},
		},
	} {
		_, err := variables(tc.env...).app(pusherhub.AppConfig{})
		if err == nil {
			t.Errorf("%d: no error", i)
			continue
		}
		for _, expected := range tc.expected {
			if !strings.Contains(err.Error(), expected) {
				t.Errorf("%d: expected %q in %q", i, expected, err)
			}
		}
		if strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%d: the secret is in %q", i, err)
		}
	}
}

func TestScaling(t *testing.T) {
	for _, tc := range []struct{ configured, scaling, expected, err string }{
		{"", "", `{"broker":"memory"}`, ""},
		{"", "false", `{"broker":"memory"}`, ""},
		{`{"broker":"x"}`, "true", `{"broker":"x"}`, ""},
		{"", "true", "", "xcaddy build --with github.com/onecharge/pusherhub/caddymodule/redis"},
		{"", "perhaps", "", `REVERB_SCALING_ENABLED: found "perhaps", expected true or false`},
	} {
		var configured []byte
		if tc.configured != "" {
			configured = []byte(tc.configured)
		}
		got, err := brokerConfig(configured, variables("REVERB_SCALING_ENABLED="+tc.scaling))
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%+v: got error %v", tc, err)
		}
		if string(got) != tc.expected {
			t.Errorf("%+v: got %s", tc, got)
		}
	}
}

func TestSitePath(t *testing.T) {
	for _, tc := range []struct{ configured, env, expected string }{
		{"", "", ""},
		{"/", "/reverb", ""},
		{"", "/reverb", "/reverb"},
		{"", "reverb/", "/reverb"},
		{"ws", "/reverb", "/ws"},
		{"/a/b/", "", "/a/b"},
	} {
		if got := sitePath(tc.configured, variables("REVERB_SERVER_PATH="+tc.env)); got != tc.expected {
			t.Errorf("%+v: got %q", tc, got)
		}
	}
}
