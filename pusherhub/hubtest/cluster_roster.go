package hubtest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

func someone(id, info string, since int64) pusherhub.Member {
	return pusherhub.Member{UserID: id, Info: []byte(info), Since: since}
}

func checkRoster(x *crew) {
	nodes := x.enlist(3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	room := channel("presence-room")
	a.hold(room, 2)
	a.enter(room, someone("1", `{"n":1}`, 10))
	a.enter(room, someone("2", "", 11))
	b.hold(room, 5) // its own does not count in what it is told
	b.enter(room, someone("3", `"b"`, 12))
	x.settle(a, b)
	b.subscribe(room)
	if _, found := b.told(room); !found {
		x.Errorf("after Subscribe %s was not told what the others hold, expected that it was before", b.name)
	}
	b.expectView(room, 2, map[string]string{"1": `{"n":1}`, "2": ""})
	c.subscribe(room)
	c.expectView(room, 7, map[string]string{"1": `{"n":1}`, "2": "", "3": `"b"`})

	a.enter(room, someone("1", `{"n":2}`, 10)) // with other data
	a.quit(room, "2")
	a.hold(room, 1)
	b.expectView(room, 1, map[string]string{"1": `{"n":2}`})
	c.expectView(room, 6, map[string]string{"1": `{"n":2}`, "3": `"b"`})
	c.hold(room, 10)
	c.enter(room, someone("3", `"b"`, 13)) // who is on another node, too
	b.quit(room, "3")
	b.hold(room, 0)
	b.expectView(room, 11, map[string]string{"1": `{"n":2}`, "3": `"b"`})
	a.expectView0(room)
	c.expectView(room, 1, map[string]string{"1": `{"n":2}`})
	c.quit(room, "3")
	c.hold(room, 0)
	b.expectView(room, 1, map[string]string{"1": `{"n":2}`})

	b.unsubscribe(room)
	a.quit(room, "1")
	a.enter(room, someone("4", "", 14))
	x.settle(a)
	b.subscribe(room) // again: what it was told before does not count
	b.expectView(room, 1, map[string]string{"4": ""})
}

// expectView0 makes sure that a node that follows nothing of a topic was told nothing of it.
func (w *witness) expectView0(t pusherhub.Topic) {
	w.x.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, told := w.busy[t]; told {
		w.x.Errorf("%s was told of %s, which it does not follow", w.name, show(t))
	}
}

func checkOldest(x *crew) {
	nodes := x.enlist(4)
	a, b, c, looker := nodes[0], nodes[1], nodes[2], nodes[3]
	room := channel("presence-room")
	looker.subscribe(room)
	expect := func(info string) {
		x.Helper()
		looker.expectView(room, 0, map[string]string{"7": info})
	}
	b.enter(room, someone("7", "b", 200))
	expect("b")
	c.enter(room, someone("7", "c", 300)) // younger
	x.settle(c)
	a.enter(room, someone("7", "a", 100)) // older, although it comes later
	expect("a")
	c.subscribe(room) // a node is told of the oldest of the others
	c.expectView(room, 0, map[string]string{"7": "a"})
	a.subscribe(room)
	a.expectView(room, 0, map[string]string{"7": "b"})
	a.enter(room, someone("7", "a2", 400)) // its oldest socket is another one now
	expect("b")
	b.quit(room, "7")
	expect("c")
	c.quit(room, "7")
	expect("a2")
	a.quit(room, "7")
	looker.expectView(room, 0, map[string]string{})
	x.settle(a, b, c)
	x.expectReports(map[holdable]tally{member(room, "7"): {1, 1}})
}

func checkFollow(x *crew) {
	nodes := x.enlist(2)
	a, b := nodes[0], nodes[1]
	user, other, app, fence := pusherhub.Topic{App: "app", UserID: "7"}, pusherhub.Topic{App: "app", UserID: "é/\"<\n"}, pusherhub.Topic{App: "app"}, pusherhub.Topic{App: "fence"}
	none := map[string]string{}
	a.hold(user, 1)
	a.hold(app, 40)
	x.settle(a)
	b.follow(user, other, app, fence)
	for topic, count := range map[pusherhub.Topic]int{user: 1, other: 0, app: 40, fence: 0} { // at once
		if v, found := b.told(topic); !found || v.count != count {
			x.Errorf("after Follow %s was told %+v (%t) of %s, expected %d", b.name, v, found, show(topic), count)
		}
	}
	a.hold(user, 0)
	a.hold(other, 1)
	a.hold(app, 39)
	b.expectView(user, 0, none)
	b.expectView(other, 1, none)
	b.expectView(app, 39, none)

	b.follow(user)
	b.Unfollow(user, other)
	a.hold(user, 1)
	b.expectView(user, 1, none) // it was followed twice
	b.Unfollow(user)
	before, _ := b.told(user)
	a.hold(user, 0)
	a.hold(other, 0)
	a.hold(fence, 1)
	b.expectView(fence, 1, none)
	if after, _ := b.told(user); after.told != before.told {
		x.Errorf("%s was told of %s after it had stopped to follow it", b.name, show(user))
	}
	if v, _ := b.told(other); v.count != 1 {
		x.Errorf("%s was told of %s after it had stopped to follow it", b.name, show(other))
	}
}

// lookup looks a topic up on a node.
func (w *witness) lookup(t pusherhub.Topic) (h pusherhub.Holding) {
	w.x.Helper()
	w.x.within("Lookup", func() {
		var err error
		if h, err = w.Lookup(context.Background(), t); err != nil {
			w.x.Errorf("%s looks %s up: %v", w.name, show(t), err)
		}
	})
	return h
}

func (w *witness) lookupMembers(t pusherhub.Topic) (ids []string) {
	w.x.Helper()
	w.x.within("LookupMembers", func() {
		var err error
		if ids, err = w.LookupMembers(context.Background(), t); err != nil {
			w.x.Errorf("%s looks the members of %s up: %v", w.name, show(t), err)
		}
	})
	slices.Sort(ids)
	return ids
}

func (w *witness) lookupChannels(app, prefix string) (channels map[string]pusherhub.Holding) {
	w.x.Helper()
	w.x.within("LookupChannels", func() {
		var err error
		if channels, err = w.LookupChannels(context.Background(), app, prefix); err != nil {
			w.x.Errorf("%s looks channels up: %v", w.name, err)
		}
	})
	return channels
}

func checkLookup(x *crew) {
	nodes := x.enlist(3)
	a, b := nodes[0], nodes[1]
	room, news, user, app := channel("presence-room"), channel("news"), pusherhub.Topic{App: "app", UserID: "7"}, pusherhub.Topic{App: "app"}
	a.hold(room, 2)
	a.enter(room, someone("1", `{}`, 10))
	a.enter(room, someone("2", `{}`, 11))
	b.hold(room, 1)
	b.enter(room, someone("2", `{}`, 12))
	b.hold(news, 3)
	b.hold(pusherhub.Topic{App: "app 2", Channel: "news"}, 1)
	b.hold(user, 1)
	a.hold(user, 1)
	a.hold(app, 10)
	b.hold(app, 1)
	x.settle(a, b)
	for _, w := range nodes { // the third holds nothing and follows nothing
		for t, want := range map[pusherhub.Topic]pusherhub.Holding{
			room: {Count: 3, Members: 2}, news: {Count: 3}, user: {Count: 2}, app: {Count: 11}, channel("empty"): {},
		} {
			if found := w.lookup(t); found != want {
				x.Errorf("%s looks %s up: found %+v, expected %+v", w.name, show(t), found, want)
			}
		}
		if ids := w.lookupMembers(room); !slices.Equal(ids, []string{"1", "2"}) {
			x.Errorf("%s finds members %q, expected 1 and 2", w.name, ids)
		}
		if ids := w.lookupMembers(channel("presence-empty")); len(ids) != 0 {
			x.Errorf("%s finds members %q, expected none", w.name, ids)
		}
		for prefix, want := range map[string]map[string]pusherhub.Holding{
			"": {"presence-room": {Count: 3, Members: 2}, "news": {Count: 3}}, "presence-": {"presence-room": {Count: 3, Members: 2}}, "x": {},
		} {
			if found := w.lookupChannels("app", prefix); !maps.Equal(found, want) {
				x.Errorf("%s finds channels %+v with prefix %q, expected %+v", w.name, found, prefix, want)
			}
		}
	}
	a.quit(room, "1")
	b.hold(news, 0)
	x.settle(a, b)
	if found := nodes[2].lookup(room); found.Members != 1 {
		x.Errorf("found %d members, expected 1", found.Members)
	}
	if found := nodes[2].lookupChannels("app", "news"); len(found) != 0 {
		x.Errorf("found %v, expected no channel", found)
	}
}

func checkKept(x *crew) {
	nodes := x.enlist(3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	t := channel("cache-c")
	a.subscribe(t)
	keep := func(payload string, lasts time.Duration) pusherhub.Message {
		m := pusherhub.Message{
			App: t.App, Channel: t.Channel, Event: "e", Payload: []byte(payload), Cache: new("data of " + payload),
			Except: "1.2", CacheUntil: time.Now().Add(lasts).UnixMilli(),
		}
		a.publish(new(copyOf(&m)))
		return m
	}
	keep("old", time.Hour)
	m := keep("new", time.Hour)
	for _, w := range nodes {
		x.eventually(w.name+" finds the kept event", func() bool {
			kept := w.lookup(t).Cached
			return kept != nil && reflect.DeepEqual(*kept, m)
		})
	}
	b.subscribe(t)
	x.eventually(b.name+" is told of the kept event", func() bool {
		v, found := b.told(t)
		return found && v.cached != nil && reflect.DeepEqual(*v.cached, m)
	})
	keep("short", 50*time.Millisecond)
	x.eventually("the kept event ends", func() bool { return c.lookup(t).Cached == nil })
	c.subscribe(t)
	x.eventually(c.name+" is told that there is none", func() bool {
		v, found := c.told(t)
		return found && v.cached == nil
	})
}

func checkJoinFirst(x *crew) {
	nodes := x.enlist(2)
	from, to := nodes[0], nodes[1]
	room := channel("presence-room")
	to.subscribe(room)
	for i := range 20 {
		from.hold(room, i+1)
		from.enter(room, someone(fmt.Sprint(i), "{}", int64(i)))
		from.say(room, i)
		x.eventually("the message", func() bool { return len(to.heard(room, from)) > i })
		if found := to.lookup(room); found.Count != i+1 || found.Members != i+1 {
			x.Fatalf("when message %d came, the register had %+v, expected %d of both", i, found, i+1)
		}
	}
}
