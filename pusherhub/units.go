package pusherhub

import (
	"encoding/json"
	"fmt"
	"time"
)

// Unlimited, as the value of a [Limit] or a [Size], lifts the bound.
const Unlimited = -1

// Limit bounds a number of things. Zero means "not set": the default of the
// app's profile holds. [Unlimited] lifts the bound.
type Limit int64

// Size bounds a number of bytes. Zero means "not set": the default of the
// app's profile holds. [Unlimited] lifts the bound.
type Size int64

// exceeded reports whether n is over the bound.
func (l Limit) exceeded(n int) bool { return l > 0 && int64(n) > int64(l) }

// exceeded reports whether n bytes are over the bound.
func (s Size) exceeded(n int) bool { return s > 0 && int64(n) > int64(s) }

// Duration is a time.Duration that is written as text ("30s", "5m") in JSON.
// A JSON number is taken as nanoseconds, as Caddy does. Zero means "not set"; a
// negative value, "off" in text, switches off what the option governs.
type Duration time.Duration

// UnmarshalJSON takes "30s", "off", or a number of nanoseconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		var ns int64
		if err := json.Unmarshal(b, &ns); err != nil {
			return fmt.Errorf("reading duration: found %s, expected text such as \"30s\"", b)
		}
		*d = Duration(ns)
		return nil
	}
	if text == "off" {
		*d = -1
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("reading duration: found %q, expected text such as \"30s\"", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalJSON writes the duration as text.
func (d Duration) MarshalJSON() ([]byte, error) {
	if d < 0 {
		return []byte(`"off"`), nil
	}
	return json.Marshal(time.Duration(d).String())
}
