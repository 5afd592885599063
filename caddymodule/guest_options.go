package caddymodule

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalOptions reads a block of a guest module into the struct that options points to. The words are the JSON names of
// its fields, and what stands after a word follows from the field's type, as in the block of an app: text, lists,
// switches, pusherhub.Limit, pusherhub.Size and pusherhub.Duration. The dispenser stands before the block.
func UnmarshalOptions(d *caddyfile.Dispenser, options any) error {
	fields := reflect.ValueOf(options).Elem()
	words := make(map[string]int)
	for i := range fields.NumField() {
		words[optionWord(fields.Type().Field(i))] = i
	}
	seen := make(seenWords)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		index, ok := words[d.Val()]
		if !ok {
			return unknownWord(d, "option", slices.Sorted(maps.Keys(words)))
		}
		if err := seen.add(d); err != nil {
			return err
		}
		if err := setOption(d, fields.Field(index)); err != nil {
			return err
		}
	}
	return nil
}

// ResolvePlaceholders replaces placeholders such as {env.NAME} and {file.PATH} in the text of a guest's option, at
// provisioning. An error names the option and the placeholder, never a value.
func ResolvePlaceholders(word string, text *string) error {
	resolved, err := resolveText(caddy.NewReplacer(), *text)
	if err != nil {
		return fmt.Errorf("%s: %w", word, err)
	}
	*text = resolved
	return nil
}
