package pusherhub_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestRoster(t *testing.T) {
	t.Run("members of other nodes stand in the snapshot and come and go once", func(t *testing.T) {
		s, b := newRegistered(t, pusherhub.AppConfig{})
		b.rosters["presence-x"] = func(r *pusherhub.Roster) {
			r.Count, r.Members = 2, []pusherhub.Member{{UserID: "7", Info: []byte(`{"n":7}`), Since: 1}, {UserID: "8", Since: 1}}
		}
		c := s.Dial(t)
		data := c.SubscribeWith("presence-x", s.Auth(c, "presence-x", `{"user_id":"9"}`), `{"user_id":"9"}`).Text()
		for _, want := range []string{`"count":3`, `"7":{"n":7}`, `"8":{}`, `"9":{}`} {
			if !strings.Contains(data, want) {
				t.Errorf("found %s, expected %s in it", data, want)
			}
		}
		b.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Count: 3, Members: []pusherhub.Member{
			{UserID: "9", Since: 5}, {UserID: "7", Info: []byte(`{"n":70}`), Since: 1}, {UserID: "10", Info: []byte("broken"), Since: 1},
		}})
		if found := c.Expect("pusher_internal:member_added").Text(); found != `{"user_id":"10","user_info":{}}` {
			t.Errorf("found %s, expected that 10 came", found)
		}
		b.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Count: 1, Gone: []string{"7", "9", "11"}})
		if found := c.Expect("pusher_internal:member_removed").Text(); found != `{"user_id":"7"}` {
			t.Errorf("found %s, expected that 7 went", found)
		}
		b.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Full: true, Members: []pusherhub.Member{{UserID: "8"}}})
		if found := c.Expect("pusher_internal:member_removed").Text(); found != `{"user_id":"10"}` {
			t.Errorf("found %s, expected that 10 went", found)
		}
		c.ExpectQuiet()
	})

	t.Run("a user stays as long as any node has them, with the data of the oldest socket", func(t *testing.T) {
		s, b := newRegistered(t, pusherhub.AppConfig{})
		member := func(info string) *hubtest.Client {
			return s.Join(t, "presence-x", `{"user_id":"7","user_info":`+info+`}`)
		}
		snapshot := func(want string) {
			t.Helper()
			c := s.Dial(t)
			data := `{"user_id":"w"}`
			if found := c.SubscribeWith("presence-x", s.Auth(c, "presence-x", data), data).Text(); !strings.Contains(found, `"7":`+want) {
				t.Errorf("found %s, expected 7 with %s", found, want)
			}
		}
		watcher := s.Join(t, "presence-x", `{"user_id":"8"}`)
		first, second := member(`{"n":1}`), member(`{"n":2}`)
		watcher.Expect("pusher_internal:member_added")
		b.expect(t, "app: 3", "presence-x: 3", "presence-x/7 {\"n\":1}", "presence-x/8 ")
		snapshot(`{"n":1}`)
		watcher.Expect("pusher_internal:member_added") // w
		b.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Count: 1, Members: []pusherhub.Member{{UserID: "7", Info: []byte(`{"n":0}`), Since: 1}}})
		snapshot(`{"n":0}`)
		b.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Count: 1, Members: []pusherhub.Member{{UserID: "7", Info: []byte(`{"n":9}`), Since: time.Now().Add(time.Hour).UnixNano()}}})
		snapshot(`{"n":1}`)
		first.Close()
		b.expect(t, "app: 5", "presence-x: 5", "presence-x/7 {\"n\":2}", "presence-x/8 ", "presence-x/w ")
		second.Close()
		b.expect(t, "app: 4", "presence-x: 4", "presence-x/8 ", "presence-x/w ")
		watcher.ExpectQuiet()
		b.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Gone: []string{"7"}})
		watcher.Expect("pusher_internal:member_removed")
	})

	t.Run("what other nodes had is forgotten with the last subscriber", func(t *testing.T) {
		s, b := newRegistered(t, pusherhub.AppConfig{})
		b.rosters["presence-x"] = func(r *pusherhub.Roster) { r.Members = []pusherhub.Member{{UserID: "7"}} }
		c := s.Join(t, "presence-x", `{"user_id":"8"}`)
		c.Close()
		b.expectFollowed(t, nil, nil)
		b.setAway(true)
		c = s.Dial(t)
		data := `{"user_id":"9"}`
		if found := c.SubscribeWith("presence-x", s.Auth(c, "presence-x", data), data).Text(); !strings.Contains(found, `"count":1`) {
			t.Errorf("found %s, expected 9 alone", found)
		}
	})

	t.Run("counts are those of all nodes", func(t *testing.T) {
		recorder := hubtest.NewRecorder()
		s, b := newRegistered(t, pusherhub.AppConfig{SubscriptionCount: new(true), MaxPresenceMembers: 2, Plugins: []pusherhub.Plugin{recorder}})
		c := s.Dial(t)
		c.Subscribe("x")
		c.Expect("pusher_internal:subscription_count")
		b.node.Roster(pusherhub.Roster{Topic: onChannel("x"), Count: 4})
		if found := c.Expect("pusher_internal:subscription_count").Text(); found != `{"subscription_count":5}` {
			t.Errorf("found %s, expected 5", found)
		}
		var told []int
		for _, o := range recorder.Rest() {
			if o.Type == pusherhub.SubscriptionCount {
				told = append(told, o.Count)
			}
		}
		if len(told) != 1 || told[0] != 1 {
			t.Errorf("observers were told %v, expected only the count that changed here", told)
		}
		b.rosters["presence-x"] = func(r *pusherhub.Roster) { r.Members = []pusherhub.Member{{UserID: "7"}, {UserID: "8"}} }
		data := `{"user_id":"9"}`
		c.Send(hubtest.SubscribeFrame("presence-x", s.Auth(c, "presence-x", data), data))
		c.Expect("pusher:subscription_error")
	})

	t.Run("a user who is on another node, too, leaves no place behind", func(t *testing.T) {
		s, b := newRegistered(t, pusherhub.AppConfig{MaxPresenceMembers: 2})
		b.rosters["presence-x"] = func(r *pusherhub.Roster) { r.Members = []pusherhub.Member{{UserID: "7"}, {UserID: "8"}} }
		c := s.Join(t, "presence-x", `{"user_id":"7"}`)
		c.Send(hubtest.SubscribeFrame("presence-x", s.Auth(c, "presence-x", `{"user_id":"9"}`), `{"user_id":"9"}`))
		c.Expect("pusher:subscription_error")
	})

	t.Run("who got an event on another node is not one who got none", func(t *testing.T) {
		recorder := hubtest.NewRecorder()
		s, b := newRegistered(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{recorder}})
		b.says("there", pusherhub.Holding{Count: 1})
		s.Publish("there", "e", "1")
		s.Publish("nowhere", "e", "2")
		recorder.Expect(t, pusherhub.Observation{Type: pusherhub.Undelivered, App: hubtest.AppID, Channel: "nowhere", Event: "e", Data: "2"})
		b.setAway(true)
		s.Publish("nobody-knows", "e", "3")
		if rest := recorder.Rest(); len(rest) != 0 {
			t.Errorf("found %v, expected nothing: nobody knows", rest)
		}
	})

	t.Run("the API asks the register for what is not here", func(t *testing.T) {
		s, b := newRegistered(t, pusherhub.AppConfig{})
		until := time.Now().Add(time.Hour).UnixMilli()
		b.says("x", pusherhub.Holding{Count: 3})
		b.says("presence-x", pusherhub.Holding{Count: 3, Members: 2})
		b.says("cache-x", pusherhub.Holding{Cached: &pusherhub.Message{Cache: new("kept"), CacheUntil: until}})
		b.says("#server-to-user-7", pusherhub.Holding{Count: 3})
		b.onFollow[pusherhub.Topic{App: hubtest.AppID}] = 5
		s.Dial(t).Subscribe("here")
		for _, tc := range []struct{ path, info, want string }{
			{"/channels/x", "subscription_count", `{"occupied":true,"subscription_count":3}`},
			{"/channels/presence-x", "user_count", `{"occupied":true,"user_count":2}`},
			{"/channels/cache-x", "cache", `{"occupied":false,"cache":{"data":"kept","ttl":3599}}`},
			{"/channels/presence-x/users", "", `{"users":[{"id":"elsewhere-0"},{"id":"elsewhere-1"}]}`},
			{"/channels", "subscription_count,user_count", `{"channels":{"here":{"subscription_count":1},"presence-x":{"user_count":2},"x":{"subscription_count":3}}}`},
			{"/connections", "", `{"connections":6}`},
		} {
			params := map[string][]string{}
			if tc.info != "" {
				params["info"] = []string{tc.info}
			}
			if status, found, _ := s.Do(http.MethodGet, tc.path, "", params); status != http.StatusOK || found != tc.want {
				t.Errorf("%s: found %d %s, expected %s", tc.path, status, found, tc.want)
			}
		}
		b.setAway(true)
		for _, path := range []string{"/channels", "/channels/x", "/channels/presence-x/users"} {
			if status, found, _ := s.Do(http.MethodGet, path, "", nil); status != http.StatusServiceUnavailable || strings.Contains(found, "register") {
				t.Errorf("%s: found %d %s, expected 503", path, status, found)
			}
		}
		if status, found, _ := s.Do(http.MethodPost, "/events", `{"name":"e","data":"x","channels":["x"],"info":"subscription_count"}`, nil); status != http.StatusOK {
			t.Errorf("publishing: found %d %s, expected 200: it was delivered", status, found)
		}
	})

	t.Run("a subscriber is greeted with the event that the cluster keeps, unless this node has a newer one", func(t *testing.T) {
		s, b := newRegistered(t, pusherhub.AppConfig{})
		kept := &pusherhub.Message{App: hubtest.AppID, Channel: "cache-x", Event: "e", Payload: []byte(`{"event":"kept","channel":"cache-x"}`), Cache: new("kept"), CacheUntil: time.Now().Add(time.Hour).UnixMilli()}
		b.rosters["cache-x"] = func(r *pusherhub.Roster) { r.Cached = kept }
		s.Publish("cache-x", "older", `1`) // expires before
		c := s.Dial(t)
		c.Subscribe("cache-x")
		c.Expect("kept")
		c.Close()
		b.expectFollowed(t, nil, nil)
		kept.CacheUntil = time.Now().Add(time.Minute).UnixMilli()
		s.Publish("cache-x", "newest", `2`)
		c = s.Dial(t)
		c.Subscribe("cache-x")
		c.Expect("newest")
	})

	t.Run("connections are limited over all nodes", func(t *testing.T) {
		s, b := newRegistered(t, pusherhub.AppConfig{MaxConnections: 6})
		b.onFollow[pusherhub.Topic{App: hubtest.AppID}] = 5
		c := s.Dial(t)
		s.Open(t, hubtest.Key, "", nil).ExpectClose(pusherhub.CodeOverQuota)
		b.node.Roster(pusherhub.Roster{Topic: pusherhub.Topic{App: hubtest.AppID}, Count: 4})
		s.Dial(t)
		c.Close()
		b.expect(t, "app: 1")
	})
}

