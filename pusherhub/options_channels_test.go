package pusherhub_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// fits shows whether a subscribe to that channel succeeds.
func fits(channel string, want bool) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		c.Send(hubtest.SubscribeFrame(channel, "", ""))
		if f := c.Next(); (f.Event == "pusher_internal:subscription_succeeded") != want {
			t.Errorf("found %s, expected success %t", f.Raw, want)
		}
	}
}

// whispers shows what the other socket on channel gets of a client event, or that it gets nothing.
func whispers(channel, rest, want string) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		a, b := s.Dial(t), s.Dial(t)
		joinPrivate(s, a, channel)
		joinPrivate(s, b, channel)
		a.Send(whisper(channel, rest))
		if want != "" {
			b.ExpectRaw(want)
			return
		}
		a.Expect("pusher:error")
		b.ExpectQuiet()
	}
}

// secondUser shows whether a second user fits on a presence channel.
func secondUser(fits bool) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		s.Join(t, "presence-room", `{"user_id":"1"}`)
		c := s.Dial(t)
		join(s, c, `{"user_id":"2"}`)
		if f := c.Next(); (f.Event == "pusher_internal:subscription_succeeded") != fits {
			t.Errorf("found %s, expected success %t", f.Raw, fits)
		}
	}
}

// terminated shows the close code of a socket on which user 7 is, signed in or only as a presence member. Zero: none.
func terminated(signedIn bool, code int) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		c := s.Join(t, "presence-room", `{"user_id":"7"}`)
		if signedIn {
			s.Signin(t, c, `{"id":"7"}`)
		}
		if status, answer, _ := s.Do(http.MethodPost, "/users/7/terminate_connections", "{}", nil); status != http.StatusOK {
			t.Fatalf("found %d %s", status, answer)
		}
		if code == 0 {
			c.ExpectQuiet()
			return
		}
		c.ExpectClose(code)
	}
}

// lasts shows whether a cached event is there after d.
func lasts(d time.Duration, want bool) func(t *testing.T, s *hubtest.Server) {
	return func(t *testing.T, s *hubtest.Server) {
		s.Publish("cache-x", "e", "d")
		later(d)
		text := cacheMiss("cache-x")
		if want {
			text = cached("e", "cache-x", "d")
		}
		expectSecond(t, s, "cache-x", text)
	}
}

const privateObject = `,"data":{"a":1}`

