package pusherhub_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// eventBody is the body of POST /events.
func eventBody(members map[string]any) string {
	body, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(body)
}

func trigger(t *testing.T, s *hubtest.Server, body string) {
	t.Helper()
	call{method: "POST", path: "/events", body: body, status: 200, answer: "{}"}.expect(t, s)
}

func TestEvents(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	a, b := s.Dial(t), s.Dial(t)
	for _, c := range []*hubtest.Client{a, b} {
		c.Subscribe("one")
		c.Subscribe("two")
	}
	const frame = `{"event":"e","channel":"%s","data":"1"}`
	all := func(t *testing.T, frames ...string) {
		t.Helper()
		for _, c := range []*hubtest.Client{a, b} {
			for _, f := range frames {
				c.ExpectRaw(f)
			}
			c.ExpectQuiet()
		}
	}

	t.Run("T47 every channel of the list", func(t *testing.T) {
		trigger(t, s, `{"name":"e","data":"1","channels":["one","two","nobody"]}`)
		all(t, fmt.Sprintf(frame, "one"), fmt.Sprintf(frame, "two"))
	})
	t.Run("T47 a channel named twice gets it once", func(t *testing.T) {
		trigger(t, s, `{"name":"e","data":"1","channels":["one","two","one"]}`)
		all(t, fmt.Sprintf(frame, "one"), fmt.Sprintf(frame, "two"))
	})
	t.Run("T47 channels wins over channel", func(t *testing.T) {
		trigger(t, s, `{"name":"e","data":"1","channel":"two","channels":["one"]}`)
		all(t, fmt.Sprintf(frame, "one"))
	})
	t.Run("T47 channel beside channels null", func(t *testing.T) {
		trigger(t, s, `{"name":"e","data":"1","channel":"two","channels":null}`)
		all(t, fmt.Sprintf(frame, "two"))
	})
	t.Run("T47 unknown members, nulls, duplicates and spaces", func(t *testing.T) {
		trigger(t, s, " {\"x\":{\"y\":[1]},\"name\":\"no\",\"name\":\"e\" ,\n\"data\":\"1\",\"channel\":\"one\",\"socket_id\":null,\"info\":null}\r\n")
		all(t, fmt.Sprintf(frame, "one"))
	})
	t.Run("T47 parameters in the query", func(t *testing.T) {
		call{
			method: "POST", path: "/events", status: 200, answer: "{}",
			params: url.Values{"name": {"e"}, "data": {"1"}, "channels": {"one,two"}, "socket_id": {b.SocketID}},
		}.expect(t, s)
		a.ExpectRaw(fmt.Sprintf(frame, "one"))
		a.ExpectRaw(fmt.Sprintf(frame, "two"))
		all(t)
	})

	t.Run("T51 socket_id is left out", func(t *testing.T) {
		trigger(t, s, eventBody(map[string]any{"name": "e", "data": "1", "channel": "one", "socket_id": a.SocketID}))
		b.ExpectRaw(fmt.Sprintf(frame, "one"))
		all(t)
	})
	t.Run("T51 unknown socket_id leaves nobody out", func(t *testing.T) {
		trigger(t, s, `{"name":"e","data":"1","channel":"one","socket_id":"123.456"}`)
		all(t, fmt.Sprintf(frame, "one"))
	})

	t.Run("T52 empty data", func(t *testing.T) {
		trigger(t, s, `{"name":"e","data":"","channel":"one"}`)
		all(t, `{"event":"e","channel":"one","data":""}`)
	})

	t.Run("T53 any UTF-8", func(t *testing.T) {
		for _, data := range []string{
			"plain", `{"some":"data"}`, `"quoted"`, "ünï", "日本", "\U0001F600", "<&>'", "\u2028\u2029", "a\x00b\x1f\x7f", "\t\r\n\b\f", `\u0041 \ /`, "\ufffd\uffff",
		} {
			trigger(t, s, eventBody(map[string]any{"name": data + "!", "data": data, "channel": "one"}))
			if f := a.Next(); f.Text() != data || f.Event != data+"!" {
				t.Errorf("found %s, expected data %q", f.Raw, data)
			}
			b.Next()
		}
		// Surrogates are put together, halves become U+FFFD: nothing else is UTF-8.
		trigger(t, s, `{"name":"e","data":"\ud83d\ude00\ud83d x","channel":"one"}`)
		all(t, "{\"event\":\"e\",\"channel\":\"one\",\"data\":\"\U0001F600\ufffd x\"}")
	})
	t.Run("T53 markup is not escaped on the wire", func(t *testing.T) {
		trigger(t, s, `{"name":"e","data":"<b>\u0026\u2028","channel":"one"}`)
		all(t, "{\"event\":\"e\",\"channel\":\"one\",\"data\":\"<b>&\u2028\"}")
	})
}

