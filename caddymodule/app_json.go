package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
)

// jsonWords are the words that an app has in JSON.
var jsonWords = append(slices.Sorted(maps.Keys(optionsOf[pusherhub.AppConfig]())), "plugins")

// ParseApp reads an app as app sources find it, in a file, at an endpoint or in a table: a JSON object whose words are those of
// the Caddyfile, with `plugins` as in a JSON config. The words of soketi's apps, in either of their spellings, and of
// the apps in Reverb's config/reverb.php are understood, too, and so are values as the Caddyfile has them (64KB, unlimited, on). null means "not set"; a word that nobody knows is an error.
func ParseApp(text []byte) (App, error) {
	var app App
	fields, err := objectOf(text)
	if err != nil {
		return app, err
	}
	maps.DeleteFunc(fields, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	if err := translate(fields); err != nil {
		return app, err
	}
	for _, word := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(jsonWords, word) {
			return app, fmt.Errorf("unknown option %q%s", word, didYouMean(word, jsonWords))
		}
		if fields[word], err = plainValue(word, fields[word]); err != nil {
			return app, fmt.Errorf("%s: %w", word, err)
		}
	}
	text, err = json.Marshal(fields)
	if err != nil {
		return app, err
	}
	if err := json.Unmarshal(text, &app); err != nil {
		return app, plainer(err)
	}
	return app, nil
}

// IsAppWord reports whether [ParseApp] knows a word, so that a source can leave out what is not meant for it, such as
// further columns of a table.
func IsAppWord(word string) bool {
	_, foreign := foreignWords[word]
	return foreign || slices.Contains(jsonWords, word)
}

// objectOf decodes a JSON object and nothing else.
func objectOf(text []byte) (fields map[string]json.RawMessage, err error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, fmt.Errorf("found %s, expected a JSON object such as {\"id\":…,\"key\":…,\"secret\":…}", kindOf(trimmed))
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, plainer(err)
	}
	return fields, nil
}

// kindOf says what some JSON is without showing it: it could be a secret.
func kindOf(text json.RawMessage) string {
	if len(text) == 0 {
		return "nothing"
	}
	switch text[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	if strings.ContainsRune("-0123456789", rune(text[0])) {
		return "a number"
	}
	return "something that is no JSON"
}

// plainer says in the words of a config what encoding/json found.
func plainer(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := wrong.Field
		if last := strings.LastIndexByte(field, '.'); last >= 0 {
			field = field[last+1:]
		}
		expected := wrong.Type.String()
		if wrong.Type.Kind() == reflect.Slice {
			expected = "a list"
		}
		return fmt.Errorf("%s: found a JSON %s, expected %s", field, wrong.Value, expected)
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("reading JSON: %w at byte %d", wrong, wrong.Offset)
	}
	return err
}