func TestRosterUsers(t *testing.T) {
	s, b := newRegistered(t, watchlistApp())
	b.onFollow[onUser("far")] = 1
	w := s.Dial(t)
	s.Signin(t, w, `{"id":"w","watchlist":["far","off","here"]}`)
	w.ExpectRaw(watchFrame(`"far"`, `"off","here"`))
	b.expectFollowed(t, []string{"far", "here", "off"}, nil)
	b.node.Roster(pusherhub.Roster{Topic: onUser("off"), Count: 1})
	w.ExpectRaw(watchFrame(`"off"`, ``))
	b.node.Roster(pusherhub.Roster{Topic: onUser("off"), Count: 2})
	b.node.Roster(pusherhub.Roster{Topic: onUser("far"), Count: 0})
	w.ExpectRaw(watchFrame(``, `"far"`))
	s.Signin(t, s.Dial(t), `{"id":"off"}`) // online already
	w.ExpectQuiet()
	b.expect(t, "app: 2", "user off: 1", "user w: 1")
	b.node.Roster(pusherhub.Roster{Topic: onUser("off"), Count: 0})
	w.ExpectQuiet() // here still

	s.Signin(t, w, `{"id":"w","watchlist":["far"]}`)
	w.ExpectRaw(watchFrame(`"far"`, ``)) // asked again
	b.expectFollowed(t, []string{"far"}, nil)
	w.Close()
	b.expectFollowed(t, nil, nil)
}

func TestRosterUserLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newRegisteredWith(t, watchlistApp(), hubtest.NewPipeServerWith)
		b.onFollow[onUser("7")] = 1
		w, c := s.Dial(t), s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		s.Signin(t, w, `{"id":"w","watchlist":["7"]}`)
		w.ExpectRaw(watchFrame(`"7"`, ``))
		c.Close()
		time.Sleep(4 * time.Second) // over the hold
		b.expect(t, "app: 1", "user w: 1")
		w.ExpectQuiet() // there still
		b.node.Roster(pusherhub.Roster{Topic: onUser("7")})
		w.ExpectRaw(watchFrame(``, `"7"`))
	})
}

func TestReport(t *testing.T) {
	recorder := hubtest.NewRecorder()
	s, b := newRegistered(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{recorder}})
	c := s.Join(t, "presence-x", `{"user_id":"7"}`)
	s.Signin(t, c, `{"id":"7"}`)
	c.Close()
	b.expect(t, "user 7: 1") // for the hold
	for _, o := range recorder.Rest() {
		switch o.Type {
		case pusherhub.Connected, pusherhub.Disconnected, pusherhub.SignedIn:
		default:
			t.Errorf("found %s, expected nothing that the register decides about", o.Type)
		}
	}
	for _, tc := range []struct {
		transition pusherhub.Transition
		want       pusherhub.Observation
	}{
		{pusherhub.Transition{Topic: onChannel("presence-x"), Gained: true}, pusherhub.Observation{Type: pusherhub.ChannelOccupied, Channel: "presence-x"}},
		{pusherhub.Transition{Topic: onChannel("presence-x"), Member: "7", Gained: true}, pusherhub.Observation{Type: pusherhub.MemberAdded, Channel: "presence-x", UserID: "7"}},
		{pusherhub.Transition{Topic: onChannel("presence-x"), Member: "7"}, pusherhub.Observation{Type: pusherhub.MemberRemoved, Channel: "presence-x", UserID: "7"}},
		{pusherhub.Transition{Topic: onChannel("presence-x")}, pusherhub.Observation{Type: pusherhub.ChannelVacated, Channel: "presence-x"}},
		{pusherhub.Transition{Topic: onUser("7"), Gained: true}, pusherhub.Observation{Type: pusherhub.UserOnline, UserID: "7"}},
		{pusherhub.Transition{Topic: onUser("7")}, pusherhub.Observation{Type: pusherhub.UserOffline, UserID: "7"}},
	} {
		b.node.Report(pusherhub.Transition{Topic: onChannel("#server-to-user-7"), Gained: tc.transition.Gained}) // nobody's business
		b.node.Report(pusherhub.Transition{Topic: pusherhub.Topic{App: hubtest.AppID}, Gained: tc.transition.Gained})
		b.node.Report(pusherhub.Transition{Topic: pusherhub.Topic{App: "unknown", Channel: "x"}})
		b.node.Report(tc.transition)
		tc.want.App = hubtest.AppID
		recorder.Expect(t, tc.want)
	}
}

