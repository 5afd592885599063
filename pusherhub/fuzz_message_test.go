package pusherhub

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzClientMessage compares everything that reads JSON from strangers with encoding/json. The two agree on all
// texts that are valid UTF-8 and nested no deeper than maxDepth.
func FuzzClientMessage(f *testing.F) {
	f.Add([]byte(`{"event":"pusher:ping","data":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		readAll(text)
		if !utf8.Valid(text) {
			return // the reader closes the socket before anybody parses
		}
		valid := json.Valid(text) && nesting(text) <= maxDepth
		if got := validJSON(text); got != valid {
			t.Fatalf("validJSON(%q): found %t, expected %t", text, got, valid)
		}
		members, isObject := decodeObject(text)
		isObject = isObject && valid
		checkEnvelope(t, text, members, isObject)
		checkMember(t, text, members, isObject)
	})
}

// readAll runs every decoder, none of which may panic.
func readAll(text []byte) {
	if m, err := decodeClientMessage(text); err == nil {
		_, _ = decodeSubscribe(m)
		_, _, _ = decodeSignin(m)
		_ = clientEventData("string", m.data)
		_ = clientEventData("verbatim", m.data)
	}
	_, _, _ = decodeMember(text, "user_id")
	_, _ = decodeWatchlist(text)
	_ = withStringID(string(text))
	_ = validJSON(text)
}

func checkEnvelope(t *testing.T, text []byte, members map[string]json.RawMessage, isObject bool) {
	t.Helper()
	m, err := decodeClientMessage(text)
	event, _ := decodeText(members["event"])
	if good := isObject && event != ""; good != (err == nil) {
		t.Fatalf("decoding %q: found error %v, expected success: %t", text, err, good)
	}
	if err != nil {
		return
	}
	channel, _ := decodeText(members["channel"])
	if string(m.event) != event || string(m.channel) != channel || !bytes.Equal(m.data, members["data"]) {
		t.Fatalf("decoding %q: found event %q, channel %q, data %q, expected %q, %q, %q",
			text, m.event, m.channel, m.data, event, channel, members["data"])
	}
	for _, form := range []string{"string", "verbatim"} {
		if out := clientEventData(form, m.data); !json.Valid(out) {
			t.Fatalf("client event data %q goes out as %q, which is no JSON", m.data, out)
		}
	}
	checkSubscribe(t, m)
}

func checkSubscribe(t *testing.T, m clientMessage) {
	t.Helper()
	data := m.data
	if s, ok := decodeText(data); ok {
		data = []byte(s)
	}
	members, isObject := decodeObject(data)
	channel, hasChannel := decodeText(members["channel"])
	auth, hasAuth := decodeText(members["auth"])
	channelData, hasChannelData := decodeText(members["channel_data"])
	known := isObject && nesting(data) <= maxDepth && hasChannel
	d, err := decodeSubscribe(m)
	if known && d.channel != channel || known == errors.Is(err, errBadChannel) {
		t.Fatalf("subscribe %q: found channel %q, error %v, expected channel %q", m.data, d.channel, err, channel)
	}
	good := known && (hasAuth || isNull(members["auth"])) && (hasChannelData || isNull(members["channel_data"]))
	if good != (err == nil) {
		t.Fatalf("subscribe %q: found error %v, expected success: %t", m.data, err, good)
	}
	if good && (d.auth != auth || hasChannelData != (d.channelData != nil) || hasChannelData && *d.channelData != channelData) {
		t.Fatalf("subscribe %q: found %+v, expected auth %q, channel_data %q", m.data, d, auth, channelData)
	}
}

// checkMember reads text as channel_data and as user_data.
func checkMember(t *testing.T, text []byte, members map[string]json.RawMessage, isObject bool) {
	t.Helper()
	id, isText := decodeText(members["id"])
	number, isNumber := decodeNumber(members["id"])
	if isNumber {
		id = number
	}
	m, idIsNumber, err := decodeMember(text, "id")
	if good := isObject && id != "" && (isText || isNumber); good != (err == nil) {
		t.Fatalf("member %q: found error %v, expected success: %t", text, err, good)
	}
	if err != nil {
		return
	}
	info := members["user_info"]
	if string(info) == "null" {
		info = nil
	}
	if m.userID != id || idIsNumber != isNumber || !bytes.Equal(m.info, info) {
		t.Fatalf("member %q: found id %q and info %q, expected %q and %q", text, m.userID, m.info, id, info)
	}
	if !isNumber {
		return
	}
	quoted, ok := decodeObject([]byte(withStringID(string(text))))
	if got, _ := decodeText(quoted["id"]); !ok || got != id {
		t.Fatalf("user_data %q with a string id: found %q", text, withStringID(string(text)))
	}
	delete(quoted, "id")
	delete(members, "id")
	if !maps.EqualFunc(quoted, members, slices.Equal) {
		t.Fatalf("user_data %q with a string id changed elsewhere: %q", text, withStringID(string(text)))
	}
}

func decodeObject(text []byte) (members map[string]json.RawMessage, ok bool) {
	err := json.Unmarshal(text, &members)
	return members, err == nil && members != nil
}

func decodeText(raw []byte) (text string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(raw, &text) == nil
}

func decodeNumber(raw []byte) (digits string, ok bool) {
	var n json.Number
	if len(raw) == 0 || raw[0] == '"' || json.Unmarshal(raw, &n) != nil {
		return "", false
	}
	return n.String(), n != ""
}

// nesting is how deep the arrays and objects of a valid JSON text nest.
func nesting(text []byte) (deepest int) {
	depth := 0
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return deepest
		}
		switch delim, _ := token.(json.Delim); delim {
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
}

// TestNesting makes sure that the fuzz target's own measure is right.
func TestNesting(t *testing.T) {
	for depth := range 70 {
		text := strings.Repeat("[", depth) + "1" + strings.Repeat("]", depth)
		if got := nesting([]byte(text)); got != depth {
			t.Errorf("%s: found %d, expected %d", text, got, depth)
		}
		if got := validJSON([]byte(text)); got != (depth <= maxDepth) {
			t.Errorf("%d levels: found valid %t, expected %t", depth, got, depth <= maxDepth)
		}
	}
}
