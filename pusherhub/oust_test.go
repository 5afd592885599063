package pusherhub_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func takeOut(t *testing.T, s *hubtest.Server, target pusherhub.Target, channel string, want int) {
	t.Helper()
	if found, err := s.Hub.Unsubscribe(t.Context(), hubtest.AppID, target, channel); err != nil || found != want {
		t.Errorf("found %d subscriptions, %v, expected %d", found, err, want)
	}
}

// expectOusted expects what a client is told that was taken out of a channel.
func expectOusted(t *testing.T, c *hubtest.Client, channel string) {
	t.Helper()
	c.ExpectRaw(`{"event":"pusher:subscription_error","channel":"` + channel + `","data":{"type":"AuthError","error":"You were removed from the channel by the app.","status":403,"code":4009}}`)
	if text := c.ExpectError(4009); text != "You were removed from the channel by the app." {
		t.Errorf("found %q", text)
	}
}

func TestTakeOut(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	t.Run("a presence member", func(t *testing.T) {
		member, witness := s.Join(t, "presence-x", `{"user_id":"7"}`), s.Join(t, "presence-x", `{"user_id":"8"}`)
		member.Expect("pusher_internal:member_added")
		member.Subscribe("news")
		takeOut(t, s, pusherhub.Target{UserID: "7"}, "presence-x", 1)
		expectOusted(t, member, "presence-x")
		witness.ExpectRaw(`{"event":"pusher_internal:member_removed","channel":"presence-x","data":"{\"user_id\":\"7\"}"}`)
		s.Publish("presence-x", "e", "1")
		s.Publish("news", "e", "2")
		witness.ExpectRaw(`{"event":"e","channel":"presence-x","data":"1"}`)
		member.ExpectRaw(`{"event":"e","channel":"news","data":"2"}`)

		data := `{"user_id":"7"}`
		member.SubscribeWith("presence-x", s.Auth(member, "presence-x", data), data)
		witness.Expect("pusher_internal:member_added")
		member.Close()
		witness.Expect("pusher_internal:member_removed")
	})
	t.Run("whoever is signed in", func(t *testing.T) {
		one, two, other := s.Dial(t), s.Dial(t), s.Dial(t)
		for c, user := range map[*hubtest.Client]string{one: "7", two: "7", other: "8"} {
			s.Signin(t, c, `{"id":"`+user+`"}`)
			c.SubscribeWith("private-x", s.Auth(c, "private-x", ""), "")
		}
		takeOut(t, s, pusherhub.Target{UserID: "7"}, "private-x", 2)
		expectOusted(t, one, "private-x")
		expectOusted(t, two, "private-x")
		other.ExpectQuiet()
	})
	t.Run("one socket of several", func(t *testing.T) {
		one, two := s.Dial(t), s.Dial(t)
		one.Subscribe("news")
		two.Subscribe("news")
		takeOut(t, s, pusherhub.Target{SocketID: one.SocketID}, "news", 1)
		expectOusted(t, one, "news")
		s.Publish("news", "e", "x")
		two.Expect("e")
		one.ExpectQuiet()
	})
	t.Run("nobody", func(t *testing.T) {
		c := s.Dial(t)
		takeOut(t, s, pusherhub.Target{SocketID: c.SocketID}, "news", 0)
		takeOut(t, s, pusherhub.Target{UserID: "nobody"}, "news", 0)
		c.ExpectQuiet()
	})
	t.Run("refused", func(t *testing.T) {
		_, err := s.Hub.Unsubscribe(t.Context(), hubtest.AppID, pusherhub.Target{IP: "127.0.0.1"}, "news")
		refusedWith(t, err, http.StatusBadRequest, "found ip, expected socket_id or user")
		_, err = s.Hub.Unsubscribe(t.Context(), hubtest.AppID, pusherhub.Target{UserID: "7"}, "")
		refusedWith(t, err, http.StatusBadRequest, `channel: found "": The channel name is empty.`)
	})
}

func TestTakeOutWithoutTerminateByPresence(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{TerminateByPresence: new(false), SubscriptionErrorFrames: "subscription_error"})
	c := s.Join(t, "presence-x", `{"user_id":"7"}`)
	c.Subscribe("news")
	takeOut(t, s, pusherhub.Target{UserID: "7"}, "news", 0) // nothing says that the socket is this user's elsewhere
	takeOut(t, s, pusherhub.Target{UserID: "7"}, "presence-x", 1)
	if f := c.Expect("pusher:subscription_error"); f.Channel != "presence-x" {
		t.Errorf("found %s, expected channel presence-x", f.Raw)
	}
	c.ExpectQuiet()
}

func TestTakeOutOverTLS(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	web := httptest.NewTLSServer(s.Hub)
	t.Cleanup(web.Close)
	s.URL, s.Client = web.URL, web.Client()
	c := s.Dial(t)
	for range 3 {
		c.Subscribe("news")
		takeOut(t, s, pusherhub.Target{SocketID: c.SocketID}, "news", 1)
		expectOusted(t, c, "news")
		c.ExpectQuiet()
	}
}