// An app of a source that nobody has used on this node has observers, too.
func TestReportLate(t *testing.T) {
	recorder := hubtest.NewRecorder()
	app, err := pusherhub.NewApp(hubtest.WithCredentials(pusherhub.AppConfig{Plugins: []pusherhub.Plugin{recorder}}))
	if err != nil {
		t.Fatal(err)
	}
	b := newRegistrar()
	hubtest.NewServerWith(t, pusherhub.Config{AppSource: lateSource{app}, Broker: b})
	for _, channel := range []string{"a", "b", "c"} {
		b.node.Report(pusherhub.Transition{Topic: onChannel(channel)})
	}
	for _, channel := range []string{"a", "b", "c"} {
		recorder.Expect(t, pusherhub.Observation{Type: pusherhub.ChannelVacated, App: hubtest.AppID, Channel: channel})
	}
}

// lateSource finds one app.
type lateSource struct{ app *pusherhub.App }

func (s lateSource) AppByID(_ context.Context, id string) (*pusherhub.App, error) {
	if id != s.app.ID() {
		return nil, pusherhub.ErrAppNotFound
	}
	return s.app, nil
}

func (s lateSource) AppByKey(_ context.Context, key string) (*pusherhub.App, error) {
	if key != s.app.Key() {
		return nil, pusherhub.ErrAppNotFound
	}
	return s.app, nil
}

