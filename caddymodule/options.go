package caddymodule

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// The words of the Caddyfile that set one field of a struct are the JSON names of its fields: an option
// that is added to pusherhub.AppConfig works here without another line. What stands after the
// word follows from the field's type, see setOption.
var (
	appOptions  = optionsOf[pusherhub.AppConfig]("id", "previous_secrets") // these two come with `app` and `secret`
	rateOptions = optionsOf[pusherhub.RateLimiting]()
)

// durationsWithOff are the options with a duration that can be switched off.
var durationsWithOff = []string{"timestamp_tolerance", "idempotency_ttl", "batch_window", "hold", "retry_for"}

// ofOneApp are the options that have no default for all apps.
var ofOneApp = []string{"key", "secret"}

// optionsOf returns the field indexes of a struct by option word.
func optionsOf[T any](except ...string) map[string]int {
	options := make(map[string]int)
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		if word := optionWord(t.Field(i)); word != "-" && !slices.Contains(except, word) {
			options[word] = i
		}
	}
	return options
}

// setAppOption reads the line of one option into c. The value is checked here and now with the
// library's own rules, because this is the last moment at which the line is known.
func setAppOption(d *caddyfile.Dispenser, c *pusherhub.AppConfig) error {
	word := d.Val()
	field := reflect.ValueOf(c).Elem().Field(appOptions[word])
	if word == "secret" {
		secrets := d.RemainingArgs()
		if len(secrets) == 0 {
			return d.Err("secret: found nothing, expected the secret and, after it, any previous ones")
		}
		c.Secret = secrets[0]
		c.PreviousSecrets = append(c.PreviousSecrets, secrets[1:]...)
		if err := noBlock(d, word); err != nil {
			return err
		}
	} else if err := setOption(d, field); err != nil {
		return err
	}
	if text, ok := reflect.TypeAssert[string](field); ok && placeholder.MatchString(text) {
		return nil // the value is known at provisioning
	}
	probe := pusherhub.AppConfig{ID: "id", Key: "key", Secret: "secret"}
	reflect.ValueOf(&probe).Elem().Field(appOptions[word]).Set(field)
	if _, err := pusherhub.NewApp(probe); err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the probe's name
		}
		return d.WrapErr(err)
	}
	return nil
}

// setOption reads what stands after an option's word into its field.
func setOption(d *caddyfile.Dispenser, field reflect.Value) error {
	word := d.Val()
	switch p := field.Addr().Interface().(type) {
	case *[]string:
		list := d.RemainingArgs()
		if len(list) == 0 {
			return d.Errf("%s: found nothing, expected one value or more", word)
		}
		*p = list
		return noBlock(d, word)
	case **pusherhub.RateLimiting:
		*p = new(pusherhub.RateLimiting)
		return setRateLimiting(d, *p)
	case **pusherhub.SlowReaders:
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.Errf("%s: found nothing, expected close, or conflate and patterns of channels", word)
		}
		*p = &pusherhub.SlowReaders{Policy: args[0], Channels: slices.Clip(args[1:])}
		return noBlock(d, word)
	case **bool:
		return setSwitch(d, p)
	case *bool:
		var on *bool
		if err := setSwitch(d, &on); err != nil {
			return err
		}
		*p = *on
		return nil
	}

	value, err := oneArg(d, expected(field))
	if err != nil {
		return err
	}
	wrong := func() error { return d.Errf("%s: found %q, expected %s", word, value, expected(field)) }
	switch p := field.Addr().Interface().(type) {
	case *string:
		*p = value
	case *int:
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 {
			return wrong()
		}
		*p = n
	case *pusherhub.Limit:
		n, err := strconv.ParseInt(value, 10, 64)
		if value == "unlimited" {
			n, err = pusherhub.Unlimited, nil
		} else if err == nil && n <= 0 {
			return wrong()
		}
		if err != nil {
			return wrong()
		}
		*p = pusherhub.Limit(n)
	case *pusherhub.Size:
		if value == "unlimited" {
			*p = pusherhub.Unlimited
			break
		}
		n, err := humanize.ParseBytes(value)
		if err != nil || n == 0 || n > 1<<40 {
			return wrong()
		}
		*p = pusherhub.Size(n)
	case *pusherhub.Duration:
		if value == "off" && slices.Contains(durationsWithOff, word) {
			*p = -1
			break
		}
		v, err := caddy.ParseDuration(value)
		if err != nil || v <= 0 {
			return wrong()
		}
		*p = pusherhub.Duration(v)
	default:
		return d.Errf("%s: cannot be set in a Caddyfile", word)
	}
	return nil
}

// expected says what an option's value looks like.
func expected(field reflect.Value) string {
	switch field.Addr().Interface().(type) {
	case *int:
		return "a positive whole number"
	case *pusherhub.Limit:
		return "a positive whole number or unlimited"
	case *pusherhub.Size:
		return "a size such as 64KB or unlimited"
	case *pusherhub.Duration:
		return "a positive duration such as 30s"
	}
	return "one value"
}

// setSwitch reads a switch: the bare word is on.
func setSwitch(d *caddyfile.Dispenser, p **bool) error {
	word := d.Val()
	args := d.RemainingArgs()
	switch strings.Join(args, " ") {
	case "", "on":
		*p = new(true)
	case "off":
		*p = new(false)
	default:
		return d.Errf("%s: found %q, expected nothing, on or off", word, strings.Join(args, " "))
	}
	return noBlock(d, word)
}

// setRateLimiting reads
//
//	rate_limiting {
//		max_attempts <number>
//		decay <duration>
//		terminate_on_limit
//	}
func setRateLimiting(d *caddyfile.Dispenser, r *pusherhub.RateLimiting) error {
	word := d.Val()
	if d.NextArg() {
		return d.Errf("%s: found %q, expected a block or nothing", word, d.Val())
	}
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := seen.add(d); err != nil {
			return err
		}
		index, ok := rateOptions[d.Val()]
		if !ok {
			return unknownWord(d, "option of rate_limiting", slices.Sorted(maps.Keys(rateOptions)))
		}
		if err := setOption(d, reflect.ValueOf(r).Elem().Field(index)); err != nil {
			return err
		}
	}
	return nil
}

// oneArg returns the only value after a word.
func oneArg(d *caddyfile.Dispenser, expected string) (string, error) {
	word := d.Val()
	if !d.NextArg() {
		return "", d.Errf("%s: found nothing, expected %s", word, expected)
	}
	value := d.Val()
	if rest := d.RemainingArgs(); len(rest) > 0 { // not shown: a password with a space may be among them
		return "", d.Errf("%s: found %d values, expected %s", word, 1+len(rest), expected)
	}
	return value, noBlock(d, word)
}

// noBlock refuses a block after a line that takes none.
func noBlock(d *caddyfile.Dispenser, word string) error {
	if d.NextBlock(d.Nesting()) {
		return d.Errf("%s: found a block, expected the end of the line", word)
	}
	return nil
}

// seenWords finds lines that are there twice.
type seenWords map[string]int // the line of each word

func (s seenWords) add(d *caddyfile.Dispenser) error { return s.addAs(d, d.Val()) }

func (s seenWords) addAs(d *caddyfile.Dispenser, name string) error {
	if line, ok := s[name]; ok {
		return d.Errf("%s: found it again, expected it once: it is already in line %d", name, line)
	}
	s[name] = d.Line()
	return nil
}