func TestEventDataLimit(t *testing.T) {
	const tooLarge = "The data content of this event exceeds the allowed maximum (10240 bytes)."
	// Each entry is three bytes of data, however it is written.
	for _, spelling := range []struct{ name, text string }{{"letters", "xyz"}, {"Unicode", "日"}, {"escapes", `\u65e5`}, {"quotes", `\"\\\n`}} {
		for _, size := range []int{10239, 10240, 10241} {
			t.Run(fmt.Sprintf("T53 %d bytes of %s", size, spelling.name), func(t *testing.T) {
				data := strings.Repeat(spelling.text, size/3) + strings.Repeat("x", size%3)
				want := call{method: "POST", path: "/events", body: `{"name":"e","channel":"c","data":"` + data + `"}`, status: 200, answer: "{}"}
				if size > 10240 {
					want.status, want.answer = 413, tooLarge
				}
				want.expect(t, hubtest.NewServer(t, pusherhub.AppConfig{Compat: pusherhub.CompatPusher}))
				want.status, want.answer = 200, "{}"
				want.expect(t, hubtest.NewServer(t, pusherhub.AppConfig{})) // Reverb bounds the request only
			})
		}
	}
	t.Run("T53 a batch is refused as a whole", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{MaxEventData: 3})
		c := s.Dial(t)
		c.Subscribe("c")
		call{
			method: "POST", path: "/batch_events", body: `{"batch":[{"name":"e","channel":"c","data":"1234"},{"name":"e","channel":"c","data":"123"}]}`,
			status: 413, answer: "The data content of this event exceeds the allowed maximum (3 bytes).",
		}.expect(t, s)
		c.ExpectQuiet()
	})
}

func TestEventChannelsLimit(t *testing.T) {
	list := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf(`"c%d"`, i)
		}
		return `{"name":"e","data":"1","channels":[` + strings.Join(names, ",") + `]}`
	}
	const sentence = "The channels field must not have more than 100 items."
	runCalls(t, "T54 ", pusherhub.AppConfig{}, []call{
		{name: "100 channels", method: "POST", path: "/events", body: list(100), status: 200, answer: "{}"},
		{name: "101 channels", method: "POST", path: "/events", body: list(101), status: 422, answer: `{"channels":["` + sentence + `"]}`},
	})
	runCalls(t, "T54 profile pusher, ", pusherhub.AppConfig{Compat: pusherhub.CompatPusher}, []call{
		{name: "100 channels", method: "POST", path: "/events", body: list(100), status: 200, answer: "{}"},
		{name: "101 channels", method: "POST", path: "/events", body: list(101), status: 400, answer: sentence},
	})
	t.Run("T54 all 100 get it", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		c := s.Dial(t)
		c.Subscribe("c0")
		c.Subscribe("c99")
		trigger(t, s, list(100))
		c.Expect("e")
		c.Expect("e")
	})
}

func TestCoerceData(t *testing.T) {
	t.Run("T53 coerce_data", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{CoerceData: new(true)})
		c := s.Dial(t)
		c.Subscribe("c")
		for data, want := range map[string]string{
			`{"a": [1.0, "\u00e9"]}`: `{"a": [1.0, "\u00e9"]}`, `[1]`: `[1]`, `12345678901234567890`: `12345678901234567890`, `true`: `true`, `"text"`: `text`,
		} {
			trigger(t, s, `{"name":"e","channel":"c","data":`+data+`}`)
			if f := c.Next(); f.Text() != want {
				t.Errorf("data %s: found %s, expected the string %s", data, f.Raw, want)
			}
		}
		call{method: "POST", path: "/events", body: `{"name":"e","channel":"c","data":null}`, status: 422, answer: `{"data":["The data field is required."]}`}.expect(t, s)
	})
}
