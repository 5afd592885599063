package pusherhub_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// hook is a plugin of functions; those that are nil let everything pass.
type hook struct {
	connect     func(*pusherhub.ConnectRequest) error
	subscribe   func(*pusherhub.SubscribeRequest) error
	clientEvent func(*pusherhub.ClientEventRequest) error
	publish     func(*pusherhub.PublishRequest) error
}

func (*hook) Name() string { return "the-hook" }

func (h *hook) OnConnect(_ context.Context, r *pusherhub.ConnectRequest) error {
	return ask(h.connect, r)
}

func (h *hook) OnSubscribe(_ context.Context, r *pusherhub.SubscribeRequest) error {
	return ask(h.subscribe, r)
}

func (h *hook) OnClientEvent(_ context.Context, r *pusherhub.ClientEventRequest) error {
	return ask(h.clientEvent, r)
}

func (h *hook) OnPublish(_ context.Context, r *pusherhub.PublishRequest) error {
	return ask(h.publish, r)
}

func ask[T any](f func(*T) error, r *T) error {
	if f == nil {
		return nil
	}
	return f(r)
}

var errPrivate = errors.New("password hunter2 is wrong")

// hookedServer is a server with an app that has these plugins, in this order, and its log.
func hookedServer(t *testing.T, plugins ...pusherhub.Plugin) (*hubtest.Server, *observer.ObservedLogs) {
	t.Helper()
	core, log := observer.New(zap.DebugLevel)
	app, err := pusherhub.NewApp(hubtest.WithCredentials(pusherhub.AppConfig{Plugins: plugins}))
	if err != nil {
		t.Fatal(err)
	}
	return hubtest.NewServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Logger: zap.New(core)}), log
}

func TestConnectHook(t *testing.T) {
	var asked pusherhub.ConnectRequest
	var answer error
	s, log := hookedServer(t, &hook{connect: func(r *pusherhub.ConnectRequest) error { asked = *r; return answer }})

	c := s.Open(t, s.App.Key, "", http.Header{"Origin": {"https://a.example"}, "User-Agent": {"agent/1"}})
	established := c.Expect("pusher:connection_established").Text()
	want := pusherhub.ConnectRequest{App: hubtest.AppID, SocketID: asked.SocketID, ClientIP: "127.0.0.1", Origin: "https://a.example", UserAgent: "agent/1"}
	if asked != want || established != `{"socket_id":"`+asked.SocketID+`","activity_timeout":30}` {
		t.Errorf("asked %+v about socket %s, expected %+v", asked, established, want)
	}

	answer = &pusherhub.CloseError{Code: 4100, Reason: "Come back later"}
	c = s.Open(t, s.App.Key, "", nil)
	c.ExpectRaw(`{"event":"pusher:error","data":{"code":4100,"message":"Come back later"}}`)
	if reason := c.ExpectClose(4100); reason != "Come back later" {
		t.Errorf("found reason %q", reason)
	}

	answer = errPrivate
	c = s.Open(t, s.App.Key, "", nil)
	c.ExpectRaw(`{"event":"pusher:error","data":{"code":4009,"message":"Connection refused"}}`)
	c.ExpectClose(4009)
	if n := log.FilterMessage("plugin failed").FilterField(zap.String("plugin", "the-hook")).FilterField(zap.Error(errPrivate)).Len(); n != 1 {
		t.Errorf("found the failure %d times in the log, expected once: %v", n, log.All())
	}
	if n := s.Hub.Stats().ConnectionsRefused; n != 2 {
		t.Errorf("found ConnectionsRefused %d, expected 2", n)
	}

	asked = pusherhub.ConnectRequest{}
	hubtest.Open(t, s.URL, "unknown", "", nil).ExpectClose(4001)
	if asked.App != "" {
		t.Error("asked about a client that is refused anyway")
	}
}

func TestSubscribeHook(t *testing.T) {
	var asked []pusherhub.SubscribeRequest
	var answer error
	s, _ := hookedServer(t, &hook{subscribe: func(r *pusherhub.SubscribeRequest) error { asked = append(asked, *r); return answer }})
	c := s.Dial(t)
	expect := func(channel, userID string) {
		t.Helper()
		want := pusherhub.SubscribeRequest{App: hubtest.AppID, SocketID: c.SocketID, ClientIP: "127.0.0.1", Channel: channel, UserID: userID}
		if len(asked) != 1 || asked[0] != want {
			t.Errorf("asked %+v, expected once %+v", asked, want)
		}
		asked = nil
	}

	c.Subscribe("public")
	expect("public", "")
	c.SubscribeWith("presence-x", s.Auth(c, "presence-x", `{"user_id":8}`), `{"user_id":8}`)
	expect("presence-x", "8")
	s.Signin(t, c, `{"id":"7"}`)
	c.Subscribe("other")
	expect("other", "7")

	c.Send(hubtest.SubscribeFrame("private-x", "bad", ""))
	c.Expect("pusher:subscription_error")
	c.ExpectError(4009)
	if len(asked) != 0 {
		t.Errorf("asked %+v about a client that is refused anyway", asked)
	}

	answer = &pusherhub.CloseError{Code: 4004, Reason: "Too many"}
	c.Send(hubtest.SubscribeFrame("full", "", ""))
	c.ExpectRaw(`{"event":"pusher:subscription_error","channel":"full","data":{"type":"AuthError","error":"Too many","status":403,"code":4004}}`)
	c.ExpectRaw(`{"event":"pusher:error","data":"{\"code\":4004,\"message\":\"Too many\"}"}`)
	answer = errPrivate
	c.Send(hubtest.SubscribeFrame("broken", "", ""))
	c.ExpectRaw(`{"event":"pusher:subscription_error","channel":"broken","data":{"type":"AuthError","error":"Connection is unauthorized","status":403,"code":4009}}`)
	c.ExpectRaw(`{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"Connection is unauthorized\"}"}`)
	s.Publish("full", "e", "1")
	s.Publish("broken", "e", "1")
	c.ExpectQuiet()
}

