package pusherhub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func batch(name, body string, status int, answer string) call {
	return call{name: name, method: "POST", path: "/batch_events", body: body, status: status, answer: answer}
}

func TestBatch(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	a, b := s.Dial(t), s.Dial(t)
	a.Subscribe("one")
	b.Subscribe("one")
	b.Subscribe("two")

	t.Run("T47 batch in order, with exclusions of their own", func(t *testing.T) {
		batch("", `{"batch":[{"name":"e1","channel":"one","data":"1"},{"name":"e2","channel":"one","data":"2","socket_id":"`+a.SocketID+`"},`+
			`{"name":"e3","channels":["one","two"],"data":""}]}`, 200, "{}").expect(t, s)
		a.ExpectRaw(`{"event":"e1","channel":"one","data":"1"}`)
		a.ExpectRaw(`{"event":"e3","channel":"one","data":""}`)
		a.ExpectQuiet()
		b.ExpectRaw(`{"event":"e1","channel":"one","data":"1"}`)
		b.ExpectRaw(`{"event":"e2","channel":"one","data":"2"}`)
		for range 2 { // two channels have no order between them
			b.Expect("e3")
		}
		b.ExpectQuiet()
	})

	t.Run("T47 nothing is sent if one event is wrong", func(t *testing.T) {
		batch("", `{"batch":[{"name":"e1","channel":"one","data":"1"},{"name":"","channel":"one","data":"2"}]}`,
			422, `{"batch.1.name":["The batch.1.name field is required."]}`).expect(t, s)
		a.ExpectQuiet()
	})
}

func TestBatchInfo(t *testing.T) {
	for _, profile := range []string{pusherhub.CompatReverb, pusherhub.CompatPusher} {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: profile})
		crowd(t, s)
		for _, c := range []call{
			batch("aligned", `{"batch":[{"name":"e","channel":"public","data":"1"},{"name":"e","channel":"presence-x","data":"2","info":"user_count"},`+
				`{"name":"e","channel":"nobody","data":"3","info":"subscription_count"}]}`, 200, `{"batch":[{},{"user_count":2},{"subscription_count":0}]}`),
			batch("none", `{"batch":[{"name":"e","channel":"public","data":"1"},{"name":"e","channel":"public","data":"1"}]}`, 200, `{}`),
		} {
			t.Run("T49 batch "+profile+", "+c.name, func(t *testing.T) { c.expect(t, s) })
		}
		want := batch("not applicable", `{"batch":[{"name":"e","channel":"public","data":"1","info":"user_count"}]}`, 200, `{"batch":[{}]}`)
		if profile == pusherhub.CompatPusher {
			want.status, want.answer = 400, "The attribute user_count does not apply to channel public."
		}
		t.Run("T49 batch "+profile+", not applicable", func(t *testing.T) { want.expect(t, s) })
	}
}

func TestBatchErrors(t *testing.T) {
	list := func(n int) string {
		return `{"batch":[` + strings.TrimSuffix(strings.Repeat(oneEvent+",", n), ",") + `]}`
	}
	runCalls(t, "T50 batch reverb, ", pusherhub.AppConfig{}, []call{
		batch("missing", `{}`, 422, `{"batch":["The batch field is required."]}`),
		batch("null", `{"batch":null}`, 422, `{"batch":["The batch field is required."]}`),
		batch("empty", `{"batch":[]}`, 422, `{"batch":["The batch field is required."]}`),
		batch("an object", `{"batch":{}}`, 422, `{"batch":["The batch field must be an array."]}`),
		batch("of numbers", `{"batch":[1]}`, 422, `{"batch.0":["The batch.0 field must be an object."]}`),
		batch("every wrong field", `{"batch":[`+oneEvent+`,{"name":1,"data":{},"channel":"a b","socket_id":"x"}]}`, 422,
			`{"batch.1.name":["The batch.1.name field must be a string."],"batch.1.data":["The batch.1.data field must be a string."],`+
				`"batch.1.channel":["The channel name may only hold letters, digits and _ - = @ , . ; characters."],`+
				`"batch.1.socket_id":["The batch.1.socket_id field must be two numbers joined by a dot."]}`),
		batch("100 events", list(100), 200, `{}`),
		batch("101 events", list(101), 422, `{"batch":["The batch field must not have more than 100 items."]}`),
	})
	runCalls(t, "T50 batch pusher, ", pusherhub.AppConfig{Compat: pusherhub.CompatPusher}, []call{
		batch("missing", `{}`, 400, "The batch field is required."),
		batch("10 events", list(10), 200, `{}`),
		batch("11 events", list(11), 400, "The batch field must not have more than 10 items."),
	})
	for bound, want := range map[pusherhub.Limit]int{2: 200, 1: 422, pusherhub.Unlimited: 200} {
		t.Run(fmt.Sprintf("T50 max_batch %d", bound), func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{MaxBatch: bound})
			if status, answer, _ := s.Do("POST", "/batch_events", list(2), nil); status != want {
				t.Errorf("found %d %s, expected %d", status, answer, want)
			}
		})
	}
}
