package pusherhub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// newAddressedServer is a server that takes a client's address from the header X-Address.
func newAddressedServer(t *testing.T, config pusherhub.AppConfig) *hubtest.Server {
	t.Helper()
	s := hubtest.NewServer(t, config)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Hub.Serve(w, r, pusherhub.Site{ClientIP: func(r *http.Request) string { return r.Header.Get("X-Address") }})
	}))
	t.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// from connects a client from an address.
func from(t *testing.T, s *hubtest.Server, address string) *hubtest.Client {
	t.Helper()
	c := s.Open(t, s.App.Key, "protocol=7", http.Header{"X-Address": {address}, "User-Agent": {"test/1"}})
	var data struct {
		SocketID string `json:"socket_id"`
	}
	if err := json.Unmarshal([]byte(c.Expect("pusher:connection_established").Text()), &data); err != nil {
		t.Fatal(err)
	}
	c.SocketID = data.SocketID
	return c
}

// refusedWith expects a [pusherhub.RequestError] with that status and words in its reason.
func refusedWith(t *testing.T, err error, status int, words string) {
	t.Helper()
	refused, ok := errors.AsType[*pusherhub.RequestError](err)
	if !ok || refused.Status != status || !strings.Contains(refused.Error(), words) {
		t.Errorf("found %#v, expected a RequestError with %d and %q", err, status, words)
	}
}

// names are the names of what a page lists.
func names[T any](list []T, name func(T) string) string {
	var all []string
	for _, one := range list {
		all = append(all, name(one))
	}
	return strings.Join(all, " ")
}

func socketIDs(list []pusherhub.ConnectionInfo) string {
	return names(list, func(c pusherhub.ConnectionInfo) string { return c.SocketID })
}

func channelNames(list []pusherhub.ChannelInfo) string {
	return names(list, func(c pusherhub.ChannelInfo) string { return c.Name })
}

func TestListApps(t *testing.T) {
	var apps []*pusherhub.App
	for _, id := range []string{"b", "c", "a"} {
		app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: id, Key: "key-" + id, Secret: "secret-" + id, Enabled: new(id != "b")})
		if err != nil {
			t.Fatal(err)
		}
		apps = append(apps, app)
	}
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: apps})
	c := s.Open(t, "key-c", "protocol=7", nil)
	c.Expect("pusher:connection_established")
	c.Subscribe("news")

	list, next, err := s.Hub.Apps(pusherhub.Page{})
	want := []pusherhub.AppInfo{
		{ID: "a", Key: "key-a", Enabled: true},
		{ID: "b", Key: "key-b"},
		{ID: "c", Key: "key-c", Enabled: true, Connections: 1, Channels: 1},
	}
	if err != nil || next != "" || !reflect.DeepEqual(list, want) {
		t.Errorf("found %+v, next %q, error %v; expected %+v", list, next, err, want)
	}
	if text, err := json.Marshal(list); err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("found %s, %v, expected no secret", text, err)
	}
	list, next, err = s.Hub.Apps(pusherhub.Page{After: "a", Limit: 1})
	if err != nil || next != "b" || len(list) != 1 || list[0].ID != "b" {
		t.Errorf("found %+v, next %q, error %v; expected b and more after it", list, next, err)
	}
	if app, err := s.Hub.App(t.Context(), "c"); err != nil || app != want[2] {
		t.Errorf("found %+v, %v, expected %+v", app, err, want[2])
	}
	if _, err := s.Hub.App(t.Context(), "d"); !errors.Is(err, pusherhub.ErrAppNotFound) {
		t.Errorf("found %v, expected ErrAppNotFound", err)
	}
}

func TestChannelKindWords(t *testing.T) {
	for channel, want := range map[string]string{
		"news": "public", "cache-news": "cache", "private-x": "private", "private-cache-x": "private-cache",
		"private-encrypted-x": "private-encrypted", "private-encrypted-cache-x": "private-encrypted-cache",
		"presence-x": "presence", "presence-cache-x": "presence-cache", "#server-to-user-7": "user",
	} {
		if found := pusherhub.KindOf(channel).String(); found != want {
			t.Errorf("%s: found %q, expected %q", channel, found, want)
		}
	}
}

