package pusherhub_test

import (
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func get(name, path, info string, status int, answer string) call {
	c := call{name: name, method: "GET", path: path, status: status, answer: answer}
	if info != "-" {
		c.params = url.Values{"info": {info}}
	}
	return c
}

// Nobody is connected: every answer is an object all the same, because PHP reads it as one.
func TestEmptyAnswers(t *testing.T) {
	for _, profile := range []string{pusherhub.CompatReverb, pusherhub.CompatPusher} {
		runCalls(t, "T48 empty objects "+profile+", ", pusherhub.AppConfig{Compat: profile}, []call{
			get("channels", "/channels", "-", 200, `{"channels":{}}`),
			{name: "channels with a filter", method: "GET", path: "/channels", params: url.Values{"filter_by_prefix": {"presence-"}, "info": {"user_count"}}, status: 200, answer: `{"channels":{}}`},
			get("channel", "/channels/c", "-", 200, `{"occupied":false}`),
			get("channel, info empty", "/channels/c", "", 200, `{"occupied":false}`),
			get("users", "/channels/presence-c/users", "-", 200, `{"users":[]}`),
			{name: "trigger", method: "POST", path: "/events", body: oneEvent, status: 200, answer: `{}`},
			{name: "trigger, info empty", method: "POST", path: "/events", body: `{"name":"e","data":"1","channel":"c","info":""}`, status: 200, answer: `{}`},
			{name: "batch", method: "POST", path: "/batch_events", body: `{"batch":[` + oneEvent + `]}`, status: 200, answer: `{}`},
			{name: "terminate", method: "POST", path: "/users/7/terminate_connections", status: 200, answer: `{}`},
			{name: "terminate with a body", method: "POST", path: "/users/7/terminate_connections", body: "[]", status: 200, answer: `{}`},
			{name: "deprecated trigger", method: "POST", path: "/channels/c/events", params: url.Values{"name": {"e"}}, body: "1", status: 202, answer: `{}`},
			get("connections", "/connections", "-", 200, `{"connections":0}`),
		})
	}
}

// crowd occupies public (2 subscriptions), private-x (1), presence-x (3 subscriptions, 2 users), cache-x (1), presence-cache-x (1).
func crowd(t *testing.T, s *hubtest.Server) {
	t.Helper()
	a, b := s.Dial(t), s.Dial(t)
	a.Subscribe("public")
	b.Subscribe("public")
	a.SubscribeWith("private-x", s.Auth(a, "private-x", ""), "")
	s.Join(t, "presence-x", `{"user_id":"1"}`)
	s.Join(t, "presence-x", `{"user_id":"1"}`)
	s.Join(t, "presence-x", `{"user_id":2}`)
	a.Subscribe("cache-x")
	s.Join(t, "presence-cache-x", `{"user_id":"1"}`)
}

func TestChannelInfo(t *testing.T) {
	for _, p := range []struct {
		profile string
		calls   []call
	}{
		{pusherhub.CompatReverb, []call{
			get("channels", "/channels", "-", 200, `{"channels":{"cache-x":{},"presence-cache-x":{},"presence-x":{},"private-x":{},"public":{}}}`),
			get("channels, user_count", "/channels", "user_count", 200, `{"channels":{"cache-x":{},"presence-cache-x":{"user_count":1},"presence-x":{"user_count":2},"private-x":{},"public":{}}}`),
			get("channels, all", "/channels", "subscription_count,user_count,cache,other", 200, `{"channels":{"cache-x":{"subscription_count":1},"presence-cache-x":{"user_count":1},`+
				`"presence-x":{"user_count":2},"private-x":{"subscription_count":1},"public":{"subscription_count":2}}}`),
			get("public", "/channels/public", "subscription_count", 200, `{"occupied":true,"subscription_count":2}`),
			get("public, not applicable", "/channels/public", "user_count,cache", 200, `{"occupied":true}`),
			get("unknown attribute", "/channels/public", "other", 200, `{"occupied":true}`),
			get("presence", "/channels/presence-x", "user_count", 200, `{"occupied":true,"user_count":2}`),
			get("presence, both", "/channels/presence-x", "user_count,subscription_count", 200, `{"occupied":true,"user_count":2}`),
			get("cache, empty", "/channels/cache-x", "cache,subscription_count", 200, `{"occupied":true,"subscription_count":1,"cache":null}`),
			get("unoccupied presence", "/channels/presence-y", "user_count", 200, `{"occupied":false,"user_count":0}`),
			get("unoccupied", "/channels/y", "subscription_count", 200, `{"occupied":false,"subscription_count":0}`),
			get("bad name", "/channels/a%20b", "-", 422, `{"channel":["The channel name may only hold letters, digits and _ - = @ , . ; characters."]}`),
		}},
		{pusherhub.CompatPusher, []call{
			get("channels, user_count without the prefix", "/channels", "user_count", 400, "user_count may only be asked for with filter_by_prefix presence-."),
			get("channels, unknown attribute", "/channels", "other", 400, `Unknown attribute "other" in info.`),
			get("channels, subscription_count", "/channels", "subscription_count", 200, `{"channels":{"cache-x":{"subscription_count":1},"presence-cache-x":{},"presence-x":{},"private-x":{"subscription_count":1},"public":{"subscription_count":2}}}`),
			get("public", "/channels/public", "subscription_count", 200, `{"occupied":true,"subscription_count":2}`),
			get("public, not applicable", "/channels/public", "user_count", 400, "The attribute user_count does not apply to channel public."),
			get("presence, both", "/channels/presence-x", "user_count,subscription_count", 400, "The attribute subscription_count does not apply to channel presence-x."),
			get("no cache channel", "/channels/public", "cache", 400, "The attribute cache does not apply to channel public."),
			get("unknown attribute", "/channels/public", "other", 400, `Unknown attribute "other" in info.`),
			get("unoccupied presence", "/channels/presence-y", "user_count", 200, `{"occupied":false,"user_count":0}`),
			get("bad name", "/channels/a%20b", "-", 400, "The channel name may only hold letters, digits and _ - = @ , . ; characters."),
		}},
	} {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: p.profile})
		crowd(t, s)
		for _, c := range p.calls {
			t.Run("T49 "+p.profile+", "+c.name, func(t *testing.T) { c.expect(t, s) })
		}
		t.Run("T49 "+p.profile+", channels with a filter", func(t *testing.T) {
			call{
				method: "GET", path: "/channels", params: url.Values{"filter_by_prefix": {"presence-"}, "info": {"user_count"}},
				status: 200, answer: `{"channels":{"presence-cache-x":{"user_count":1},"presence-x":{"user_count":2}}}`,
			}.expect(t, s)
		})
		t.Run("T49 "+p.profile+", HEAD", func(t *testing.T) {
			target := s.SignedURL("HEAD", "/apps/app-id/channels", "", nil)
			if status, answer := send(t, s, "HEAD", target, ""); status != 200 || answer != "" {
				t.Errorf("found %d %q, expected 200 and no body", status, answer)
			}
		})
	}
}

