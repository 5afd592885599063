package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// environment looks up an environment variable, as [os.Getenv] does.
type environment func(name string) string

// The variables that name the app, in the order in which they are tried.
var appVariables = [][3]string{
	{"REVERB_APP_ID", "REVERB_APP_KEY", "REVERB_APP_SECRET"},
	{"PUSHER_APP_ID", "PUSHER_APP_KEY", "PUSHER_APP_SECRET"},
}

// errNoApp is for somebody who just wrote "pusher_hub" into a Caddyfile for the first time.
var errNoApp = errors.New(`there is no app. Set three environment variables, the same as in Laravel's .env:
    REVERB_APP_ID=my-app-id
    REVERB_APP_KEY=my-app-key
    REVERB_APP_SECRET=my-app-secret
or write the app into the Caddyfile:
    pusher_hub {
        app my-app-id {
            key my-app-key
            secret my-app-secret
        }
    }`)

// app returns the app of the environment. Variables that are set have the meaning that they have for Reverb
// and win; what they leave open is taken from defaults.
func (e environment) app(defaults pusherhub.AppConfig) (pusherhub.AppConfig, error) {
	c, err := e.credentials()
	if err != nil {
		return c, err
	}
	err = errors.Join(
		e.seconds("REVERB_APP_PING_INTERVAL", &c.PingInterval),
		e.seconds("REVERB_APP_ACTIVITY_TIMEOUT", &c.ActivityTimeout),
		e.limit("REVERB_APP_MAX_CONNECTIONS", &c.MaxConnections),
		e.bytes("REVERB_APP_MAX_MESSAGE_SIZE", &c.MaxMessageSize),
		e.bytes("REVERB_MAX_REQUEST_SIZE", &c.MaxRequestSize),
		e.oneOf("REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM", &c.AcceptClientEventsFrom, "members", "all", "none"),
	)
	limiter, limiterErr := e.rateLimiting(defaults.RateLimiting)
	if err := errors.Join(err, limiterErr); err != nil {
		return c, err
	}
	c = c.WithDefaults(defaults)
	c.RateLimiting = limiter
	return c, nil
}

// credentials returns id, key and secret.
func (e environment) credentials() (c pusherhub.AppConfig, err error) {
	for _, names := range appVariables {
		var missing, present []string
		for _, name := range names {
			if e.value(name) == "" {
				missing = append(missing, name)
			} else {
				present = append(present, name)
			}
		}
		switch {
		case len(missing) == 0:
			c.ID, c.Key, c.Secret = e.value(names[0]), e.value(names[1]), e.value(names[2])
			return c, nil
		case len(present) > 0:
			return c, fmt.Errorf("the environment names half an app: %s is set, but %s is unset or empty",
				strings.Join(present, ", "), strings.Join(missing, ", "))
		}
	}
	return c, errNoApp
}

// rateLimiting merges Reverb's limiter into the one of the config; nil is off.
func (e environment) rateLimiting(configured *pusherhub.RateLimiting) (*pusherhub.RateLimiting, error) {
	var r pusherhub.RateLimiting
	if configured != nil {
		r = *configured
	}
	enabled, err := e.boolean("REVERB_APP_RATE_LIMITING_ENABLED")
	terminate, terminateErr := e.boolean("REVERB_APP_RATE_LIMIT_TERMINATE")
	attempts := pusherhub.Limit(r.MaxAttempts)
	if err := errors.Join(err, terminateErr,
		e.count("REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS", &attempts),
		e.seconds("REVERB_APP_RATE_LIMIT_DECAY_SECONDS", &r.Decay),
	); err != nil {
		return nil, err
	}
	if enabled == nil && configured == nil || enabled != nil && !*enabled {
		return nil, nil
	}
	r.MaxAttempts = int(attempts)
	if terminate != nil {
		r.TerminateOnLimit = terminate
	}
	return &r, nil
}

// value returns what Laravel's env() makes of a variable, as far as text goes: quotes around the
// value, which docker's --env-file leaves, do not belong to it; null, (null), empty and
// (empty) are as good as unset.
func (e environment) value(name string) string {
	v := e(name)
	if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
		v = v[1 : n-1]
	}
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "", "null", "(null)", "empty", "(empty)":
		return ""
	}
	return v
}

// boolean returns nil for a variable that is unset.
func (e environment) boolean(name string) (*bool, error) {
	v := e.value(name)
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "":
		return nil, nil
	case "true", "(true)", "1":
		return new(true), nil
	case "false", "(false)", "0":
		return new(false), nil
	}
	return nil, fmt.Errorf("%s: found %q, expected true or false", name, v)
}

// number sets into if the variable is set.
func (e environment) number(name, expected string, least int64, set func(int64)) error {
	v := e.value(name)
	if v == "" {
		return nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
	if err != nil || n < least {
		return fmt.Errorf("%s: found %q, expected %s", name, v, expected)
	}
	set(n)
	return nil
}

func (e environment) seconds(name string, into *pusherhub.Duration) error {
	const most = 365 * 24 * 3600 // more is a mistake, and overflows one day
	return e.number(name, "a whole number of seconds, such as 60", 1, func(n int64) {
		*into = pusherhub.Duration(time.Duration(min(n, most)) * time.Second)
	})
}

func (e environment) count(name string, into *pusherhub.Limit) error {
	return e.number(name, "a whole number, such as 60", 1, func(n int64) { *into = pusherhub.Limit(n) })
}

func (e environment) bytes(name string, into *pusherhub.Size) error {
	return e.number(name, "a whole number of bytes, such as 10000", 1, func(n int64) { *into = pusherhub.Size(n) })
}

// limit is a count of which 0 and -1 lift the bound.
func (e environment) limit(name string, into *pusherhub.Limit) error {
	return e.number(name, "a whole number, such as 1000, or -1 for unlimited", -1, func(n int64) {
		if n <= 0 {
			n = pusherhub.Unlimited
		}
		*into = pusherhub.Limit(n)
	})
}

func (e environment) oneOf(name string, into *string, words ...string) error {
	v := e.value(name)
	if v == "" {
		return nil
	}
	if !slices.Contains(words, v) {
		last := len(words) - 1
		return fmt.Errorf("%s: found %q, expected %s or %s", name, v, strings.Join(words[:last], ", "), words[last])
	}
	*into = v
	return nil
}
