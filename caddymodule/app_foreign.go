package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// foreignWords are the words of other servers' apps, with what they are in ours. soketi's apps come from an array in
// its config (camel case) or from a table (snake case); its numbers may be text, -1 lifts a bound, and its switches
// may be 0 and 1. A word that is one of ours, too, is here because its values may have soketi's forms.
var foreignWords = func() map[string]translation {
	words := map[string]translation{
		"app_id": {"app_id", rename("id")}, // Reverb
	}
	for _, t := range []translation{
		{"max_connections", limit("max_connections")},
		{"enabled", toggle("enabled")},
		{"enable_client_messages", clientMessages},
		{"enable_user_authentication", toggle("user_authentication")},
		{"max_backend_events_per_sec", publishes},
		{"max_client_events_per_sec", limit("max_client_events_per_second")}, // soketi, too, counts by socket
		{"max_read_req_per_sec", nowhere},
		{"max_presence_members_per_channel", limit("max_presence_members")},
		{"max_presence_member_size_in_kb", kilobytes("max_member_bytes")},
		{"max_channel_name_length", limit("max_channel_name_length")},
		{"max_event_channels_at_once", limit("max_channels_per_event")},
		{"max_event_name_length", nowhere},
		{"max_event_payload_in_kb", kilobytes("max_event_data")},
		{"max_event_batch_size", limit("max_batch")},
		{"webhooks", soketiWebhooks},
	} {
		words[t.word] = t
		words[camelCase(t.word)] = t
	}
	words["maxBackendEventsPerSecond"] = words["max_backend_events_per_sec"]
	words["maxClientEventsPerSecond"] = words["max_client_events_per_sec"]
	words["maxReadRequestsPerSecond"] = words["max_read_req_per_sec"]
	return words
}()

// translation puts what a foreign word means into our own fields, unless they are set already.
type translation struct {
	word string
	into func(fields map[string]json.RawMessage, value json.RawMessage) error
}