func TestListChannels(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	for _, channel := range []string{"b", "a", "c"} {
		c.Subscribe(channel)
	}
	s.Join(t, "presence-x", `{"user_id":"2"}`)
	s.Join(t, "presence-x", `{"user_id":"1"}`)
	s.Join(t, "presence-x", `{"user_id":"1"}`)
	s.Publish("cache-news", "e", "what happened")

	list := func(q pusherhub.ChannelQuery) ([]pusherhub.ChannelInfo, string) {
		t.Helper()
		list, next, err := s.Hub.Channels(t.Context(), hubtest.AppID, q)
		if err != nil {
			t.Fatal(err)
		}
		return list, next
	}
	all, next := list(pusherhub.ChannelQuery{})
	want := []pusherhub.ChannelInfo{
		{Name: "a", Kind: "public", Subscriptions: 1},
		{Name: "b", Kind: "public", Subscriptions: 1},
		{Name: "c", Kind: "public", Subscriptions: 1},
		{Name: "cache-news", Kind: "cache", Cached: true},
		{Name: "presence-x", Kind: "presence", Subscriptions: 3, Users: new(2)},
	}
	if next != "" || !reflect.DeepEqual(all, want) {
		t.Errorf("found %+v, next %q, expected %+v", all, next, want)
	}
	if found, _ := list(pusherhub.ChannelQuery{Prefix: "c"}); channelNames(found) != "c cache-news" {
		t.Errorf("with a prefix: found %s", channelNames(found))
	}
	if found, _ := list(pusherhub.ChannelQuery{Kind: "presence"}); channelNames(found) != "presence-x" {
		t.Errorf("of a kind: found %s", channelNames(found))
	}
	if found, next := list(pusherhub.ChannelQuery{Page: pusherhub.Page{After: "a", Limit: 2}}); channelNames(found) != "b c" || next != "c" {
		t.Errorf("the second page: found %s, next %q", channelNames(found), next)
	}

	for _, o := range []struct {
		channel string
		members pusherhub.Page
		want    pusherhub.ChannelDetail
		next    string
	}{
		{"cache-news", pusherhub.Page{}, pusherhub.ChannelDetail{ChannelInfo: want[3], CachedEvent: &pusherhub.CachedEvent{Data: "what happened", TTLSeconds: 1799}}, ""},
		{"presence-x", pusherhub.Page{}, pusherhub.ChannelDetail{ChannelInfo: want[4], Members: []string{"1", "2"}}, ""},
		{"presence-x", pusherhub.Page{Limit: 1}, pusherhub.ChannelDetail{ChannelInfo: want[4], Members: []string{"1"}}, "1"},
	} {
		if found, next, err := s.Hub.Channel(t.Context(), hubtest.AppID, o.channel, o.members); err != nil || next != o.next || !reflect.DeepEqual(found, o.want) {
			t.Errorf("%s: found %+v, next %q, error %v, expected %+v", o.channel, found, next, err, o.want)
		}
	}
}

func TestListsRefuse(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	ctx, app := t.Context(), hubtest.AppID
	_, _, err := s.Hub.Channels(ctx, app, pusherhub.ChannelQuery{Kind: "secret"})
	refusedWith(t, err, http.StatusBadRequest, `kind: found "secret", expected one of cache, presence, presence-cache`)
	_, _, err = s.Hub.Channels(ctx, app, pusherhub.ChannelQuery{Page: pusherhub.Page{Limit: 1001}})
	refusedWith(t, err, http.StatusBadRequest, "limit: found 1001, expected 1 to 1000")
	_, _, err = s.Hub.Channel(ctx, app, "empty", pusherhub.Page{})
	refusedWith(t, err, http.StatusNotFound, `channel "empty" has no subscriber`)
	_, _, err = s.Hub.Connections(ctx, app, pusherhub.ConnectionQuery{IP: "nowhere"})
	refusedWith(t, err, http.StatusBadRequest, `ip: found "nowhere", expected an address`)
	_, _, err = s.Hub.Connection(ctx, app, "1.2", pusherhub.Page{})
	refusedWith(t, err, http.StatusNotFound, `socket "1.2" is not on this node`)
	for what, err := range map[string]error{
		"Channels":    second(s.Hub.Channels(ctx, "x", pusherhub.ChannelQuery{})),
		"Channel":     second(s.Hub.Channel(ctx, "x", "c", pusherhub.Page{})),
		"Connections": second(s.Hub.Connections(ctx, "x", pusherhub.ConnectionQuery{})),
		"Connection":  second(s.Hub.Connection(ctx, "x", "1.2", pusherhub.Page{})),
		"Publish":     s.Hub.Publish(ctx, "x", pusherhub.Event{}),
	} {
		if !errors.Is(err, pusherhub.ErrAppNotFound) {
			t.Errorf("%s of an unknown app: found %v, expected ErrAppNotFound", what, err)
		}
	}
}

func second[T any](_ T, _ string, err error) error { return err }