var channelOptions = []optionCase{
	{"previous_secrets", "one", pusherhub.AppConfig{PreviousSecrets: []string{"older"}}, func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		c.SubscribeWith("private-x", s.App.Key+":"+hubtest.Sign("older", c.SocketID+":private-x"), "")
	}},
	{"previous_secrets", "none", pusherhub.AppConfig{}, func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		c.Send(hubtest.SubscribeFrame("private-x", s.App.Key+":"+hubtest.Sign("older", c.SocketID+":private-x"), ""))
		c.ExpectRaw(subscriptionRefused("private-x"))
	}},
	{"max_channel_name_length", "3", pusherhub.AppConfig{MaxChannelNameLength: 3}, fits("abcd", false)},
	{"max_channel_name_length", "4", pusherhub.AppConfig{MaxChannelNameLength: 4}, fits("abcd", true)},
	{"channel_charset", "strict", pusherhub.AppConfig{ChannelCharset: "strict"}, fits("a:b", false)},
	{"channel_charset", "any", pusherhub.AppConfig{ChannelCharset: "any"}, fits("a:b", true)},
	{"max_presence_members", "1", pusherhub.AppConfig{MaxPresenceMembers: 1}, secondUser(false)},
	{"max_presence_members", "2", pusherhub.AppConfig{MaxPresenceMembers: 2}, secondUser(true)},
	{"max_member_bytes", "14", pusherhub.AppConfig{MaxMemberBytes: 14}, func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		join(s, c, `{"user_id":"1"}`)
		c.Expect("pusher:subscription_error")
	}},
	{"max_member_bytes", "15", pusherhub.AppConfig{MaxMemberBytes: 15}, func(t *testing.T, s *hubtest.Server) { s.Join(t, "presence-room", `{"user_id":"1"}`) }},
	{"accept_client_events_from", "members", pusherhub.AppConfig{AcceptClientEventsFrom: "members"}, whispers("private-x", "", whisper("private-x", `,"data":null`))},
	{"accept_client_events_from", "none", pusherhub.AppConfig{AcceptClientEventsFrom: "none"}, whispers("private-x", "", "")},
	{"accept_client_events_from", "all", pusherhub.AppConfig{AcceptClientEventsFrom: "all"}, func(t *testing.T, s *hubtest.Server) {
		a, b := s.Dial(t), s.Dial(t)
		b.Subscribe("news")
		a.Send(whisper("news", ""))
		b.Expect("client-x")
	}},
	{"client_events_on_public", "on", pusherhub.AppConfig{ClientEventsOnPublic: new(true)}, whispers("news", "", whisper("news", `,"data":null`))},
	{"client_events_on_public", "off", pusherhub.AppConfig{ClientEventsOnPublic: new(false)}, whispers("news", "", "")},
	{"client_event_data", "string", pusherhub.AppConfig{ClientEventData: "string"}, whispers("private-x", privateObject, whisper("private-x", `,"data":"{\"a\":1}"`))},
	{"client_event_data", "verbatim", pusherhub.AppConfig{ClientEventData: "verbatim"}, whispers("private-x", privateObject, whisper("private-x", privateObject))},
	{"max_event_data", "6", pusherhub.AppConfig{MaxEventData: 6}, whispers("private-x", privateObject, "")},
	{"max_event_data", "7", pusherhub.AppConfig{MaxEventData: 7}, whispers("private-x", privateObject, whisper("private-x", `,"data":"{\"a\":1}"`))},
	{"max_client_events_per_second", "1", pusherhub.AppConfig{MaxClientEventsPerSecond: 1}, func(t *testing.T, s *hubtest.Server) {
		a := s.Dial(t)
		a.Subscribe("news")
		a.Send(whisper("news", ""))
		a.ExpectQuiet()
		a.Send(whisper("news", ""))
		a.ExpectRaw(rateLimited)
	}},
	{"max_client_events_per_second", "unlimited", pusherhub.AppConfig{MaxClientEventsPerSecond: pusherhub.Unlimited}, func(t *testing.T, s *hubtest.Server) {
		a := s.Dial(t)
		a.Subscribe("news")
		a.Send(whisper("news", ""))
		a.Send(whisper("news", ""))
		a.ExpectQuiet()
	}},
	{"terminate_code", "4009", pusherhub.AppConfig{TerminateCode: 4009}, terminated(true, 4009)},
	{"terminate_code", "4200", pusherhub.AppConfig{TerminateCode: 4200}, terminated(true, 4200)},
	{"terminate_by_presence", "on", pusherhub.AppConfig{TerminateByPresence: new(true)}, terminated(false, 4009)},
	{"terminate_by_presence", "off", pusherhub.AppConfig{TerminateByPresence: new(false)}, terminated(false, 0)},
	{"close_on_failed_signin", "on", pusherhub.AppConfig{CloseOnFailedSignin: new(true)}, func(t *testing.T, s *hubtest.Server) {
		c := dialRaw(t, s, "")
		c.send(`{"event":"pusher:signin","data":{}}`)
		c.expectRefusal(4009, "Connection not authorized.")
	}},
	{"close_on_failed_signin", "off", pusherhub.AppConfig{CloseOnFailedSignin: new(false)}, answers(`{"event":"pusher:signin","data":{}}`, notAuthorized)},
	{"watchlist", "on", pusherhub.AppConfig{Watchlist: new(true)}, func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7","watchlist":["8"]}`)
		c.Expect("pusher_internal:watchlist_events")
	}},
	{"watchlist", "off", pusherhub.AppConfig{Watchlist: new(false)}, func(t *testing.T, s *hubtest.Server) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7","watchlist":["8"]}`)
		c.ExpectQuiet()
	}},
	{"subscription_count", "on", pusherhub.AppConfig{SubscriptionCount: new(true)}, answers(hubtest.SubscribeFrame("news", "", ""), succeeded("news"), subscriptionCount("news", 1))},
	{"subscription_count", "off", pusherhub.AppConfig{SubscriptionCount: new(false)}, answers(hubtest.SubscribeFrame("news", "", ""), succeeded("news"))},
	{"cache_ttl", "1m", pusherhub.AppConfig{CacheTTL: pusherhub.Duration(time.Minute)}, lasts(time.Minute, false)},
	{"cache_ttl", "2m", pusherhub.AppConfig{CacheTTL: pusherhub.Duration(2 * time.Minute)}, lasts(time.Minute, true)},
	{"subscription_error_frames", "pusher_error", pusherhub.AppConfig{SubscriptionErrorFrames: "pusher_error"}, answers(hubtest.SubscribeFrame("private-x", "", ""), connectionUnauthorized)},
	{"subscription_error_frames", "subscription_error", pusherhub.AppConfig{SubscriptionErrorFrames: "subscription_error"}, answers(hubtest.SubscribeFrame("private-x", "", ""), subscriptionRefused("private-x"))},
	{"subscription_error_frames", "both", pusherhub.AppConfig{SubscriptionErrorFrames: "both"}, answers(hubtest.SubscribeFrame("private-x", "", ""), subscriptionRefused("private-x"), connectionUnauthorized)},
}