// translate replaces foreign words by ours.
func translate(fields map[string]json.RawMessage) error {
	if fields["app_id"] != nil {
		if err := translateReverb(fields); err != nil {
			return err
		}
	}
	for _, word := range slices.Sorted(maps.Keys(fields)) {
		t, ok := foreignWords[word]
		if !ok {
			continue
		}
		value := fields[word]
		delete(fields, word)
		if string(value) == `""` {
			continue // soketi takes it as not set
		}
		if err := t.into(fields, value); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	return nil
}

// translateReverb replaces what an app of config/reverb.php has in a form of its own.
func translateReverb(fields map[string]json.RawMessage) error {
	delete(fields, "options") // how Laravel reaches the server
	for _, word := range []string{"ping_interval", "activity_timeout"} {
		if err := seconds(fields, word); err != nil {
			return err
		}
	}
	raw, ok := fields["rate_limiting"]
	if !ok {
		return nil
	}
	limiter, err := objectOf(raw)
	if err != nil {
		return fmt.Errorf("rate_limiting: %w", err)
	}
	if enabled, ok := limiter["enabled"]; ok && string(enabled) != "true" {
		delete(fields, "rate_limiting")
		return nil
	}
	delete(limiter, "enabled")
	if decay, ok := limiter["decay_seconds"]; ok {
		delete(limiter, "decay_seconds")
		limiter["decay"] = decay
		if err := seconds(limiter, "decay"); err != nil {
			return fmt.Errorf("rate_limiting: %w", err)
		}
	}
	fields["rate_limiting"], err = json.Marshal(limiter)
	return err
}

// seconds makes a duration of a number of seconds.
func seconds(fields map[string]json.RawMessage, word string) error {
	value, ok := fields[word]
	if !ok || value[0] == '"' {
		return nil
	}
	n, err := number(value)
	if err != nil || n <= 0 {
		return fmt.Errorf("%s: found %s, expected a number of seconds", word, value)
	}
	fields[word], err = json.Marshal(strconv.FormatFloat(n, 'f', -1, 64) + "s")
	return err
}

func rename(word string) func(map[string]json.RawMessage, json.RawMessage) error {
	return func(fields map[string]json.RawMessage, value json.RawMessage) error {
		return set(fields, word, value)
	}
}

// nowhere drops what has no counterpart: the length of event names is fixed here, and reading is not limited by app.
func nowhere(map[string]json.RawMessage, json.RawMessage) error { return nil }

func limit(word string) func(map[string]json.RawMessage, json.RawMessage) error {
	return func(fields map[string]json.RawMessage, value json.RawMessage) error {
		if string(value) == `"unlimited"` {
			return set(fields, word, -1)
		}
		n, err := number(value)
		if err != nil {
			return err
		}
		if n != math.Trunc(n) || n == 0 || n < -1 {
			return fmt.Errorf("found %s, expected a positive whole number, or -1 for unlimited", value)
		}
		return set(fields, word, int64(n))
	}
}

func kilobytes(word string) func(map[string]json.RawMessage, json.RawMessage) error {
	return func(fields map[string]json.RawMessage, value json.RawMessage) error {
		n, err := number(value)
		switch {
		case err != nil:
			return err
		case n == -1:
			return set(fields, word, -1)
		case n <= 0 || n > 1<<30:
			return fmt.Errorf("found %s, expected a number of kilobytes, or -1 for unlimited", value)
		}
		return set(fields, word, int64(math.Ceil(n*1024)))
	}
}

func toggle(word string) func(map[string]json.RawMessage, json.RawMessage) error {
	return func(fields map[string]json.RawMessage, value json.RawMessage) error {
		on, err := boolean(value)
		if err != nil {
			return err
		}
		return set(fields, word, on)
	}
}

func clientMessages(fields map[string]json.RawMessage, value json.RawMessage) error {
	on, err := boolean(value)
	if err != nil {
		return err
	}
	if on {
		return set(fields, "accept_client_events_from", "members")
	}
	return set(fields, "accept_client_events_from", "none")
}

// publishes is a limit of the rate_limit plugin: so many in a second, as soketi counts.
func publishes(fields map[string]json.RawMessage, value json.RawMessage) error {
	n, err := number(value)
	switch {
	case err != nil:
		return err
	case n == -1:
		return nil
	case n != math.Trunc(n) || n <= 0:
		return fmt.Errorf("found %s, expected a positive whole number, or -1 for unlimited", value)
	}
	return addPlugin(fields, map[string]any{"plugin": "rate_limit", "per_app": map[string]int64{"publishes": int64(n)}})
}

// soketiWebhooks makes a webhooks plugin of soketi's list, in which a webhook is posted for the event_types that it names.
func soketiWebhooks(fields map[string]json.RawMessage, value json.RawMessage) error {
	var text string
	if json.Unmarshal(value, &text) == nil {
		value = json.RawMessage(text) // a column of text
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return fmt.Errorf("found %s, expected a list such as [{\"url\":…,\"event_types\":[…]}]", kindOf(value))
	}
	var endpoints []map[string]json.RawMessage
	for _, webhook := range list {
		if _, ok := webhook["lambda_function"]; ok {
			return fmt.Errorf("found a lambda_function, expected a url: AWS Lambda is not supported")
		}
		var types []string
		if err := json.Unmarshal(webhook["event_types"], &types); err != nil || len(types) == 0 {
			continue // soketi sends it nothing
		}
		endpoint := make(map[string]json.RawMessage)
		for _, word := range []string{"url", "event_types", "filter", "headers"} {
			if v, ok := webhook[word]; ok && string(v) != "null" {
				endpoint[word] = v
			}
		}
		endpoints = append(endpoints, endpoint)
	}
	if len(endpoints) == 0 {
		return nil
	}
	return addPlugin(fields, map[string]any{"plugin": "webhooks", "endpoints": endpoints})
}

// set sets an option that is not set by our own word.
func set(fields map[string]json.RawMessage, word string, value any) error {
	if _, ok := fields[word]; ok {
		return nil
	}
	text, err := json.Marshal(value)
	fields[word] = text
	return err
}

func addPlugin(fields map[string]json.RawMessage, plugin any) error {
	var list []any
	if raw, ok := fields["plugins"]; ok {
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("plugins: found %s, expected a list", kindOf(raw))
		}
	}
	text, err := json.Marshal(append(list, plugin))
	fields["plugins"] = text
	return err
}

// number reads a number, also of text.
func number(value json.RawMessage) (float64, error) {
	n, err := strconv.ParseFloat(strings.Trim(string(value), `"`), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("found %s, expected a number", value)
	}
	return n, nil
}

// boolean reads a switch: true, 1, or either as text, or on.
func boolean(value json.RawMessage) (bool, error) {
	switch strings.Trim(string(value), `"`) {
	case "true", "1", "t", "on":
		return true, nil
	case "false", "0", "f", "off":
		return false, nil
	}
	return false, fmt.Errorf("found %s, expected true or false, 1 or 0", value)
}

// camelCase returns a_b as aB.
func camelCase(word string) string {
	parts := strings.Split(word, "_")
	for i, part := range parts[1:] {
		parts[i+1] = strings.ToUpper(part[:1]) + part[1:]
	}
	return strings.Join(parts, "")
}