func TestListConnections(t *testing.T) {
	s := newAddressedServer(t, pusherhub.AppConfig{})
	before := time.Now()
	plain, signedIn, member := from(t, s, "192.0.2.1"), from(t, s, "::ffff:192.0.2.2"), from(t, s, "2001:db8::1")
	plain.Subscribe("news")
	signedIn.Subscribe("news")
	s.Signin(t, signedIn, `{"id":"7"}`)
	data := `{"user_id":"8"}`
	member.SubscribeWith("presence-x", s.Auth(member, "presence-x", data), data)

	for what, o := range map[string]struct {
		query pusherhub.ConnectionQuery
		want  []*hubtest.Client
	}{
		"all":              {pusherhub.ConnectionQuery{}, []*hubtest.Client{plain, signedIn, member}},
		"a channel":        {pusherhub.ConnectionQuery{Channel: "news"}, []*hubtest.Client{plain, signedIn}},
		"no channel":       {pusherhub.ConnectionQuery{Channel: "nobody's"}, nil},
		"who signed in":    {pusherhub.ConnectionQuery{UserID: "7"}, []*hubtest.Client{signedIn}},
		"who is present":   {pusherhub.ConnectionQuery{UserID: "8"}, []*hubtest.Client{member}},
		"user and channel": {pusherhub.ConnectionQuery{UserID: "8", Channel: "news"}, nil},
		"an address":       {pusherhub.ConnectionQuery{IP: "192.0.2.2"}, []*hubtest.Client{signedIn}},
		"a range":          {pusherhub.ConnectionQuery{IP: "192.0.2.7/24"}, []*hubtest.Client{plain, signedIn}},
		"IPv6":             {pusherhub.ConnectionQuery{IP: "2001:0db8::0001"}, []*hubtest.Client{member}},
		"range, channel":   {pusherhub.ConnectionQuery{IP: "0.0.0.0/0", Channel: "presence-x"}, nil},
	} {
		found, next, err := s.Hub.Connections(t.Context(), hubtest.AppID, o.query)
		if err != nil || next != "" || len(found) != len(o.want) {
			t.Errorf("%s: found %s, next %q, error %v; expected %d", what, socketIDs(found), next, err, len(o.want))
		}
		for _, c := range o.want {
			if !strings.Contains(socketIDs(found), c.SocketID) {
				t.Errorf("%s: found %s, expected %s among them", what, socketIDs(found), c.SocketID)
			}
		}
	}

	detail, next, err := s.Hub.Connection(t.Context(), hubtest.AppID, member.SocketID, pusherhub.Page{})
	if at := detail.ConnectedAt; at.Before(before.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("found connected_at %s, expected about %s", at, before)
	}
	detail.ConnectedAt = time.Time{}
	want := pusherhub.ConnectionDetail{
		ConnectionInfo: pusherhub.ConnectionInfo{SocketID: member.SocketID, UserID: "8", IP: "2001:db8::1", UserAgent: "test/1", Protocol: 7, Subscriptions: 1},
		Channels:       []pusherhub.Subscription{{Channel: "presence-x", UserID: "8"}},
	}
	if err != nil || next != "" || !reflect.DeepEqual(detail, want) {
		t.Errorf("found %+v, next %q, error %v; expected %+v", detail, next, err, want)
	}
	if detail, _, err := s.Hub.Connection(t.Context(), hubtest.AppID, signedIn.SocketID, pusherhub.Page{}); err != nil || !detail.SignedIn || detail.UserID != "7" {
		t.Errorf("found %+v, %v, expected the signed-in user 7", detail, err)
	}
}

// Entries that are there all the time are on exactly one page, whatever else comes and goes.
func TestPagesUnderChurn(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	stays, comes := s.Dial(t), s.Dial(t)
	for i := range 30 {
		stays.Subscribe(fmt.Sprintf("stays-%02d", i))
	}
	seen := make(map[string]int)
	page := pusherhub.Page{Limit: 4}
	for round := 0; round == 0 || page.After != ""; round++ {
		for _, name := range []string{fmt.Sprintf("a-%d", round), fmt.Sprintf("stays-%02d-not", 3*round), fmt.Sprintf("z-%d", round)} {
			comes.Subscribe(name)
		}
		list, next, err := s.Hub.Channels(t.Context(), hubtest.AppID, pusherhub.ChannelQuery{Page: page})
		if err != nil || len(list) > page.Limit || len(list) == 0 {
			t.Fatalf("found %d channels, %v, expected up to %d", len(list), err, page.Limit)
		}
		for _, ch := range list {
			seen[ch.Name]++
		}
		comes.Send(hubtest.EventFrame("pusher:unsubscribe", "", map[string]string{"channel": list[len(list)-1].Name}))
		comes.ExpectQuiet()
		page.After = next
	}
	for i := range 30 {
		if name := fmt.Sprintf("stays-%02d", i); seen[name] != 1 {
			t.Errorf("%s was on %d pages, expected 1", name, seen[name])
		}
	}
}