func TestEventInfo(t *testing.T) {
	const inapplicable = "The attribute user_count does not apply to channel public."
	for _, p := range []struct {
		profile string
		calls   []call
	}{
		{pusherhub.CompatReverb, []call{
			{
				name: "several channels", path: "/events", body: `{"name":"e","data":"1","channels":["public","presence-x","nobody","presence-y"],"info":"user_count,subscription_count,other"}`, status: 200,
				answer: `{"channels":{"public":{"subscription_count":2},"presence-x":{"user_count":2},"nobody":{"subscription_count":0},"presence-y":{"user_count":0}}}`,
			},
			{name: "channel of a user", path: "/events", body: `{"name":"e","data":"1","channel":"#server-to-user-7","info":"user_count,subscription_count"}`, status: 200, answer: `{"channels":{"#server-to-user-7":{}}}`},
			{name: "nothing applies", path: "/events", body: `{"name":"e","data":"1","channel":"public","info":"user_count"}`, status: 200, answer: `{"channels":{"public":{}}}`},
		}},
		{pusherhub.CompatPusher, []call{
			{name: "one channel", path: "/events", body: `{"name":"e","data":"1","channel":"presence-x","info":"user_count"}`, status: 200, answer: `{"channels":{"presence-x":{"user_count":2}}}`},
			{name: "not applicable to one of two", path: "/events", body: `{"name":"e","data":"1","channels":["presence-x","public"],"info":"user_count"}`, status: 400, answer: inapplicable},
			{name: "unknown attribute", path: "/events", body: `{"name":"e","data":"1","channel":"public","info":"other"}`, status: 400, answer: `Unknown attribute "other" in info.`},
		}},
	} {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: p.profile})
		crowd(t, s)
		for _, c := range p.calls {
			c.method = "POST"
			t.Run("T49 trigger "+p.profile+", "+c.name, func(t *testing.T) { c.expect(t, s) })
		}
	}
}

func TestCacheInfo(t *testing.T) {
	for _, profile := range []string{pusherhub.CompatReverb, pusherhub.CompatPusher} {
		t.Run("T49 cache "+profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Compat: profile})
				s.Publish("cache-x", "e", `{"a":"\"<é"}`)
				later(time.Minute + time.Millisecond)
				get("", "/channels/cache-x", "cache", 200, `{"occupied":false,"cache":{"data":"{\"a\":\"\\\"<é\"}","ttl":1739}}`).expect(t, s)
				get("", "/channels", "-", 200, `{"channels":{}}`).expect(t, s) // kept, not occupied
				later(30 * time.Minute)
				get("", "/channels/cache-x", "cache", 200, `{"occupied":false,"cache":null}`).expect(t, s)
			})
		})
	}
}

func TestChannelNamesInPaths(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	odd := s.Dial(t)
	odd.Subscribe("a@b,c;d=e.f")
	for _, path := range []string{"/channels/a@b,c;d=e.f", "/channels/a%40b%2Cc%3Bd%3De.f", "/channels/%61%40b%2cc%3bd%3de%2ef"} {
		t.Run("T49 "+path, func(t *testing.T) {
			get("", path, "-", 200, `{"occupied":true}`).expect(t, s)
		})
	}
	t.Run("T49 decoded once", func(t *testing.T) {
		get("", "/channels/a%2540b", "-", 422, `{"channel":["The channel name may only hold letters, digits and _ - = @ , . ; characters."]}`).expect(t, s)
	})
	t.Run("T49 escaped slash with channel_charset any", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{ChannelCharset: "any"})
		c := s.Dial(t)
		c.Subscribe("a/b c")
		get("", "/channels/a%2Fb%20c", "-", 200, `{"occupied":true}`).expect(t, s)
		get("", "/channels", "-", 200, `{"channels":{"a/b c":{}}}`).expect(t, s)
	})
}

func TestDeprecatedStats(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	crowd(t, s)
	for _, c := range []call{
		get("stats of a public channel", "/channels/public/stats", "-", 200, `{"occupied":true,"connection_count":2}`),
		get("stats of a presence channel", "/channels/presence-x/stats", "-", 200, `{"occupied":true,"user_count":2,"connection_count":3}`),
		get("stats of nobody", "/channels/presence-y/stats", "-", 200, `{"occupied":false,"user_count":0,"connection_count":0}`),
	} {
		t.Run("T55 "+c.name, func(t *testing.T) { c.expect(t, s) })
	}
}
