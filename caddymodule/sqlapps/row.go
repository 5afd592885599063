package sqlapps

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub/appcache"
)

// row is a row as the driver delivers it, by column. Drivers differ: a number may come as text, text as bytes.
type row map[string]any

// app returns the row as the JSON of an app, equal for equal settings.
func (r row) app() ([]byte, error) {
	fields := make(map[string]json.RawMessage)
	for column, value := range r {
		if value == nil || column == "options" || !caddymodule.IsAppWord(column) {
			continue
		}
		encoded, err := encode(column, value)
		if err != nil {
			return nil, err
		}
		fields[column] = encoded
	}
	if r["options"] != nil && text(r["options"]) != "" {
		var options map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text(r["options"])), &options); err != nil {
			return nil, &appcache.InvalidError{Err: errors.New("options: expected a JSON object")}
		}
		maps.Copy(fields, options)
	}
	plain, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("reading a row: %w", err)
	}
	var sorted any
	dec := json.NewDecoder(bytes.NewReader(plain))
	dec.UseNumber()
	if err := dec.Decode(&sorted); err != nil {
		return nil, fmt.Errorf("reading a row: %w", err)
	}
	return json.Marshal(sorted)
}

// isText names the columns that are text whatever they look like.
var isText = map[string]bool{"id": true, "app_id": true, "key": true, "secret": true}

// encode returns one value as JSON. Text that is JSON itself, as of a JSON column, is taken as such.
func encode(column string, value any) (json.RawMessage, error) {
	switch v := value.(type) {
	case int64, float64, bool:
		if isText[column] {
			return json.Marshal(text(v))
		}
		return json.Marshal(v)
	case string, []byte:
		s := text(v)
		if !isText[column] && json.Valid([]byte(s)) {
			return json.RawMessage(s), nil
		}
		return json.Marshal(s)
	default:
		return json.Marshal(fmt.Sprint(v))
	}
}

// text returns a value as text.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case time.Time:
		return v.Format(time.RFC3339)
	case nil:
		return ""
	default:
		return fmt.Sprint(v)
	}
}
