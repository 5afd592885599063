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
	repl := caddy.NewReplacer()
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		word := optionWord(fields.Type().Field(i))
		switch value := fields.Field(i).Addr().Interface().(type) {
		case *string:
			resolved, err := resolveText(repl, *value)
			if err != nil {
				return c, fmt.Errorf("%s: %w", word, err)
			}
			*value = resolved
		case *[]string:
			list := slices.Clone(*value)
			for i := range list {
				resolved, err := resolveText(repl, list[i])
				if err != nil {
					return c, fmt.Errorf("%s: %w", word, err)
				}
				list[i] = resolved
			}
			*value = list
		}
	}
	return c, nil
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
