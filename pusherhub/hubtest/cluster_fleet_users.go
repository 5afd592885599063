package hubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

func fleetTerminate(f *fleet) {
	for i := range eachNode { // asked for on each node
		id := fmt.Sprint("user ", i)
		var theirs, others []*Client
		for k := range eachNode {
			signedIn, other := f.at(k).Dial(f.T), f.at(k).Dial(f.T)
			f.at(k).Signin(f.T, signedIn, `{"id":"`+id+`"}`)
			f.at(k).Signin(f.T, other, `{"id":"`+id+`0"}`)
			theirs, others = append(theirs, signedIn), append(others, other)
		}
		status, answer, _ := f.at(i).Do(http.MethodPost, "/users/"+url.PathEscape(id)+"/terminate_connections", "{}", nil)
		if status != http.StatusOK || answer != "{}" {
			f.Fatalf("found %d %s, expected 200 {}", status, answer)
		}
		for _, c := range theirs {
			c.ExpectError(4009)
			c.ExpectClose(4009)
		}
		for _, c := range others {
			c.ExpectQuiet()
		}
	}
}

func fleetUserChannel(f *fleet) {
	const channel = "#server-to-user-7"
	var theirs []*Client
	for i := range eachNode {
		c := f.at(i).Dial(f.T)
		f.at(i).Signin(f.T, c, `{"id":"7"}`)
		c.Subscribe(channel)
		theirs = append(theirs, c)
	}
	other := f.at(1).Dial(f.T)
	f.at(1).Signin(f.T, other, `{"id":"8"}`)
	for i := range eachNode {
		f.at(i).Publish(channel, "e", fmt.Sprint(i))
		for _, c := range theirs {
			if found := c.Expect("e").Text(); found != fmt.Sprint(i) {
				f.Fatalf("found %s, expected %d", found, i)
			}
		}
	}
	other.ExpectQuiet()
	for i := range eachNode {
		if found := f.answer(i, "/channels", nil); found != `{"channels":{}}` {
			f.Errorf("found %s, expected that users' channels are nobody's business", found)
		}
	}
}

// expectWatched waits until a client is told that a user is online or offline, and of nobody else.
func (f *fleet) expectWatched(c *Client, id, state string) {
	f.Helper()
	want := `{"events":[{"name":"` + state + `","user_ids":["` + id + `"]}]}`
	if found := c.Expect("pusher_internal:watchlist_events").Text(); found != want {
		f.Fatalf("found %s, expected %s", found, want)
	}
}

func fleetWatchlist(f *fleet) {
	early := f.at(0).Dial(f.T)
	f.at(0).Signin(f.T, early, `{"id":"early","watchlist":["7"]}`)
	f.expectWatched(early, "7", "offline")
	tab := func(i int) *Client {
		c := f.at(i).Dial(f.T)
		f.at(i).Signin(f.T, c, `{"id":"7"}`)
		return c
	}
	first := tab(1)
	f.expectWatched(early, "7", "online")
	late := f.at(2).Dial(f.T)
	f.at(2).Signin(f.T, late, `{"id":"late","watchlist":["7"]}`)
	f.expectWatched(late, "7", "online")
	second := tab(2)
	f.expectObserved(once("user_online early", "user_online late", "user_online 7"))
	first.Close()
	second.Close()
	f.expectWatched(early, "7", "offline")
	f.expectWatched(late, "7", "offline")
	early.ExpectQuiet()
	late.ExpectQuiet()
	f.expectObserved(once("user_online early", "user_online late", "user_online 7", "user_offline 7"))
}

