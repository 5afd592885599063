package pusherhub

import (
	"strings"
	"testing"
	"time"
)

func TestConfigErrors(t *testing.T) {
	good := AppConfig{ID: "i", Key: "k", Secret: "s"}
	for _, o := range []struct {
		change func(c *AppConfig)
		want   string
	}{
		{func(c *AppConfig) { c.ID = "" }, `id is missing or blank`},
		{func(c *AppConfig) { c.ID = "  " }, `id is missing or blank`},
		{func(c *AppConfig) { c.Key = "" }, `key is missing or blank`},
		{func(c *AppConfig) { c.Secret = "\t" }, `secret is missing or blank`},
		{func(c *AppConfig) { c.PreviousSecrets = []string{"old", " "} }, `a previous secret is blank`},
		{func(c *AppConfig) { c.ID = "a/b" }, `id "a/b" cannot stand in a URL path: expected letters, digits, '-', '_' or '.'`},
		{func(c *AppConfig) { c.Key = "a b" }, `key "a b" cannot stand in a URL path`},
		{func(c *AppConfig) { c.Key = "a?b" }, `key "a?b" cannot stand in a URL path`},
		{func(c *AppConfig) { c.Compat = "soketi" }, `compat: found "soketi", expected reverb or pusher`},
		{func(c *AppConfig) { c.ChannelCharset = "all" }, `channel_charset: found "all", expected strict or any`},
		{func(c *AppConfig) { c.AcceptClientEventsFrom = "anybody" }, `accept_client_events_from: found "anybody", expected members, all or none`},
		{func(c *AppConfig) { c.ClientEventData = "json" }, `client_event_data: found "json", expected string or verbatim`},
		{func(c *AppConfig) { c.ErrorData = "text" }, `error_data: found "text", expected auto, object or string`},
		{func(c *AppConfig) { c.SubscriptionErrorFrames = "none" }, `subscription_error_frames: found "none", expected both, pusher_error or subscription_error`},
		{func(c *AppConfig) { c.MaxConnections = -2 }, `max_connections: found -2, expected a positive number or unlimited (-1)`},
		{func(c *AppConfig) { c.MaxEventData = -2 }, `max_event_data: found -2, expected`},
		{func(c *AppConfig) { c.MaxChannelsPerEvent = -2 }, `max_channels_per_event: found -2, expected`},
		{func(c *AppConfig) { c.MaxBatch = -2 }, `max_batch: found -2, expected`},
		{func(c *AppConfig) { c.MaxChannelNameLength = -2 }, `max_channel_name_length: found -2, expected`},
		{func(c *AppConfig) { c.MaxPresenceMembers = -2 }, `max_presence_members: found -2, expected`},
		{func(c *AppConfig) { c.MaxMemberBytes = -2 }, `max_member_bytes: found -2, expected`},
		{func(c *AppConfig) { c.MaxClientEventsPerSecond = -2 }, `max_client_events_per_second: found -2, expected`},
		{func(c *AppConfig) { c.MaxMessageSize = -2 }, `max_message_size: found -2, expected`},
		{func(c *AppConfig) { c.MaxMessageSize = Unlimited }, `max_message_size, max_request_size and max_queue cannot be unlimited`},
		{func(c *AppConfig) { c.MaxRequestSize = Unlimited }, `max_message_size, max_request_size and max_queue cannot be unlimited`},
		{func(c *AppConfig) { c.MaxQueue = Unlimited }, `max_message_size, max_request_size and max_queue cannot be unlimited`},
		{func(c *AppConfig) { c.ActivityTimeout = Duration(time.Millisecond) }, `activity_timeout: found 1ms, expected at least 1s`},
		{func(c *AppConfig) { c.ActivityTimeout = -1 }, `activity_timeout: found`},
		{func(c *AppConfig) { c.ActivityTimeout = Duration(1500 * time.Millisecond) }, `activity_timeout: found 1.5s, expected whole seconds`},
		{func(c *AppConfig) { c.PingInterval = Duration(time.Millisecond) }, `ping_interval: found 1ms, expected at least 1s`},
		{func(c *AppConfig) { c.UserAuthenticationTimeout = -1 }, `user_authentication_timeout: found`},
		{func(c *AppConfig) { c.CacheTTL = -1 }, `cache_ttl: found`},
		{func(c *AppConfig) { c.RateLimiting = &RateLimiting{MaxAttempts: -1} }, `rate_limiting: found max_attempts -1 and decay 0s, expected positive values`},
		{func(c *AppConfig) { c.RateLimiting = &RateLimiting{Decay: -1} }, `rate_limiting: found max_attempts 0 and decay -1ns, expected positive values`},
	} {
		config := good
		o.change(&config)
		_, err := NewApp(config)
		if err == nil || !strings.Contains(err.Error(), o.want) {
			t.Errorf("found %v, expected %s", err, o.want)
		} else if !strings.HasPrefix(err.Error(), "app ") {
			t.Errorf("found %v, expected it to name the app", err)
		}
	}
	if _, err := NewApp(good); err != nil {
		t.Error(err)
	}
}

func TestConfigErrorsAreAllTold(t *testing.T) {
	_, err := NewApp(AppConfig{ID: "i", Compat: "x", MaxBatch: -5, TerminateCode: 4300})
	for _, want := range []string{`app "i"`, "key is missing", "secret is missing", `compat: found "x"`, "max_batch: found -5", "terminate_code: found 4300"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("found %v, expected %s in it", err, want)
		}
	}
}

// A secret that is wrong in some way is not told to whoever reads the log.
func TestConfigErrorsKeepSecrets(t *testing.T) {
	_, err := NewApp(AppConfig{ID: "i", Key: "k k", Secret: "hush-hush", PreviousSecrets: []string{"hush-before", ""}})
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("found %v, expected an error without secrets", err)
	}
}

func TestSettingsErrors(t *testing.T) {
	app, err := NewApp(AppConfig{ID: "i", Key: "k", Secret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct {
		config Config
		want   string
	}{
		{Config{}, "no app: a hub needs at least one app or an app source"},
		{Config{Apps: []*App{app}, Drain: -1}, "drain: found -1ns, expected a positive duration"},
	} {
		if _, err := NewSettings(o.config); err == nil || err.Error() != o.want {
			t.Errorf("found %v, expected %s", err, o.want)
		}
	}
	s, err := NewSettings(Config{Apps: []*App{app}})
	if err != nil || s.drain != 6*time.Second || s.maxConns.exceeded(1<<30) {
		t.Errorf("found %+v and %v, expected a drain of 6s and no limit", s, err)
	}
}
