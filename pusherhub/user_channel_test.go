package pusherhub_test

import (
	"net/http"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestUserChannel(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	const channel = "#server-to-user-7"

	t.Run("T42 nobody else subscribes", func(t *testing.T) {
		stranger, other := s.Dial(t), s.Dial(t)
		s.Signin(t, other, `{"id":"77"}`)
		for _, c := range []*hubtest.Client{stranger, other} {
			c.Send(hubtest.SubscribeFrame(channel, s.Auth(c, channel, ""), "")) // a signature does not help
			c.ExpectRaw(`{"event":"pusher:subscription_error","channel":"#server-to-user-7","data":{"type":"AuthError","error":"Connection is unauthorized","status":401,"code":4009}}`)
			c.ExpectRaw(`{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"Connection is unauthorized\"}"}`)
		}
	})

	t.Run("T42 auth is ignored", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		c.Send(`{"event":"pusher:subscribe","data":{"auth":"","channel":"#server-to-user-7"}}`)
		c.ExpectRaw(`{"event":"pusher_internal:subscription_succeeded","channel":"#server-to-user-7","data":"{}"}`)
	})

	t.Run("T42 sign-in alone subscribes to nothing", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		s.Publish(channel, "e", "1")
		c.ExpectQuiet()
	})

	t.Run("T42 other names with # are refused", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		for _, name := range []string{"#server-to-user-", "#server-to-user7", "#x"} {
			c.Send(hubtest.SubscribeFrame(name, "", ""))
			c.Expect("pusher:subscription_error")
			c.ExpectError(4200)
		}
	})

	t.Run("T42 no client events", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		c.Subscribe(channel)
		c.Send(hubtest.EventFrame("client-x", channel, "1"))
		if text := c.ExpectError(4009); text != "Client events are not allowed on this channel." {
			t.Errorf("found %q", text)
		}
	})

	t.Run("T43 sendToUser reaches all sockets of the user and nobody else", func(t *testing.T) {
		first, second, other := s.Dial(t), s.Dial(t), s.Dial(t)
		for _, c := range []*hubtest.Client{first, second} {
			s.Signin(t, c, `{"id":"7"}`)
			c.Subscribe(channel)
		}
		s.Signin(t, other, `{"id":"8"}`)
		other.Subscribe("#server-to-user-8")
		s.Publish(channel, "hello", `{"a":1}`)
		for _, c := range []*hubtest.Client{first, second} {
			c.ExpectRaw(`{"event":"hello","channel":"#server-to-user-7","data":"{\"a\":1}"}`)
		}
		other.ExpectQuiet()
	})

	t.Run("T43 not listed", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"hidden"}`)
		c.Subscribe("#server-to-user-hidden")
		status, answer, _ := s.Do(http.MethodGet, "/channels", "", nil)
		if status != http.StatusOK || answer != `{"channels":{}}` {
			t.Errorf("found %d %s, expected no channel", status, answer)
		}
	})
}
