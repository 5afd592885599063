package pusherhub_test

import (
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// present is the answer to a subscribe on the presence channel room: data is written without its escapes.
func present(data string) string {
	return `{"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":"` + strings.ReplaceAll(data, `"`, `\"`) + `"}`
}

func memberAdded(data string) string {
	return `{"event":"pusher_internal:member_added","channel":"presence-room","data":"` + strings.ReplaceAll(data, `"`, `\"`) + `"}`
}

func memberRemoved(userID string) string {
	return `{"event":"pusher_internal:member_removed","channel":"presence-room","data":"{\"user_id\":\"` + userID + `\"}"}`
}

// join subscribes c to the presence channel room without expecting anything.
func join(s *hubtest.Server, c *hubtest.Client, channelData string) {
	c.Send(hubtest.SubscribeFrame("presence-room", s.Auth(c, "presence-room", channelData), channelData))
}

const leaveRoom = `{"event":"pusher:unsubscribe","data":{"channel":"presence-room"}}`

func TestPresence(t *testing.T) {
	config := pusherhub.AppConfig{}
	t.Run("T17 presence snapshot shape", func(t *testing.T) {
		s := hubtest.NewServer(t, config)
		a, b := s.Dial(t), s.Dial(t)
		join(s, a, `{"user_id":"1","user_info":{"name":"Zoë"}}`)
		a.ExpectRaw(present(`{"presence":{"count":1,"ids":["1"],"hash":{"1":{"name":"Zoë"}}}}`))
		join(s, b, `{"user_id":"0","user_info":[1]}`) // ids such as 0, 1 make no list
		b.ExpectRaw(present(`{"presence":{"count":2,"ids":["1","0"],"hash":{"1":{"name":"Zoë"},"0":[1]}}}`))
		a.ExpectRaw(memberAdded(`{"user_id":"0","user_info":[1]}`))
		b.ExpectQuiet()
		a.ExpectQuiet()
	})
	t.Run("T17 user_info is passed through as it was written", func(t *testing.T) {
		for _, info := range []string{`true`, `"x"`, `5`, `1.10e1`, `{"b":1,"a":{ "x":[ ] }}`, `{"big":12345678901234567890}`, `"<&>"`} {
			s := hubtest.NewServer(t, config)
			a, b := s.Dial(t), s.Dial(t)
			join(s, a, `{"user_id":"1"}`)
			a.Next()
			join(s, b, `{"user_info": `+info+` , "user_id":"2"}`)
			b.ExpectRaw(present(`{"presence":{"count":2,"ids":["1","2"],"hash":{"1":{},"2":` + info + `}}}`))
			a.ExpectRaw(memberAdded(`{"user_id":"2","user_info":` + info + `}`))
		}
	})
	t.Run("T18 second tab: no added/removed", func(t *testing.T) {
		s := hubtest.NewServer(t, config)
		other := s.Join(t, "presence-room", `{"user_id":"9"}`)
		first, second := s.Dial(t), s.Dial(t)
		join(s, first, `{"user_id":"1"}`)
		first.Next()
		other.ExpectRaw(memberAdded(`{"user_id":"1","user_info":{}}`))
		join(s, second, `{"user_id":"1"}`)
		second.ExpectRaw(present(`{"presence":{"count":2,"ids":["9","1"],"hash":{"9":{},"1":{}}}}`))
		second.Send(leaveRoom)
		second.ExpectQuiet()
		first.ExpectQuiet()
		other.ExpectQuiet()
	})
	t.Run("T19 last tab: one removed", func(t *testing.T) {
		s := hubtest.NewServer(t, config)
		other := s.Join(t, "presence-room", `{"user_id":"9"}`)
		first := s.Join(t, "presence-room", `{"user_id":"1"}`)
		second := s.Join(t, "presence-room", `{"user_id":"1"}`)
		other.Expect("pusher_internal:member_added")
		first.Close()
		second.Send(leaveRoom)
		second.ExpectQuiet()
		other.ExpectRaw(memberRemoved("1"))
		other.ExpectQuiet()
	})
	t.Run("T19 last tab that just vanishes", func(t *testing.T) {
		s := hubtest.NewServer(t, config)
		other := s.Join(t, "presence-room", `{"user_id":"9"}`)
		only := s.Join(t, "presence-room", `{"user_id":"1"}`)
		other.Expect("pusher_internal:member_added")
		_ = only.WS.CloseNow()
		other.ExpectRaw(memberRemoved("1"))
		other.ExpectQuiet()
	})
	t.Run("T20 numeric user_id -> string everywhere, row 9", func(t *testing.T) {
		for _, id := range []string{"10", "0", "-1", "12345678901234567890", "1.50"} {
			s := hubtest.NewServer(t, config)
			a, b := s.Dial(t), s.Dial(t)
			join(s, a, `{"user_id":"x"}`)
			a.Next()
			join(s, b, `{"user_id":`+id+`}`)
			b.ExpectRaw(present(`{"presence":{"count":2,"ids":["x","` + id + `"],"hash":{"x":{},"` + id + `":{}}}}`))
			a.ExpectRaw(memberAdded(`{"user_id":"` + id + `","user_info":{}}`))
			b.Send(`{"event":"client-e","channel":"presence-room","data":"x"}`)
			a.ExpectRaw(`{"event":"client-e","channel":"presence-room","data":"x","user_id":"` + id + `"}`)
			b.Close()
			a.ExpectRaw(memberRemoved(id))
		}
	})
	t.Run("T20 10 and \"10\" are one user", func(t *testing.T) {
		s := hubtest.NewServer(t, config)
		a := s.Join(t, "presence-room", `{"user_id":10}`)
		b := s.Dial(t)
		join(s, b, `{"user_id":"10"}`)
		b.ExpectRaw(present(`{"presence":{"count":1,"ids":["10"],"hash":{"10":{}}}}`))
		a.ExpectQuiet()
	})
	for name, info := range map[string]string{"missing": ``, "null": `,"user_info":null`} {
		t.Run("T21 user_info "+name+" -> {}", func(t *testing.T) {
			s := hubtest.NewServer(t, config)
			a, b := s.Dial(t), s.Dial(t)
			join(s, a, `{"user_id":"1"`+info+`}`)
			a.ExpectRaw(present(`{"presence":{"count":1,"ids":["1"],"hash":{"1":{}}}}`))
			join(s, b, `{"user_id":"2"`+info+`}`)
			b.Next()
			a.ExpectRaw(memberAdded(`{"user_id":"2","user_info":{}}`))
		})
	}
	t.Run("T23 duplicate subscribe on a presence channel", func(t *testing.T) {
		s := hubtest.NewServer(t, config)
		other := s.Join(t, "presence-room", `{"user_id":"9"}`)
		c := s.Dial(t)
		join(s, c, `{"user_id":"1","user_info":"old"}`)
		c.Next()
		other.Expect("pusher_internal:member_added")
		join(s, c, `{"user_id":"1","user_info":"new"}`)
		c.ExpectRaw(present(`{"presence":{"count":2,"ids":["9","1"],"hash":{"9":{},"1":"new"}}}`))
		other.ExpectQuiet()
		join(s, c, `{"user_id":"2"}`) // another user: the old one leaves
		other.ExpectRaw(memberRemoved("1"))
		other.ExpectRaw(memberAdded(`{"user_id":"2","user_info":{}}`))
		c.ExpectRaw(present(`{"presence":{"count":2,"ids":["9","2"],"hash":{"9":{},"2":{}}}}`))
	})
	t.Run("unsubscribe and subscribe again on one socket: removed, added, in order", func(t *testing.T) {
		s := hubtest.NewServer(t, config)
		other := s.Join(t, "presence-room", `{"user_id":"9"}`)
		c := s.Join(t, "presence-room", `{"user_id":"1"}`)
		other.Expect("pusher_internal:member_added")
		for range 20 {
			c.Send(leaveRoom)
			join(s, c, `{"user_id":"1"}`)
			c.Expect("pusher_internal:subscription_succeeded")
			other.ExpectRaw(memberRemoved("1"))
			other.ExpectRaw(memberAdded(`{"user_id":"1","user_info":{}}`))
		}
		other.ExpectQuiet()
	})
	t.Run("the oldest live socket's user_info counts", func(t *testing.T) {
		s := hubtest.NewServer(t, config)
		first := s.Join(t, "presence-room", `{"user_id":"1","user_info":"first"}`)
		second := s.Join(t, "presence-room", `{"user_id":"1","user_info":"second"}`)
		join(s, second, `{"user_id":"1","user_info":"second again"}`)
		second.ExpectRaw(present(`{"presence":{"count":1,"ids":["1"],"hash":{"1":"first"}}}`))
		first.Send(leaveRoom)
		first.ExpectQuiet()
		join(s, second, `{"user_id":"1","user_info":"second at last"}`)
		second.ExpectRaw(present(`{"presence":{"count":1,"ids":["1"],"hash":{"1":"second at last"}}}`))
	})
}

func TestPresenceRefused(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	for _, data := range []string{
		`{"user_info":{}}`, `{"user_id":""}`, `{"user_id":null}`, `{"user_id":true}`, `{"user_id":{}}`, `{"user_id":["1"]}`,
		`not json`, `"1"`, `[]`, `1`, `{"user_id":"1"`, `{"user_id":"1"}x`, `{"user_id":01}`,
	} {
		t.Run("T20 refused although signed: "+data, func(t *testing.T) {
			c := s.Dial(t)
			join(s, c, data)
			c.ExpectRaw(subscriptionRefused("presence-room"))
			c.ExpectRaw(connectionUnauthorized)
			c.ExpectQuiet()
		})
	}
	t.Run("user_id of 128 characters and of 129", func(t *testing.T) {
		id := strings.Repeat("é", 129)
		c := s.Dial(t)
		join(s, c, `{"user_id":"`+id+`"}`)
		if f := c.Expect("pusher:subscription_error"); !strings.Contains(f.Raw, `"type":"InvalidPayload"`) {
			t.Errorf("found %s", f.Raw)
		}
		c.ExpectError(4009)
		join(s, c, `{"user_id":"`+id[:256]+`"}`)
		c.Expect("pusher_internal:subscription_succeeded")
	})
}

func TestPresenceLimits(t *testing.T) {
	full := `{"event":"pusher:subscription_error","channel":"presence-room","data":{"type":"LimitReached","error":"The maximum members per presence channel limit was reached","status":403}}`
	t.Run("option max_presence_members counts users, not sockets", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{MaxPresenceMembers: 2})
		a := s.Join(t, "presence-room", `{"user_id":"1"}`)
		s.Join(t, "presence-room", `{"user_id":"2"}`)
		s.Join(t, "presence-room", `{"user_id":"2"}`)
		c := s.Dial(t)
		join(s, c, `{"user_id":"3"}`)
		c.ExpectRaw(full)
		if text := c.ExpectError(4200); text != "The maximum members per presence channel limit was reached" {
			t.Errorf("found error %q", text)
		}
		a.Expect("pusher_internal:member_added")
		a.ExpectQuiet()
		a.Send(leaveRoom)
		a.ExpectQuiet()
		join(s, c, `{"user_id":"3"}`)
		c.Expect("pusher_internal:subscription_succeeded")
	})
	t.Run("without a limit in profile reverb, 100 in profile pusher", func(t *testing.T) {
		for compat, limit := range map[string]int{"reverb": 101, "pusher": 100} {
			s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Compat: compat})
			fits := 0
			for i := range 101 {
				c := s.Dial(t)
				join(s, c, `{"user_id":`+strings.Repeat("1", i+1)+`}`)
				if c.Next().Event == "pusher_internal:subscription_succeeded" {
					fits++
				}
			}
			if fits != limit {
				t.Errorf("profile %s: found %d members, expected %d", compat, fits, limit)
			}
		}
	})
	t.Run("option max_member_bytes", func(t *testing.T) {
		for _, o := range []struct {
			config pusherhub.AppConfig
			limit  int
		}{
			{pusherhub.AppConfig{}, 10 << 10},
			{pusherhub.AppConfig{Compat: "pusher"}, 1 << 10},
			{pusherhub.AppConfig{MaxMemberBytes: 100}, 100},
		} {
			s := hubtest.NewServer(t, o.config)
			c := s.Dial(t)
			data := `{"user_id":"1","user_info":"INFO"}`
			data = strings.Replace(data, "INFO", strings.Repeat("x", o.limit-len(data)+4), 1)
			join(s, c, data+" ")
			if f := c.Expect("pusher:subscription_error"); !strings.Contains(f.Raw, `"type":"LimitReached"`) || !strings.Contains(f.Raw, `"status":403`) {
				t.Errorf("limit %d: found %s", o.limit, f.Raw)
			}
			c.Expect("pusher:error")
			join(s, c, data)
			c.Expect("pusher_internal:subscription_succeeded")
		}
	})
}

// Coming again as another user must not cost the seat if there is no room for the other.
func TestSubscribeAgainOnFullChannel(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{MaxPresenceMembers: 2})
	const channel = "presence-full"
	again := func(c *hubtest.Client, id string) {
		data := `{"user_id":"` + id + `"}`
		c.Send(hubtest.SubscribeFrame(channel, s.Auth(c, channel, data), data))
	}
	alone := s.Join(t, channel, `{"user_id":"alone"}`)
	tab := s.Join(t, channel, `{"user_id":"tabs"}`)
	alone.Expect("pusher_internal:member_added")
	s.Join(t, channel, `{"user_id":"tabs"}`)

	again(tab, "third") // the other tab keeps the seat of "tabs": there would be three
	tab.Expect("pusher:subscription_error")
	tab.ExpectError(4200)
	alone.ExpectQuiet()

	again(alone, "third") // gives up the seat of "alone"
	alone.Expect("pusher_internal:subscription_succeeded")
	tab.Expect("pusher_internal:member_removed")
	tab.Expect("pusher_internal:member_added")
}