func TestClientEventHook(t *testing.T) {
	var asked pusherhub.ClientEventRequest
	var act func(*pusherhub.ClientEventRequest) error
	s, _ := hookedServer(t, &hook{clientEvent: func(r *pusherhub.ClientEventRequest) error {
		asked = *r
		return ask(act, r)
	}})
	a, b := s.Join(t, "presence-x", `{"user_id":"1"}`), s.Join(t, "presence-x", `{"user_id":"2"}`)
	a.Expect("pusher_internal:member_added")
	send := func() { a.Send(hubtest.EventFrame("client-x", "presence-x", map[string]int{"a": 1})) }

	send()
	b.ExpectRaw(`{"event":"client-x","channel":"presence-x","data":"{\"a\":1}","user_id":"1"}`)
	if asked.App != hubtest.AppID || asked.SocketID != a.SocketID || asked.ClientIP != "127.0.0.1" || asked.Channel != "presence-x" || asked.UserID != "1" || asked.Event != "client-x" || string(asked.Data) != `"{\"a\":1}"` {
		t.Errorf("asked %+v", asked)
	}

	act = func(r *pusherhub.ClientEventRequest) error {
		r.Event, r.Data, r.UserID, r.Channel = "client-y", []byte(`"new"`), "forged", "elsewhere"
		return nil
	}
	send()
	b.ExpectRaw(`{"event":"client-y","channel":"presence-x","data":"new","user_id":"1"}`)

	for _, wrong := range []struct {
		name string
		act  func(*pusherhub.ClientEventRequest) error
		text string
		code int
	}{
		{"refused", func(*pusherhub.ClientEventRequest) error { return &pusherhub.CloseError{Code: 4301, Reason: "Not now"} }, "Not now", 4301},
		{"failed", func(*pusherhub.ClientEventRequest) error { return errPrivate }, "Client event rejected", 4301},
		{"prefix lost", func(r *pusherhub.ClientEventRequest) error { r.Event = "pusher:error"; return nil }, "Client event rejected", 4301},
		{"data no JSON", func(r *pusherhub.ClientEventRequest) error { r.Data = nil; return nil }, "Client event rejected", 4301},
		{"data no UTF-8", func(r *pusherhub.ClientEventRequest) error { r.Data = []byte("\"\xff\""); return nil }, "Client event rejected", 4301},
	} {
		act = wrong.act
		send()
		if text := a.ExpectError(wrong.code); text != wrong.text {
			t.Errorf("%s: found %q, expected %q", wrong.name, text, wrong.text)
		}
	}
	b.ExpectQuiet()
	a.ExpectQuiet()
}

func TestPublishHook(t *testing.T) {
	var asked []pusherhub.PublishRequest
	var act func(*pusherhub.PublishRequest) error
	s, _ := hookedServer(t, &hook{publish: func(r *pusherhub.PublishRequest) error {
		asked = append(asked, *r)
		return ask(act, r)
	}})
	c := s.Dial(t)
	c.Subscribe("one")
	c.Subscribe("cache-two")
	c.Expect("pusher:cache_miss")

	act = func(r *pusherhub.PublishRequest) error {
		r.Event, r.Data, r.Channel, r.SocketID = "new", r.Channel+" "+r.Data, "elsewhere", c.SocketID
		return nil
	}
	trigger(t, s, `{"name":"e","data":"1","channels":["one","cache-two"],"socket_id":"1.2"}`)
	for i, channel := range []string{"one", "cache-two"} {
		if want := (pusherhub.PublishRequest{App: hubtest.AppID, Channel: channel, SocketID: "1.2", ClientIP: "127.0.0.1", Event: "e", Data: "1"}); len(asked) != 2 || asked[i] != want {
			t.Errorf("asked %+v, expected %+v", asked, want)
		}
		c.ExpectRaw(`{"event":"new","channel":"` + channel + `","data":"` + channel + ` 1"}`)
	}
	late := s.Dial(t)
	late.Subscribe("cache-two")
	late.ExpectRaw(`{"event":"new","channel":"cache-two","data":"cache-two 1"}`)
	get("", "/channels/cache-two", "cache", 200, `{"occupied":true,"cache":{"data":"cache-two 1","ttl":1799}}`).expect(t, s)

	two := `{"batch":[{"name":"good","data":"1","channel":"one"},{"name":"bad","data":"1","channel":"one"}]}`
	act = func(r *pusherhub.PublishRequest) error {
		if r.Event == "bad" {
			return &pusherhub.CloseError{Code: 4009, Reason: "No bad events."}
		}
		return nil
	}
	call{method: "POST", path: "/batch_events", body: two, status: 403, answer: "No bad events."}.expect(t, s)
	act = func(*pusherhub.PublishRequest) error { return errPrivate }
	call{method: "POST", path: "/batch_events", body: two, status: 403, answer: "The event was refused."}.expect(t, s)
	call{method: "POST", path: "/channels/one/events", params: url.Values{"name": {"e"}}, body: "1", status: 403, answer: "The event was refused."}.expect(t, s)
	c.ExpectQuiet()
}
