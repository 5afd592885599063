package pusherhub

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func nested(open, inside, closing string, depth int) string {
	return strings.Repeat(open, depth) + inside + strings.Repeat(closing, depth)
}

func TestScanObject(t *testing.T) {
	for _, o := range []struct {
		text string
		want [][2]string // names and raw values
	}{
		{`{}`, nil},
		{" {\t\r\n} ", nil},
		{`{"a":1}`, [][2]string{{"a", "1"}}},
		{` { "a" : -0.5e+1 , "b":{"c":[ ]} } `, [][2]string{{"a", "-0.5e+1"}, {"b", `{"c":[ ]}`}}},
		{`{"a":1,"a":"\u0031"}`, [][2]string{{"a", "1"}, {"a", `"\u0031"`}}},
		{`{"\u0061\n\"":true,"":null}`, [][2]string{{"a\n\"", "true"}, {"", "null"}}},
		{`{"A":1,"a":2}`, [][2]string{{"A", "1"}, {"a", "2"}}},
		{`{"n":12345678901234567890.000}`, [][2]string{{"n", "12345678901234567890.000"}}},
		{`{"é":"😀"}`, [][2]string{{"é", `"😀"`}}},
	} {
		var found [][2]string
		if err := scanObject([]byte(o.text), func(name, value []byte) error {
			found = append(found, [2]string{string(name), string(value)})
			return nil
		}); err != nil || !reflect.DeepEqual(found, o.want) {
			t.Errorf("%s: found %q and %v, expected %q", o.text, found, err, o.want)
		}
	}
	stop := errors.New("stop")
	visits := 0
	if err := scanObject([]byte(`{"a":1,"b":2}`), func(_, _ []byte) error { visits++; return stop }); !errors.Is(err, stop) || visits != 1 {
		t.Errorf("found %v after %d visits, expected the visitor's error after the first", err, visits)
	}
}

func TestScanArray(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`:                         nil,
		` [ ] `:                      nil,
		`[1]`:                        {`1`},
		` [ "a" , [2,[]],{"b":3} ] `: {`"a"`, `[2,[]]`, `{"b":3}`},
	} {
		var found []string
		if err := scanArray([]byte(text), func(value []byte) error {
			found = append(found, string(value))
			return nil
		}); err != nil || !reflect.DeepEqual(found, want) {
			t.Errorf("%s: found %q and %v, expected %q", text, found, err, want)
		}
	}
	for _, text := range []string{``, `{}`, `1`, `[`, `[,]`, `[1,]`, `[1 2]`, `[1]x`, `[1}`} {
		if scanArray([]byte(text), func([]byte) error { return nil }) == nil {
			t.Errorf("%s: found no error", text)
		}
	}
}

func TestScanDepth(t *testing.T) {
	for _, o := range []struct {
		name, text string
		fits       bool
	}{
		{"64 arrays", nested("[", "", "]", 64), true},
		{"65 arrays", nested("[", "", "]", 65), false},
		{"64 objects", nested(`{"a":`, "1", "}", 64), true},
		{"65 objects", nested(`{"a":`, "1", "}", 65), false},
		{"10 million arrays", nested("[", "", "", 10_000_000), false},
		{"64 side by side", "[" + nested("[],", "", "", 1000) + "1]", true},
	} {
		if found := validJSON([]byte(o.text)); found != o.fits {
			t.Errorf("%s: found valid %t, expected %t", o.name, found, o.fits)
		}
		if strings.HasPrefix(o.text, "{") {
			if err := scanObject([]byte(o.text), func(_, _ []byte) error { return nil }); (err == nil) != o.fits {
				t.Errorf("%s: found %v", o.name, err)
			}
		}
		if strings.HasPrefix(o.text, "[") {
			if err := scanArray([]byte(o.text), func([]byte) error { return nil }); (err == nil) != o.fits {
				t.Errorf("%s: found %v", o.name, err)
			}
		}
	}
}

func TestScanErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                                       "found no JSON object",
		`[]`:                                     "found no JSON object",
		`{"a":1`:                                 "invalid JSON: it ends where ',' or '}' is expected",
		`{"a":1 x`:                               "invalid JSON: found 'x' at byte 7, expected ',' or '}'",
		`{"a" 1}`:                                "invalid JSON: found '1' at byte 5, expected ':'",
		`{a:1}`:                                  "invalid JSON: found 'a' at byte 1, expected a string",
		`{"a":x}`:                                "invalid JSON: found 'x' at byte 5, expected a value",
		`{} {}`:                                  "invalid JSON: found '{' at byte 3, expected the end",
		`{"a":` + nested("[", "", "]", 64) + `}`: "nested deeper than 64 levels",
	} {
		err := scanObject([]byte(text), func(_, _ []byte) error { return nil })
		if err == nil || err.Error() != want {
			t.Errorf("%.20s: found %v, expected %s", text, err, want)
		}
	}
}

func TestStringValue(t *testing.T) {
	for _, raw := range []string{
		`""`, `"plain"`, `"é😀"`, `"\"\\\/\b\f\n\r\t"`, `"\u0041\u00e9\u20AC"`, `"\ud83d\ude00"`, `"x\uD83D\uDE00y"`,
		`"\ud83d"`, `"\ude00"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ud83d\u0041"`, `"\ud83d\ud83d\ude00"`, `"\ude00\ud83d"`, `"\u0000"`, `"\ud83d\\u"`,
	} {
		var want string
		if err := json.Unmarshal([]byte(raw), &want); err != nil {
			t.Fatal(err)
		}
		text, ok := stringValue([]byte(raw))
		if !ok || string(text) != want {
			t.Errorf("%s: found %q, expected %q", raw, text, want)
		}
	}
	for _, raw := range []string{``, `1`, `null`, `true`, `{}`, `[]`, `"`} {
		if text, ok := stringValue([]byte(raw)); ok {
			t.Errorf("%s: found %q, expected no string", raw, text)
		}
	}
	plain := []byte(`"plain"`)
	if n := testing.AllocsPerRun(100, func() { _, _ = stringValue(plain) }); n != 0 {
		t.Errorf("found %v allocations without an escape, expected none", n)
	}
}

func TestScanKinds(t *testing.T) {
	for raw, want := range map[string]string{
		``: "null", `null`: "null", `0`: "number", `-1`: "number", `9e9`: "number", `"1"`: "", `true`: "", `false`: "", `{}`: "", `[]`: "",
	} {
		found := ""
		switch {
		case isNull([]byte(raw)):
			found = "null"
		case isNumber([]byte(raw)):
			found = "number"
		}
		if found != want {
			t.Errorf("%s: found %q, expected %q", raw, found, want)
		}
	}
}

func TestDecodeObject(t *testing.T) {
	for data, want := range map[string]string{
		`{"channel":"x"}`: `{"channel":"x"}`,
		`"{\"a\":1}"`:     `{"a":1}`,
		``:                `{}`, `null`: `{}`, `""`: `{}`, `[]`: `{}`, `[ ]`: `{}`, `"[]"`: `{}`, `"null"`: `{}`,
		`[1]`: `[1]`, `5`: `5`, `"text"`: `text`,
	} {
		if found := string(clientMessage{data: []byte(data)}.object()); found != want {
			t.Errorf("%s: found %s, expected %s", data, found, want)
		}
	}
}
