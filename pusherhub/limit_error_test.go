package pusherhub_test

import (
	"context"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// gatekeeper is asked about every message.
type gatekeeper struct {
	asked  []pusherhub.MessageRequest // owned by the one socket of the test
	answer error
}

func (*gatekeeper) Name() string { return "gatekeeper" }

func (g *gatekeeper) OnMessage(_ context.Context, r *pusherhub.MessageRequest) error {
	g.asked = append(g.asked, *r)
	return g.answer
}

func TestMessageHook(t *testing.T) {
	g := new(gatekeeper)
	s, _ := hookedServer(t, g)
	c := s.Dial(t)
	c.Send(`{"event":"pusher:ping"}`)
	c.Expect("pusher:pong")
	s.Signin(t, c, `{"id":"7"}`)
	c.Subscribe("x")
	frame := hubtest.SubscribeFrame("x", "", "")
	want := pusherhub.MessageRequest{App: hubtest.AppID, SocketID: c.SocketID, ClientIP: "127.0.0.1", UserID: "7", Size: len(frame)}
	if len(g.asked) != 3 || g.asked[2] != want {
		t.Errorf("asked %+v, expected 3 times, at last %+v", g.asked, want)
	}
	for _, refused := range []struct {
		answer error
		code   int
		text   string
	}{
		{&pusherhub.LimitError{}, 4301, "Rate limit exceeded"},
		{&pusherhub.LimitError{Reason: "10 messages a second"}, 4301, "10 messages a second"},
		{&pusherhub.CloseError{Code: 4009, Reason: "No."}, 4009, "No."},
		{errPrivate, 4009, "Message refused"},
	} {
		g.answer = refused.answer
		c.Send(hubtest.SubscribeFrame("y", "", ""))
		if text := c.ExpectError(refused.code); text != refused.text {
			t.Errorf("%v: found %q, expected %q", refused.answer, text, refused.text)
		}
	}
	s.Publish("y", "e", "1") // a refused message has no effect
	g.answer = nil
	c.ExpectQuiet()
}

// Too much of something is said in the way of each place.
func TestLimitError(t *testing.T) {
	var answer error
	h := &hook{
		connect:     func(*pusherhub.ConnectRequest) error { return answer },
		subscribe:   func(*pusherhub.SubscribeRequest) error { return answer },
		clientEvent: func(*pusherhub.ClientEventRequest) error { return answer },
		publish:     func(*pusherhub.PublishRequest) error { return answer },
	}
	s, log := hookedServer(t, h)
	c := s.Dial(t)
	c.Subscribe("x")
	answer = &pusherhub.LimitError{Reason: "Too many", RetryAfter: 1500 * time.Millisecond}

	refused := s.Open(t, s.App.Key, "", nil)
	refused.ExpectError(4100)
	refused.ExpectClose(4100)
	c.Send(hubtest.SubscribeFrame("y", "", ""))
	c.ExpectRaw(`{"event":"pusher:subscription_error","channel":"y","data":{"type":"LimitReached","error":"Too many","status":429,"code":4301}}`)
	c.ExpectError(4301)
	c.Send(hubtest.EventFrame("client-x", "x", "1"))
	if text := c.ExpectError(4301); text != "Too many" {
		t.Errorf("found %q", text)
	}
	status, text, header := s.Do("POST", "/events", `{"name":"e","data":"1","channel":"x"}`, nil)
	if status != 429 || text != "Too many" || header.Get("Retry-After") != "2" {
		t.Errorf("found %d %q, Retry-After %q", status, text, header.Get("Retry-After"))
	}
	c.ExpectQuiet()
	if n := log.FilterMessage("plugin failed").Len(); n > 0 {
		t.Errorf("found %d failures in the log: a limit is none", n)
	}
}
