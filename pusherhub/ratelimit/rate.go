package ratelimit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Rate is a number of things in a time. In JSON it is a number a second (`20`), text with a unit (`"100/m"`), or an object
// of a rate and a burst (`{"rate": 20, "burst": 40}`).
type Rate struct {
	// Count is how many things may happen in that time, on the average.
	Count float64

	// Per is a second, a minute or an hour. Zero is a second.
	Per time.Duration

	// Burst is how many may happen at once. Default: Count, rounded up.
	Burst int
}

// units are the times that a rate can be of.
var units = []struct {
	letter, word string
	d            time.Duration
}{{"s", "a second", time.Second}, {"m", "a minute", time.Minute}, {"h", "an hour", time.Hour}}

// maxCount is more than a server could do in an hour, and less than a float64 can count exactly.
const maxCount = 1e15

// ParseRate reads "20", "20/s", "100/m" or "5000/h".
func ParseRate(text string) (r Rate, err error) {
	number, letter, hasUnit := strings.Cut(text, "/")
	r.Count, err = strconv.ParseFloat(number, 64)
	if err == nil && hasUnit {
		err = strconv.ErrSyntax
		for _, u := range units {
			if letter == u.letter {
				r.Per, err = u.d, nil
			}
		}
	}
	if err != nil || r.validate() != nil {
		return Rate{}, fmt.Errorf("found %q, expected a positive number, with /s, /m or /h after it or not", text)
	}
	return r, nil
}

// String is the form that [ParseRate] reads, with the burst after it if there is one.
func (r Rate) String() string {
	text := r.text()
	if r.Burst != 0 {
		text += " " + strconv.Itoa(r.Burst)
	}
	return text
}

func (r Rate) text() string {
	for _, u := range units {
		if r.Per == u.d {
			return r.number() + "/" + u.letter
		}
	}
	return r.number()
}

// says it to the client.
func (r Rate) says() string {
	for _, u := range units {
		if r.per() == u.d {
			return r.number() + " " + u.word
		}
	}
	return r.number() // of no unit that validate lets pass
}

func (r Rate) number() string { return strconv.FormatFloat(r.Count, 'f', -1, 64) }

func (r Rate) per() time.Duration {
	if r.Per == 0 {
		return time.Second
	}
	return r.Per
}

func (r Rate) limit() rate.Limit { return rate.Limit(r.Count / r.per().Seconds()) }

func (r Rate) burst() int {
	if r.Burst == 0 {
		return int(math.Ceil(r.Count))
	}
	return r.Burst
}

func (r Rate) validate() error {
	if !(r.Count > 0 && r.Count <= maxCount) || r.Burst < 0 || float64(r.Burst) > maxCount {
		return fmt.Errorf("found %s, expected positive numbers", r)
	}
	for _, u := range units {
		if r.per() == u.d {
			return nil
		}
	}
	return fmt.Errorf("found %v in %s, expected a second, a minute or an hour", r.Count, r.Per)
}

// UnmarshalJSON takes the three forms.
func (r *Rate) UnmarshalJSON(b []byte) error {
	var object struct {
		Rate  json.RawMessage `json:"rate"`
		Burst *int            `json:"burst"`
	}
	if b[0] == '{' {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&object); err != nil {
			return fmt.Errorf("reading a rate: %w", err)
		}
	} else {
		object.Rate = b
	}
	text := string(object.Rate)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(object.Rate, &text); err != nil {
			return err
		}
	}
	parsed, err := ParseRate(text)
	if err != nil {
		return fmt.Errorf("reading a rate: %w", err)
	}
	if object.Burst != nil {
		if parsed.Burst = *object.Burst; parsed.Burst <= 0 {
			return fmt.Errorf("reading a burst: found %d, expected a positive number", parsed.Burst)
		}
	}
	*r = parsed
	return nil
}

// MarshalJSON writes the shortest form.
func (r Rate) MarshalJSON() ([]byte, error) {
	text := r.text()
	if r.Per != 0 {
		text = strconv.Quote(text)
	}
	if r.Burst != 0 {
		text = fmt.Sprintf(`{"rate":%s,"burst":%d}`, text, r.Burst)
	}
	return []byte(text), nil
}
