package pusherhub_test

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
)

// Each hook sees what those before it made of the event; the first that refuses is the last that is asked.
func TestHooksInOrder(t *testing.T) {
	var order []string
	adds := func(word string) *hook {
		return &hook{
			connect:   func(*pusherhub.ConnectRequest) error { order = append(order, "connect "+word); return nil },
			subscribe: func(*pusherhub.SubscribeRequest) error { order = append(order, "subscribe "+word); return nil },
			clientEvent: func(r *pusherhub.ClientEventRequest) error {
				r.Event += word
				return nil
			},
			publish: func(r *pusherhub.PublishRequest) error {
				if r.Data == "stop" && word == "b" {
					return &pusherhub.CloseError{Code: 4009, Reason: "stopped"}
				}
				order = append(order, "publish "+word)
				r.Event += word
				return nil
			},
		}
	}
	s, _ := hookedServer(t, adds("a"), adds("b"), adds("c"))
	c, d := s.Dial(t), s.Dial(t)
	c.Subscribe("x")
	d.Subscribe("x")
	s.Publish("x", "e-", "1")
	c.ExpectRaw(`{"event":"e-abc","channel":"x","data":"1"}`)
	d.Expect("e-abc")
	c.Send(hubtest.EventFrame("client-", "x", "1"))
	d.ExpectRaw(`{"event":"client-abc","channel":"x","data":"1"}`)
	call{method: "POST", path: "/events", body: `{"name":"e","data":"stop","channel":"x"}`, status: 403, answer: "stopped"}.expect(t, s)

	want := []string{
		"connect a", "connect b", "connect c", "connect a", "connect b", "connect c",
		"subscribe a", "subscribe b", "subscribe c", "subscribe a", "subscribe b", "subscribe c",
		"publish a", "publish b", "publish c", "publish a",
	}
	if len(order) != len(want) {
		t.Fatalf("found %q, expected %q", order, want)
	}
	for i := range want {
		if order[i] != want[i] {
			t.Fatalf("found %q, expected %q", order, want)
		}
	}
}

// panics is a plugin all of whose hooks panic.
type panics struct{ hook }

func (*panics) Name() string { return "fragile" }

func (*panics) Observe(pusherhub.Observation) { panic("observer") }

func TestPanickingPlugin(t *testing.T) {
	armed := false
	boom := func(what string) error {
		if armed {
			panic(what)
		}
		return nil
	}
	p := &panics{hook{
		connect:     func(*pusherhub.ConnectRequest) error { return boom("connect") },
		subscribe:   func(*pusherhub.SubscribeRequest) error { return boom("subscribe") },
		clientEvent: func(*pusherhub.ClientEventRequest) error { return boom("client event") },
		publish:     func(*pusherhub.PublishRequest) error { return boom("publish") },
	}}
	s, log := hookedServer(t, p)
	c := s.Dial(t) // observed: the first panic
	c.Subscribe("x")
	hubtest.Eventually(t, "the observer to panic twice", func() bool { return s.Hub.Stats().PluginPanics == 2 })

	armed = true
	refused := s.Open(t, s.App.Key, "", nil)
	refused.ExpectRaw(`{"event":"pusher:error","data":{"code":4009,"message":"Connection refused"}}`)
	refused.ExpectClose(4009)
	c.Send(hubtest.SubscribeFrame("y", "", ""))
	c.Expect("pusher:subscription_error")
	c.ExpectError(4009)
	c.Send(hubtest.EventFrame("client-x", "x", "1"))
	if text := c.ExpectError(4301); text != "Client event rejected" {
		t.Errorf("found %q", text)
	}
	call{method: "POST", path: "/events", body: `{"name":"e","data":"1","channel":"x"}`, status: 403, answer: "The event was refused."}.expect(t, s)
	c.ExpectQuiet()
	if n := s.Hub.Stats().PluginPanics; n != 6 {
		t.Errorf("found PluginPanics %d, expected 6", n)
	}
	named := log.FilterMessage("plugin panicked").FilterField(zap.String("plugin", "fragile"))
	if named.Len() != 6 {
		t.Errorf("found %d panics of the plugin in the log, expected 6: %v", named.Len(), log.All())
	}
	for _, e := range named.All() {
		if e.ContextMap()["stack"] == nil || e.ContextMap()["panic"] == nil {
			t.Errorf("a panic was logged without its stack or value: %v", e)
		}
	}
}
