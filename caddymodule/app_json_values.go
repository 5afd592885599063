package caddymodule

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/dustin/go-humanize"
	"github.com/onecharge/pusherhub/pusherhub"
)

// wordTypes are the types that the values of our own words have.
var wordTypes = func() map[string]reflect.Type {
	fields := make(map[string]reflect.Type)
	for word, index := range optionsOf[pusherhub.AppConfig]() {
		fields[word] = reflect.TypeFor[pusherhub.AppConfig]().Field(index).Type
	}
	return fields
}()

// plainValue returns the value of one of our own words as JSON has it. Files have it as in the Caddyfile, too (64KB, unlimited, on),
// and databases have 0 and 1 for switches.
func plainValue(word string, value json.RawMessage) (json.RawMessage, error) {
	var plain any
	switch wordTypes[word] {
	case reflect.TypeFor[*bool]():
		on, err := boolean(value)
		if err != nil {
			return nil, err
		}
		plain = on
	case reflect.TypeFor[pusherhub.Limit](), reflect.TypeFor[pusherhub.Size]():
		var text string
		if json.Unmarshal(value, &text) != nil {
			return value, nil // a number, or what is reported as none
		}
		n, err := amount(text, wordTypes[word] == reflect.TypeFor[pusherhub.Size]())
		if err != nil {
			return nil, err
		}
		plain = n
	default:
		return value, nil
	}
	return json.Marshal(plain)
}

// amount reads a limit or a size that is text.
func amount(text string, isSize bool) (n int64, err error) {
	if text == "unlimited" {
		return pusherhub.Unlimited, nil
	}
	if n, err = strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if !isSize {
		return 0, fmt.Errorf("found %q, expected a positive whole number or unlimited", text)
	}
	bytes, err := humanize.ParseBytes(text)
	if err != nil || bytes == 0 || bytes > 1<<40 {
		return 0, fmt.Errorf("found %q, expected a size such as 64KB or unlimited", text)
	}
	return int64(bytes), nil
}
