package pusherhub

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// This file reads JSON where it lies: member names match exactly, the last of duplicate
// names wins, numbers keep their digits, nesting is bounded, and nothing is allocated unless a
// string has to be unescaped. encoding/json does none of these. Callers have checked that the text is valid UTF-8.

// maxDepth is how deep arrays and objects from outside may nest.
const maxDepth = 64

var errTooDeep = fmt.Errorf("nested deeper than %d levels", maxDepth)

// scanObject calls visit for each member of the JSON object text, with the unescaped
// name and the raw value. It fails, possibly after some visits, if text is not exactly one valid object.
func scanObject(text []byte, visit func(name, value []byte) error) error {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '{' {
		return errors.New("found no JSON object")
	}
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == '}' {
		return atEnd(text, i+1)
	}
	for {
		nameEnd, err := skipString(text, i)
		if err != nil {
			return err
		}
		name := unescape(text[i+1 : nameEnd-1])
		i = skipSpace(text, nameEnd)
		if i == len(text) || text[i] != ':' {
			return syntaxError(text, i, "':'")
		}
		i = skipSpace(text, i+1)
		end, err := skipValue(text, i, 1)
		if err != nil {
			return err
		}
		if err := visit(name, text[i:end]); err != nil {
			return err
		}
		i = skipSpace(text, end)
		if i == len(text) {
			return syntaxError(text, i, "',' or '}'")
		}
		switch text[i] {
		case ',':
			i = skipSpace(text, i+1)
		case '}':
			return atEnd(text, i+1)
		default:
			return syntaxError(text, i, "',' or '}'")
		}
	}
}

// scanArray calls visit for each element of the JSON array text.
func scanArray(text []byte, visit func(value []byte) error) error {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '[' {
		return errors.New("found no JSON array")
	}
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == ']' {
		return atEnd(text, i+1)
	}
	for {
		end, err := skipValue(text, i, 1)
		if err != nil {
			return err
		}
		if err := visit(text[i:end]); err != nil {
			return err
		}
		i = skipSpace(text, end)
		if i == len(text) {
			return syntaxError(text, i, "',' or ']'")
		}
		switch text[i] {
		case ',':
			i = skipSpace(text, i+1)
		case ']':
			return atEnd(text, i+1)
		default:
			return syntaxError(text, i, "',' or ']'")
		}
	}
}

// validJSON reports whether text is exactly one JSON value.
func validJSON(text []byte) bool {
	end, err := skipValue(text, skipSpace(text, 0), 0)
	return err == nil && atEnd(text, end) == nil
}

// stringValue returns the text of a JSON string. The result may share memory with raw.
func stringValue(raw []byte) (text []byte, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, false
	}
	return unescape(raw[1 : len(raw)-1]), true
}

// isNull reports whether a member is missing or null.
func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

// isNumber reports whether a scanned value is a number.
func isNumber(raw []byte) bool {
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

func atEnd(text []byte, i int) error {
	if i = skipSpace(text, i); i != len(text) {
		return syntaxError(text, i, "the end")
	}
	return nil
}

func syntaxError(text []byte, i int, expected string) error {
	if i >= len(text) {
		return fmt.Errorf("invalid JSON: it ends where %s is expected", expected)
	}
	return fmt.Errorf("invalid JSON: found %q at byte %d, expected %s", text[i], i, expected)
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the index behind the value that starts at i. depth counts the open arrays and objects around it.
func skipValue(text []byte, i, depth int) (int, error) {
	if i >= len(text) {
		return 0, syntaxError(text, i, "a value")
	}
	switch c := text[i]; {
	case c == '"':
		return skipString(text, i)
	case c == '{' || c == '[':
		return skipNested(text, i, depth+1)
	case c == '-' || c >= '0' && c <= '9':
		return skipNumber(text, i)
	case c == 't':
		return skipWord(text, i, "true")
	case c == 'f':
		return skipWord(text, i, "false")
	case c == 'n':
		return skipWord(text, i, "null")
	}
	return 0, syntaxError(text, i, "a value")
}

func skipNested(text []byte, i, depth int) (int, error) {
	if depth > maxDepth {
		return 0, errTooDeep
	}
	object := text[i] == '{'
	closing := byte(']')
	if object {
		closing = '}'
	}
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == closing {
		return i + 1, nil
	}
	for {
		if object {
			end, err := skipString(text, i)
			if err != nil {
				return 0, err
			}
			i = skipSpace(text, end)
			if i >= len(text) || text[i] != ':' {
				return 0, syntaxError(text, i, "':'")
			}
			i = skipSpace(text, i+1)
		}
		end, err := skipValue(text, i, depth)
		if err != nil {
			return 0, err
		}
		i = skipSpace(text, end)
		if i >= len(text) {
			return 0, syntaxError(text, i, "',' or the closing bracket")
		}
		if text[i] == closing {
			return i + 1, nil
		}
		if text[i] != ',' {
			return 0, syntaxError(text, i, "',' or the closing bracket")
		}
		i = skipSpace(text, i+1)
	}
}

func skipWord(text []byte, i int, word string) (int, error) {
	if len(text)-i < len(word) || string(text[i:i+len(word)]) != word {
		return 0, syntaxError(text, i, "a value")
	}
	return i + len(word), nil
}

func skipString(text []byte, i int) (int, error) {
	if i >= len(text) || text[i] != '"' {
		return 0, syntaxError(text, i, "a string")
	}
	for i++; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i + 1, nil
		case c < ' ':
			return 0, syntaxError(text, i, "no control character in a string")
		case c == '\\':
			i++
			if i >= len(text) {
				return 0, syntaxError(text, i, "an escape")
			}
			switch text[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(text[i+1:]); !ok {
					return 0, syntaxError(text, i, "four hexadecimal digits behind \\u")
				}
				i += 4
			default:
				return 0, syntaxError(text, i, "an escape")
			}
		}
	}
	return 0, syntaxError(text, i, "'\"'")
}

func skipNumber(text []byte, i int) (int, error) {
	digits := func() bool {
		from := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i > from
	}
	if text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if !digits() {
		return 0, syntaxError(text, i, "a digit")
	}
	if i < len(text) && text[i] == '.' {
		if i++; !digits() {
			return 0, syntaxError(text, i, "a digit")
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !digits() {
			return 0, syntaxError(text, i, "a digit")
		}
	}
	return i, nil
}

// unescape returns the text of a checked JSON string without its quotes. It shares
// memory with s unless there is something to unescape.
func unescape(s []byte) []byte {
	from := 0
	for from < len(s) && s[from] != '\\' {
		from++
	}
	if from == len(s) {
		return s
	}
	out := append(make([]byte, 0, len(s)), s[:from]...)
	for i := from; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(s[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(s) > i+6 && s[i+1] == '\\' && s[i+2] == 'u' {
					if low, ok := hex4(s[i+3:]); ok {
						pair = utf16.DecodeRune(r, low)
					}
				}
				if pair != utf8.RuneError {
					i += 6
				}
				r = pair
			}
			out = utf8.AppendRune(out, r)
		default: // '"', '\\' and '/' stand for themselves
			out = append(out, s[i])
		}
	}
	return out
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
