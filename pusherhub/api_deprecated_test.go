package pusherhub_test

import (
	"net/url"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestDeprecatedTrigger(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	a, b := s.Dial(t), s.Dial(t)
	a.Subscribe("c")
	b.Subscribe("c")
	post := func(name, body string, params url.Values, status int, answer string) call {
		return call{name: name, method: "POST", path: "/channels/c/events", body: body, params: params, status: status, answer: answer}
	}

	t.Run("T55 the body is the data", func(t *testing.T) {
		post("", ` {"a":"b"} `, url.Values{"name": {"e"}}, 202, "{}").expect(t, s)
		for _, c := range []*hubtest.Client{a, b} {
			c.ExpectRaw(`{"event":"e","channel":"c","data":" {\"a\":\"b\"} "}`)
		}
	})
	t.Run("T55 no JSON, no body", func(t *testing.T) {
		post("", "plain", url.Values{"name": {"e"}}, 202, "{}").expect(t, s)
		post("", "", url.Values{"name": {"e"}}, 202, "{}").expect(t, s)
		a.ExpectRaw(`{"event":"e","channel":"c","data":"plain"}`)
		a.ExpectRaw(`{"event":"e","channel":"c","data":""}`)
		b.Expect("e")
		b.Expect("e")
	})
	t.Run("T55 socket_id is left out", func(t *testing.T) {
		post("", "1", url.Values{"name": {"e"}, "socket_id": {a.SocketID}}, 202, "{}").expect(t, s)
		b.Expect("e")
		a.ExpectQuiet()
	})

	for _, c := range []call{
		post("no name", "1", nil, 422, `{"name":["The name field is required."]}`),
		post("bad socket_id", "1", url.Values{"name": {"e"}, "socket_id": {"x"}}, 422, `{"socket_id":["The socket_id field must be two numbers joined by a dot."]}`),
		post("no UTF-8", "\xff", url.Values{"name": {"e"}}, 400, "The body is not valid UTF-8."),
	} {
		t.Run("T55 "+c.name, func(t *testing.T) { c.expect(t, s) })
	}
	runCalls(t, "T55 pusher, ", pusherhub.AppConfig{Compat: pusherhub.CompatPusher, MaxEventData: 3}, []call{
		post("no name", "1", nil, 400, "The name field is required."),
		post("data at the bound", "123", url.Values{"name": {"e"}}, 202, "{}"),
		post("data over the bound", "1234", url.Values{"name": {"e"}}, 413, "The data content of this event exceeds the allowed maximum (3 bytes)."),
	})
}
