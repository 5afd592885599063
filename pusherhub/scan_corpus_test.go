package pusherhub

import (
	"encoding/json"
	"maps"
	"testing"
)

// scanCorpus are texts near the border of what is JSON.
var scanCorpus = []string{
	``, ` `, `null`, `true`, `false`, `tru`, `truee`, `nul`, `True`, `NaN`, `Infinity`, `undefined`,
	`0`, `-0`, `-`, `+1`, `01`, `1.`, `.5`, `1.5`, `-1.5e10`, `1e`, `1e+`, `1E-5`, `1e5.5`, `0x10`, `1_000`, `--1`, `00`, `-01`, `1 2`,
	`""`, `"`, `"a`, `"\"`, `"\\"`, `"\x"`, `"\u"`, `"\u12"`, `"\u123g"`, `"\u00e9"`, "\"\t\"", "\"\x00\"", "\"\x7f\"", "\"\xff\"", `'a'`, `"a""b"`,
	`[]`, `[`, `]`, `[]]`, `[[]`, `[1,2]`, `[1,]`, `[,1]`, `[1 2]`, `[1,,2]`, ` [ 1 , [ 2 ] ] `, `[}`, `["a":1]`,
	`{}`, `{`, `}`, `{}}`, `{"a"}`, `{"a":}`, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{"a":1,"b":[{"c":null}]}`, `{a:1}`, `{1:1}`, `{"a":1]`,
	"\ufeff{}", "{}\x00", "\u00a0{}", "{}\n", `{"event":"pusher:subscribe","data":{"channel":"presence-x","auth":"k:s","channel_data":"{\"user_id\":\"1\"}"}}`,
	`{"event":"client-x","channel":"private-x","data":[1,-2.5e3,"\ud83d\ude00",true,null]}`, `{/**/}`, `{"a":1}//`,
}

// mutations returns texts that differ from text in one byte.
func mutations(text string) (list []string) {
	const alphabet = "{}[]\",:\\0 9.eE+-tfnu/x\x00\x1f\x80"
	for i := range len(text) + 1 {
		if i < len(text) {
			list = append(list, text[:i]+text[i+1:], text[:i])
		}
		for _, c := range []byte(alphabet) {
			list = append(list, text[:i]+string([]byte{c})+text[i:])
			if i < len(text) {
				list = append(list, text[:i]+string([]byte{c})+text[i+1:])
			}
		}
	}
	return list
}

// The scanner takes what encoding/json takes and finds the same in it.
func TestScanAgainstEncodingJSON(t *testing.T) {
	valid := 0
	check := func(text string) {
		want := json.Valid([]byte(text))
		if found := validJSON([]byte(text)); found != want {
			t.Errorf("%q: found valid %t, encoding/json says %t", text, found, want)
		}
		if want {
			valid++
		}
		checkMembers(t, text)
		checkElements(t, text)
	}
	for _, seed := range scanCorpus {
		check(seed)
		for _, text := range mutations(seed) {
			check(text)
		}
	}
	if valid < 1000 {
		t.Errorf("only %d texts were valid", valid)
	}
}

func checkMembers(t *testing.T, text string) {
	t.Helper()
	var want map[string]json.RawMessage
	wantErr := json.Unmarshal([]byte(text), &want)
	isObject := wantErr == nil && want != nil // null is no object for scanObject
	found := make(map[string]json.RawMessage)
	err := scanObject([]byte(text), func(name, value []byte) error {
		found[string([]rune(string(name)))] = append(json.RawMessage(nil), value...)
		return nil
	})
	if (err == nil) != isObject {
		t.Errorf("%q: scanObject found %v, encoding/json %v", text, err, wantErr)
	} else if isObject && !maps.EqualFunc(found, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
		t.Errorf("%q: scanObject found %s, encoding/json %s", text, found, want)
	}
}

func checkElements(t *testing.T, text string) {
	t.Helper()
	var want []json.RawMessage
	wantErr := json.Unmarshal([]byte(text), &want)
	isArray := wantErr == nil && want != nil
	n := 0
	err := scanArray([]byte(text), func(value []byte) error {
		if isArray && (n >= len(want) || string(value) != string(want[n])) {
			t.Errorf("%q: scanArray found %s as element %d", text, value, n)
		}
		n++
		return nil
	})
	if (err == nil) != isArray || isArray && n != len(want) {
		t.Errorf("%q: scanArray found %d elements and %v, encoding/json %d and %v", text, n, err, len(want), wantErr)
	}
}