func fleetCounts(f *fleet) {
	var news []*Client
	for i := range 2 { // the third node has nothing of all this
		c := f.at(i).Dial(f.T)
		c.Subscribe("news")
		news = append(news, c)
	}
	f.look(0, lobby, who("1"))
	f.look(0, lobby, who("2"))
	f.look(1, lobby, who("2"))
	const prefix = "presence-"
	info := func(what string) url.Values { return url.Values{"info": {what}} }
	f.expectAnswer("/channels", nil, `{"channels":{"news":{},"presence-lobby":{}}}`)
	f.expectAnswer("/channels", url.Values{"filter_by_prefix": {prefix}, "info": {"user_count"}}, `{"channels":{"presence-lobby":{"user_count":2}}}`)
	f.expectAnswer("/channels", info("subscription_count"), `{"channels":{"news":{"subscription_count":2},"presence-lobby":{}}}`)
	f.expectAnswer("/channels/news", info("subscription_count"), `{"occupied":true,"subscription_count":2}`)
	f.expectAnswer("/channels/"+lobby, info("user_count"), `{"occupied":true,"user_count":2}`)
	f.expectAnswer("/channels/nothing", info("subscription_count"), `{"occupied":false,"subscription_count":0}`)
	f.expectAnswer("/connections", nil, `{"connections":5}`)
	for i := range eachNode {
		f.eventuallyOr("every node knows the users", func() bool {
			return slices.Equal(f.users(i, lobby), []string{"1", "2"})
		}, func() string { return fmt.Sprintf("node %d has users %q, expected 1 and 2", i, f.users(i, lobby)) })
		f.eventuallyOr("a publisher is told of all nodes", func() bool {
			_, answer, _ := f.at(i).Do(http.MethodPost, "/events", `{"name":"e","channel":"news","data":"","info":"subscription_count"}`, nil)
			return answer == `{"channels":{"news":{"subscription_count":2}}}`
		}, func() string { return fmt.Sprintf("node %d counts something else", i) })
	}
	news[1].Close()
	f.expectAnswer("/channels/news", info("subscription_count"), `{"occupied":true,"subscription_count":1}`)
	news[0].Close()
	f.expectAnswer("/channels/news", info("subscription_count"), `{"occupied":false,"subscription_count":0}`)
	f.expectAnswer("/connections", nil, `{"connections":3}`)
}

// users are the ids of the users on a channel, as a node's HTTP API says.
func (f *fleet) users(i int, channel string) (ids []string) {
	f.Helper()
	var list struct{ Users []struct{ ID string } }
	if answer := f.answer(i, "/channels/"+channel+"/users", nil); json.Unmarshal([]byte(answer), &list) != nil {
		f.Fatalf("node %d answers %s to a question for users", i, answer)
	}
	for _, u := range list.Users {
		ids = append(ids, u.ID)
	}
	slices.Sort(ids)
	return ids
}

func fleetMaxMembers(f *fleet) {
	all := []*onlooker{f.look(0, lobby, who("1")), f.look(1, lobby, who("2"))}
	f.expectMembers(all, "1", "2")
	third := f.at(2).Dial(f.T)
	ask := func() Frame {
		third.Send(SubscribeFrame(lobby, f.at(2).Auth(third, lobby, who("3")), who("3")))
		return third.Next()
	}
	if frame := ask(); strings.Contains(frame.Event, "succeeded") {
		f.Errorf("found %s, expected that a third user is refused", frame.Raw)
	}
	f.look(2, lobby, who("2")) // not a third user
	all[0].leave()
	f.expectMembers(all[1:], "2")
	f.eventuallyOr("there is room again", func() bool {
		return strings.Contains(ask().Event, "succeeded")
	}, func() string { return "a second user is refused" })
}

func fleetMaxConnections(f *fleet) {
	const query = "protocol=7"
	// try reports whether a node takes one more socket.
	try := func(i int) (c *Client, taken bool) {
		c = f.at(i).Open(f.T, f.at(i).App.Key, query, nil)
		return c, strings.Contains(c.Next().Event, "connection_established")
	}
	try(0)
	second, _ := try(1)
	f.eventuallyOr("the limit is that of all nodes", func() bool {
		c, taken := try(2)
		if taken { // the node does not know of the others yet
			_ = c.WS.Close(websocket.StatusNormalClosure, "")
		}
		return !taken
	}, func() string { return "a third socket is taken" })
	second.Close()
	f.eventuallyOr("the slot is free again", func() bool {
		_, taken := try(2)
		return taken
	}, func() string { return "a second socket is refused" })
}