func TestHoldings(t *testing.T) {
	config := watchlistApp()
	t.Run("move with the broker", func(t *testing.T) {
		s, b := newRegistered(t, config)
		c := s.Join(t, "presence-x", `{"user_id":"7"}`)
		s.Signin(t, c, `{"id":"7","watchlist":["8"]}`)
		c.Expect("pusher_internal:watchlist_events")
		want := []string{"app: 1", "presence-x/7 ", "presence-x: 1", "user 7: 1"}
		b.expect(t, want...)
		b.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Members: []pusherhub.Member{{UserID: "9"}}})
		c.Expect("pusher_internal:member_added")

		next := newRegistrar()
		next.onFollow[onUser("8")] = 1
		apply(t, s, pusherhub.Config{Broker: next}, config)
		next.expect(t, want...)
		next.expectFollowed(t, []string{"8"}, []string{"presence-x"})
		c.Expect("pusher_internal:member_removed") // the new one knows nobody
		c.ExpectRaw(watchFrame(`"8"`, ``))
		b.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Members: []pusherhub.Member{{UserID: "9"}}}) // nobody asks it any more
		next.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Members: []pusherhub.Member{{UserID: "10"}}})
		if found := c.Expect("pusher_internal:member_added").Text(); !strings.Contains(found, `"10"`) {
			t.Errorf("found %s, expected 10", found)
		}

		apply(t, s, pusherhub.Config{}, config)
		if found := c.Expect("pusher_internal:member_removed").Text(); !strings.Contains(found, `"10"`) {
			t.Errorf("found %s, expected that 10 went", found)
		}
		c.ExpectRaw(watchFrame(``, `"8"`))
		c.ExpectQuiet()
	})

	t.Run("are given up with the app, before it can come back", func(t *testing.T) {
		s, b := newRegistered(t, config)
		c := s.Join(t, "presence-x", `{"user_id":"7"}`)
		s.Signin(t, c, `{"id":"7","watchlist":["8"]}`)
		b.expect(t, "app: 1", "presence-x/7 ", "presence-x: 1", "user 7: 1")
		settings, err := pusherhub.NewSettings(pusherhub.Config{AppSource: lateSource{mustApp(t, pusherhub.AppConfig{ID: "other", Key: "other", Secret: "other"})}, Broker: b})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Hub.Apply(settings); err != nil {
			t.Fatal(err)
		}
		b.expect(t)
		b.expectFollowed(t, nil, nil)
		apply(t, s, pusherhub.Config{Broker: b}, config)
		again := s.Join(t, "presence-x", `{"user_id":"7"}`)
		b.expect(t, "app: 1", "presence-x/7 ", "presence-x: 1")
		c.Close() // the last of the live side before
		again.ExpectQuiet()
		b.expect(t, "app: 1", "presence-x/7 ", "presence-x: 1")
	})
}
