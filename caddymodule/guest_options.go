package caddymodule

import (
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalOptions reads a block of a guest module into the struct that options points to. The words are the JSON names of
// its fields, those of embedded structs included, and what stands after a word follows from the field's type, as in the block of an app: text, lists,
// switches, pusherhub.Limit, pusherhub.Size and pusherhub.Duration; or, for a pointer to another struct, a block of
// its own. The dispenser stands before the block.
func UnmarshalOptions(d *caddyfile.Dispenser, options any) error {
	words := maps.Collect(optionFields(reflect.ValueOf(options).Elem()))
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		field, ok := words[d.Val()]
		if !ok {
			return unknownWord(d, "option", slices.Sorted(maps.Keys(words)))
		}
		if err := seen.add(d); err != nil {
			return err
		}
		set := setOption
		if isBlock(field) {
			set = setBlock
		}
		if err := set(d, field); err != nil {
			return err
		}
	}
	return nil
}

// optionFields are the words of a struct, those of embedded structs included, and their fields, in this order.
func optionFields(fields reflect.Value) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for i := range fields.NumField() {
			field := fields.Type().Field(i)
			switch word := optionWord(field); {
			case field.Anonymous && word == "":
				for word, field := range optionFields(fields.Field(i)) {
					if !yield(word, field) {
						return
					}
				}
			case word != "" && word != "-":
				if !yield(word, fields.Field(i)) {
					return
				}
			}
		}
	}
}

// isBlock reports whether a field is a struct that has words of its own.
func isBlock(field reflect.Value) bool {
	switch field.Interface().(type) {
	case *pusherhub.RateLimiting, *pusherhub.SlowReaders:
		return false // setOption knows them
	}
	return field.Kind() == reflect.Pointer && field.Type().Elem().Kind() == reflect.Struct
}

// setBlock reads the block of a word, which may be left out, into a new struct.
func setBlock(d *caddyfile.Dispenser, field reflect.Value) error {
	word := d.Val()
	if d.NextArg() {
		return d.Errf("%s: found %q, expected a block or nothing", word, d.Val())
	}
	field.Set(reflect.New(field.Type().Elem()))
	return UnmarshalOptions(d, field.Interface())
}

// ResolveOptions replaces placeholders such as {env.NAME} and {file.PATH} in a guest's options, at provisioning: in all text, and lists of text, that
// UnmarshalOptions reads into the struct that options points to. An error names the option and the placeholder, never a value.
func ResolveOptions(options any) error {
	return resolveFields(caddy.NewReplacer(), reflect.ValueOf(options).Elem())
}
