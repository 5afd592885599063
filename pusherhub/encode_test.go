package pusherhub

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOutboundFrameVectors(t *testing.T) {
	const mrPusher = `{"name":"Mr. Pusher"}`
	encoded := map[string][]byte{
		"out-01": establishedPayload("1234.1234", 120),
		"out-02": errorPayload(errNoSuchApp.Code, errNoSuchApp.Reason, "", false),
		"out-03": memberAddedPayload("presence-foobar", "10", []byte(mrPusher)),
		"out-04": memberRemovedPayload("presence-foobar", "10"),
		"out-05": subscriptionCountPayload("my-channel", 3),
		"out-06": eventPayload(eventCacheMiss, "cache-foo", "{}"),
		"out-07": watchlistPayload([]string{"8"}, []string{"9"}),
		"out-08": subscriptionErrorPayload("private-foobar", errUnauthorized),
		"out-09": eventPayload("my-event", "my-channel", `{"some":"data"}`),
		"out-10": eventPayload("my-event", "my-channel", "plain string, not JSON"),
		"out-11": appendEvent(nil, "client-x", "presence-foobar", clientEventData("string", []byte(`{"a":1}`)), "10"),
		"out-12": eventPayload("hello", "#server-to-user-12345", `{"m":1}`),
	}
	list := vectors[FrameVector](t, "outbound_frames")
	if len(list) != len(encoded) {
		t.Errorf("found %d vectors, expected %d", len(list), len(encoded))
	}
	for _, v := range list {
		if found := string(encoded[v.ID]); found != v.Frame {
			t.Errorf("%s: found %s, expected %s", v.ID, found, v.Frame)
		}
	}
}

func TestErrorPayload(t *testing.T) {
	for _, o := range []struct {
		code     int
		channel  string
		asString bool
		want     string
	}{
		{4200, "", true, `{"event":"pusher:error","data":"{\"code\":4200,\"message\":\"a \\\"b\\\"\"}"}`},
		{4200, "c", true, `{"event":"pusher:error","channel":"c","data":"{\"code\":4200,\"message\":\"a \\\"b\\\"\"}"}`},
		{4301, "c", false, `{"event":"pusher:error","channel":"c","data":{"code":4301,"message":"a \"b\""}}`},
		{0, "", false, `{"event":"pusher:error","data":{"code":null,"message":"a \"b\""}}`},
		{0, "", true, `{"event":"pusher:error","data":"{\"code\":null,\"message\":\"a \\\"b\\\"\"}"}`},
	} {
		if found := string(errorPayload(o.code, `a "b"`, o.channel, o.asString)); found != o.want {
			t.Errorf("found %s, expected %s", found, o.want)
		}
	}
}

func TestSmallPayloads(t *testing.T) {
	for found, want := range map[string]string{
		string(signinSuccessPayload(`{"id":"7"}`)):                                     `{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"7\\\"}\"}"}`,
		string(watchlistPayload([]string{"1", "2"}, nil)):                              `{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"1\",\"2\"]}]}"}`,
		string(watchlistPayload(nil, []string{`"`})):                                   `{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"offline\",\"user_ids\":[\"\\\"\"]}]}"}`,
		string(watchlistPayload(nil, nil)):                                             ``,
		string(memberAddedPayload("presence-x", "1", nil)):                             `{"event":"pusher_internal:member_added","channel":"presence-x","data":"{\"user_id\":\"1\",\"user_info\":{}}"}`,
		string(subscriptionErrorPayload("x", &subscriptionError{"T", "text", 400, 0})): `{"event":"pusher:subscription_error","channel":"x","data":{"type":"T","error":"text","status":400}}`,
		string(pongTextFrame.wire[2:]):                                                 `{"event":"pusher:pong","data":"{}"}`, // row 7
		string(textPingFrame.wire[2:]):                                                 `{"event":"pusher:ping","data":"{}"}`,
	} {
		if found != want {
			t.Errorf("found %s, expected %s", found, want)
		}
	}
}

func TestAppendString(t *testing.T) {
	for text, want := range map[string]string{
		``:                   `""`,
		`plain`:              `"plain"`,
		`<a href='x'>&</a>/`: `"<a href='x'>&</a>/"`, // not escaped for HTML
		"\u2028\u2029":       "\"\u2028\u2029\"",
		`"\`:                 `"\"\\"`,
		"\b\f\n\r\t":         `"\u0008\u000c\n\r\t"`,
		"\x00\x1f\x7f":       "\"\\u0000\\u001f\x7f\"",
		"é😀":                 `"é😀"`,
		"a\xffb\xc3":         `"a` + "\ufffd" + `b` + "\ufffd" + `"`,
		"\xed\xa0\x80":       `"` + strings.Repeat("\ufffd", 3) + `"`,
		"\ufffd":             `"` + "\ufffd" + `"`,
	} {
		if found := string(appendString(nil, text)); found != want {
			t.Errorf("%q: found %s, expected %s", text, found, want)
		}
		if found := string(appendString([]byte("x"), []byte(text))); found != "x"+want {
			t.Errorf("%q as bytes: found %s, expected x%s", text, found, want)
		}
	}
}

// What is written is read back as the same text by encoding/json, whatever the text.
func TestAppendStringRoundTrip(t *testing.T) {
	check := func(text string) {
		t.Helper()
		var back string
		out := appendString(nil, text)
		if err := json.Unmarshal(out, &back); err != nil || back != string([]rune(text)) || !utf8.Valid(out) {
			t.Fatalf("%q is written as %s and read as %q (%v)", text, out, back, err)
		}
	}
	for r := rune(0); r <= utf8.MaxRune; r += 1 + r/5000 {
		check(string(r) + "x" + string(r))
	}
	for a := range 256 {
		for b := range 256 {
			check(string([]byte{byte(a), byte(b)}))
			check(string([]byte{0xe2, byte(a), byte(b), 'x'}))
		}
	}
}

func TestSnapshotKeepsOrderAndEscapes(t *testing.T) {
	m := newMembers()
	seats := make([]*seat, 4)
	for i := range seats {
		seats[i] = &seat{member: member{userID: strconv.Itoa(i) + `"`, info: []byte(strconv.Itoa(i))}}
		m.join(seats[i])
	}
	m.leave(seats[1])
	const want = `{"presence":{"count":3,"ids":["0\"","3\"","2\""],"hash":{"0\"":0,"3\"":3,"2\"":2}}}`
	if found := m.snapshot(); found != want {
		t.Errorf("found %s, expected %s", found, want)
	}
	if found := newMembers().snapshot(); found != `{"presence":{"count":0,"ids":[],"hash":{}}}` {
		t.Errorf("found %s for nobody", found)
	}
}
