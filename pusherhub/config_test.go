package pusherhub

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// defaultsOf returns the options of an app for which only the profile is chosen, written as JSON.
func defaultsOf(t *testing.T, compat string) map[string]any {
	t.Helper()
	app, err := NewApp(AppConfig{ID: "i", Key: "k", Secret: "s", Compat: compat})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(app.Config())
	if err != nil {
		t.Fatal(err)
	}
	options := make(map[string]any)
	if err := json.Unmarshal(text, &options); err != nil {
		t.Fatal(err)
	}
	return options
}

// The defaults of protocol sections 3.3, 4.7, 5.4 and 16. What is not listed is off or empty.
func TestDefaults(t *testing.T) {
	reverb := map[string]any{
		"id": "i", "key": "k", "secret": "s", "compat": "reverb", "enabled": true, "allowed_origins": []any{"*"},
		"activity_timeout": "30s", "ping_interval": "1m0s", "user_authentication_timeout": "30s", "cache_ttl": "30m0s", "timestamp_tolerance": "10m0s",
		"max_connections": -1.0, "max_subscriptions": 10000.0, "idempotency_ttl": "10m0s", "max_message_size": 32768.0, "max_request_size": 1048576.0, "max_event_data": -1.0, "max_queue": 1048576.0,
		"compression": true, "compression_threshold": 512.0,
		"max_channels_per_event": 100.0, "max_batch": 100.0, "max_channel_name_length": 200.0, "channel_charset": "strict",
		"max_presence_members": -1.0, "max_member_bytes": 10240.0,
		"accept_client_events_from": "members", "client_events_on_public": true, "client_event_data": "string", "max_client_events_per_second": -1.0,
		"terminate_code": 4009.0, "terminate_by_presence": true, "error_data": "auto", "subscription_error_frames": "both",
	}
	pusher := map[string]any{
		"compat": "pusher", "activity_timeout": "2m0s", "max_event_data": 10240.0, "max_batch": 10.0, "max_channel_name_length": 164.0,
		"max_presence_members": 100.0, "max_member_bytes": 1024.0, "client_events_on_public": false, "max_client_events_per_second": 10.0,
		"terminate_by_presence": false,
	}
	for name, value := range reverb {
		if _, differs := pusher[name]; !differs {
			pusher[name] = value
		}
	}
	for compat, want := range map[string]map[string]any{"": reverb, "reverb": reverb, "pusher": pusher} {
		found := defaultsOf(t, compat)
		for name, value := range want {
			if !reflect.DeepEqual(found[name], value) {
				t.Errorf("profile %q: found %s %v, expected %v", compat, name, found[name], value)
			}
			delete(found, name)
		}
		if len(found) > 0 {
			t.Errorf("profile %q: found further options %v", compat, found)
		}
	}
}

// What is written wins over the default, also what is off.
func TestWithDefaults(t *testing.T) {
	written := AppConfig{ID: "i", ClientEventsOnPublic: new(false), MaxPresenceMembers: Unlimited, CacheTTL: Duration(time.Second)}
	hub := AppConfig{
		ID: "other", Key: "other", Secret: "other", PreviousSecrets: []string{"other"}, Plugins: []Plugin{nil},
		ClientEventsOnPublic: new(true), MaxPresenceMembers: 5, CacheTTL: Duration(time.Hour), TLSOnly: new(true), MaxBatch: 7, AllowedOrigins: []string{"a"},
	}
	found := written.WithDefaults(hub)
	want := AppConfig{
		ID: "i", ClientEventsOnPublic: new(false), MaxPresenceMembers: Unlimited, CacheTTL: Duration(time.Second),
		TLSOnly: new(true), MaxBatch: 7, AllowedOrigins: []string{"a"},
	}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("found %+v, expected %+v", found, want)
	}
	app, err := NewApp(AppConfig{ID: "i", Key: "k", Secret: "s", Compat: "pusher", MaxPresenceMembers: Unlimited, TerminateByPresence: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	if c := app.Config(); c.MaxPresenceMembers != Unlimited || !isOn(c.TerminateByPresence) || c.MaxBatch != 10 {
		t.Errorf("found %+v, expected what was written and the rest of the profile", c)
	}
}

// Every option has a JSON name of its own, in the words of the Caddyfile.
func TestOptionNames(t *testing.T) {
	names := make(map[string]bool)
	for field := range reflect.TypeFor[AppConfig]().Fields() {
		name, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Name == "Plugins" {
			continue
		}
		if name == "" || name != strings.ToLower(name) || rest != "omitempty" || names[name] {
			t.Errorf("option %s has the JSON tag %q", field.Name, field.Tag.Get("json"))
		}
		names[name] = true
	}
}
