package pusherhub_test

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestUsers(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	users := func(t *testing.T, channel, want string) {
		t.Helper()
		get("", "/channels/"+channel+"/users", "-", 200, want).expect(t, s)
	}

	t.Run("T47 users once each, ids are strings", func(t *testing.T) {
		s.Join(t, "presence-a", `{"user_id":10}`)
		s.Join(t, "presence-a", `{"user_id":"10","user_info":{"n":1}}`)
		s.Join(t, "presence-a", `{"user_id":"é\"<"}`)
		users(t, "presence-a", `{"users":[{"id":"10"},{"id":"é\"<"}]}`)
	})

	t.Run("T47 users until the last socket is gone", func(t *testing.T) {
		first, second := s.Join(t, "presence-b", `{"user_id":"1"}`), s.Join(t, "presence-b", `{"user_id":"1"}`)
		witness := s.Join(t, "presence-b", `{"user_id":"2"}`)
		first.Close()
		users(t, "presence-b", `{"users":[{"id":"1"},{"id":"2"}]}`)
		second.Close()
		witness.Expect("pusher_internal:member_removed")
		users(t, "presence-b", `{"users":[{"id":"2"}]}`)
	})

	t.Run("T47 users who signed in", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"signed"}`)
		c.SubscribeWith("presence-c", s.Auth(c, "presence-c", ""), "")
		users(t, "presence-c", `{"users":[{"id":"signed"}]}`)
	})

	t.Run("T48 empty objects, users of a vacated channel", func(t *testing.T) {
		c := s.Join(t, "presence-d", `{"user_id":"1"}`)
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-d"}}`)
		c.ExpectQuiet()
		users(t, "presence-d", `{"users":[]}`)
		users(t, "presence-cache-d", `{"users":[]}`)
	})

	for _, channel := range []string{"public", "private-x", "private-encrypted-x", "cache-x", "presencex"} {
		t.Run("T50 users of "+channel, func(t *testing.T) {
			get("", "/channels/"+channel+"/users", "-", 400, "Users can only be listed for presence channels.").expect(t, s)
		})
	}

	// Laravel Pulse draws its curve from this answer.
	t.Run("T47 connections are all open sockets, whatever they are on and whoever they are", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{MaxConnections: 5, Compression: new(true)})
		s.Dial(t) // subscribed to nothing
		busy := s.Dial(t)
		for _, channel := range []string{"a", "b", "cache-c"} {
			busy.Send(hubtest.SubscribeFrame(channel, "", ""))
		}
		s.Join(t, "presence-a", `{"user_id":"1"}`)
		s.Join(t, "presence-a", `{"user_id":"1"}`) // another tab of the same user
		s.Signin(t, s.Dial(t), `{"id":"1"}`)
		for _, key := range []string{s.App.Key, "unknown"} {
			refused := s.Open(t, key, "", nil) // the one too many, and the stranger, are told so on sockets that are none of the app's
			refused.Expect("pusher:error")
		}
		get("", "/connections", "-", 200, `{"connections":5}`).expect(t, s)
		skipToPong(busy)
		if n := s.Hub.Stats().Apps[hubtest.AppID].Connections; n != 5 {
			t.Errorf("the figures say %d sockets, expected 5", n)
		}
	})

	t.Run("T47 connections", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		a := s.Dial(t)
		s.Dial(t).Subscribe("c")
		get("", "/connections", "-", 200, `{"connections":2}`).expect(t, s)
		a.Close()
		hubtest.Eventually(t, "the socket to be gone", func() bool {
			_, answer, _ := s.Do("GET", "/connections", "", nil)
			return answer == `{"connections":1}`
		})
	})
}
