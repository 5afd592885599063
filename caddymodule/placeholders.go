package caddymodule

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
)

// placeholder is what stands for a value that is not to be stored in the config.
var placeholder = regexp.MustCompile(`\{[a-z_]+\.[^{}]+\}`)

// resolve returns a copy of c in which placeholders have their values. The original keeps them, so that
// Caddy never stores or shows a secret. A value that comes out empty is an error
// that names the placeholder; errors never hold a value.
func resolve(c pusherhub.AppConfig) (pusherhub.AppConfig, error) {
	err := resolveFields(caddy.NewReplacer(), reflect.ValueOf(&c).Elem())
	return c, err
}

// resolveFields resolves the text, and the lists of text, of a struct of options and of the blocks in it. Lists are copied before.
func resolveFields(repl *caddy.Replacer, fields reflect.Value) error {
	for word, field := range optionFields(fields) {
		var err error
		switch value := field.Addr().Interface().(type) {
		case *string:
			*value, err = resolveText(repl, *value)
		case *[]string:
			list := slices.Clone(*value)
			for i := range list {
				if list[i], err = resolveText(repl, list[i]); err != nil {
					break
				}
			}
			*value = list
		default:
			if isBlock(field) && !field.IsNil() {
				err = resolveFields(repl, field.Elem())
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	return nil
}

// resolveText replaces the placeholders of one value.
func resolveText(repl *caddy.Replacer, text string) (string, error) {
	names := placeholder.FindAllString(text, -1)
	if len(names) == 0 {
		return text, nil // any braces belong to the value
	}
	resolved := repl.ReplaceKnown(text, "")
	found := strings.Join(names, " ")
	switch {
	case resolved == text && names[0] == text:
		return "", fmt.Errorf("found %s, which is no placeholder that is known here: expected {env.NAME} or {file.PATH}", found)
	case strings.TrimSpace(resolved) == "":
		return "", fmt.Errorf("%s is empty: set the environment variable or fill the file that it names", found)
	}
	return resolved, nil
}

// optionWord returns the word that an option has in JSON and in the Caddyfile; "-" for a field that is no option.
func optionWord(f reflect.StructField) string {
	word, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return word
}
