package enginetest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

func testChannels(t *testing.T, h Harness) {
	nodes := newNodes(t, h, "a", "b")
	a, b := nodes[0], nodes[1]
	expect := func(app, prefix string, expected map[string]pusherhub.Holding) {
		t.Helper()
		if found := b.channels(app, prefix); !maps.Equal(found, expected) {
			t.Errorf("found the channels %v of app %q with prefix %q, expected %v", found, app, prefix, expected)
		}
	}
	none := map[string]pusherhub.Holding{}
	expect("app", "", none)
	a.apply(hold(channel("presence-x"), 3, "u", "v"), hold(channel("presence-y"), 1, "u"), hold(channel("x"), 2), hold(channel("p*"), 1),
		hold(channel("P"), 1), hold(pusherhub.Topic{App: "app", UserID: "presence-u"}, 1), hold(pusherhub.Topic{App: "app"}, 9),
		hold(pusherhub.Topic{App: "app2", Channel: "presence-z"}, 1))
	b.apply(hold(channel("presence-x"), 2, "u", "w"), hold(channel("x"), 1))
	x, y := pusherhub.Holding{Count: 5, Members: 3}, pusherhub.Holding{Count: 1, Members: 1}
	one := pusherhub.Holding{Count: 1}
	expect("app", "", map[string]pusherhub.Holding{"presence-x": x, "presence-y": y, "x": {Count: 3}, "p*": one, "P": one})
	expect("app", "presence-", map[string]pusherhub.Holding{"presence-x": x, "presence-y": y})
	expect("app", "presence-x", map[string]pusherhub.Holding{"presence-x": x})
	expect("app", "p*", map[string]pusherhub.Holding{"p*": one})
	expect("app", "p", map[string]pusherhub.Holding{"presence-x": x, "presence-y": y, "p*": one})
	for _, prefix := range []string{"?", "*", "[p]", ">", "\\", ".", "presence-x2"} {
		expect("app", prefix, none)
	}
	expect("app2", "", map[string]pusherhub.Holding{"presence-z": one})
	expect("ap", "", none)
	expect("", "", none)

	for topic, expected := range map[pusherhub.Topic]pusherhub.Holding{
		channel("presence-x"): x, channel("x"): {Count: 3}, {App: "app"}: {Count: 9}, {App: "app", UserID: "presence-u"}: one, channel("none"): {},
	} {
		if found := b.count(topic); found != expected {
			t.Errorf("found %+v of %q, expected %+v", found, topic, expected)
		}
	}
	a.apply(hold(channel("presence-x"), 0, "-u", "-v"), hold(channel("presence-y"), 0, "-u"), hold(channel("x"), 1))
	expect("app", "", map[string]pusherhub.Holding{"presence-x": {Count: 2, Members: 2}, "x": {Count: 2}, "p*": one, "P": one})
	a.resign()
	b.reap()
	expect("app", "", map[string]pusherhub.Holding{"presence-x": {Count: 2, Members: 2}, "x": one})
	b.resign()
	a.reap()
	expect("app", "", none)
}

func testMembers(t *testing.T, h Harness) {
	nodes := newNodes(t, h, "a", "b")
	a, b := nodes[0], nodes[1]
	x := channel("presence-x")
	u := cluster.Update{Topic: x, Counted: true, Count: 1<<31 - 1}
	expected := entriesOf([]cluster.Entry{{Node: "a", Count: u.Count}})
	for i, info := range [][]byte{
		nil, []byte("null"), []byte("{}"), []byte(`""`), []byte(` { "a" : [1, 2.50, 1e3], "a": "\u00e9é\ud83d" } `), []byte("\x00\xff"),
		[]byte(`"` + strings.Repeat("x", 64<<10) + `"`),
	} {
		m := pusherhub.Member{UserID: fmt.Sprint(i), Info: info, Since: 1_763_881_342_123_456_789 + int64(i)}
		u.Members = append(u.Members, cluster.MemberUpdate{Member: m})
		expected.add([]cluster.Entry{{Node: "a", Member: m}})
	}
	b.subscribe(x)
	a.apply(u)
	for what, list := range map[string][]cluster.Entry{"Read": b.read(x)[0].Entries, "a change": firstChange(b).Entries} {
		if found := entriesOf(list); !maps.Equal(found, expected) || len(list) != len(expected) {
			t.Errorf("%s: found the entries %.300v, expected %.300v", what, found, expected)
		}
		for _, entry := range list {
			if entry.Member.UserID == "0" && entry.Member.Info != nil {
				t.Errorf("%s: found info %q, expected nil", what, entry.Member.Info)
			}
		}
	}
}

func firstChange(n *node) (c cluster.Change) {
	n.await("a change", func() bool { return len(n.changesSoFar()) > 0 })
	return n.changesSoFar()[0]
}

// oddNames are names that are special somewhere, or differ by what something may swallow.
var oddNames = []string{
	"x", "X", "x ", " x", "x.", ".x", "x.y", "x..y", "*", ">", "x.*", "x.>", "$SYS", "_INBOX", "?", "[x]", "[^y]", "{x}", "{", "}", "{}", "{}x",
	"'", `"`, "`", `\`, `\x`, "\\u0000", "%", "%s", "%2A", ":", "x:y", "x:", ":x", "/", "../x", "x/y", "#", "#server-to-user-1", "|", ";", ",", "\t", "\r\n",
	"\x01", "\x7f", "é", "e\u0301", "日本語", "😀", "\u2028", "nil", "null", "0", "00", "-1", "-x", "=", "@", "private-encrypted-x", "presence-cache-x",
	strings.Repeat("n", 199) + "1", strings.Repeat("n", 199) + "2", strings.Repeat("é", 100),
}

func testNames(t *testing.T, h Harness) {
	var topics []pusherhub.Topic
	for _, name := range oddNames {
		topics = append(topics, pusherhub.Topic{App: name}, pusherhub.Topic{App: "app", Channel: name}, pusherhub.Topic{App: "app", UserID: name},
			pusherhub.Topic{App: name, Channel: "x"}, pusherhub.Topic{App: name, Channel: name})
	}
	topics = distinct(topics)
	nodes := newNodes(t, h, "node 1 {x}:'*.>", "b")
	a, b := nodes[0], nodes[1]
	b.subscribe(topics...)
	var posts []cluster.Post
	var updates []cluster.Update
	for i, topic := range topics {
		posts = append(posts, cluster.Post{Topic: topic, Data: fmt.Append(nil, i), Keep: inALongTime()})
		u := hold(topic, i+1)
		for j, user := range oddNames {
			if topic.Channel != "" && (i+j)%7 == 0 {
				u.Members = append(u.Members, cluster.MemberUpdate{Member: pusherhub.Member{UserID: user, Since: int64(i)}})
			}
		}
		updates = append(updates, u)
	}
	for part := range slices.Chunk(posts, 50) {
		a.send(part...)
	}
	made := 0
	for part := range slices.Chunk(updates, 50) {
		made += len(a.apply(part...))
	}
	expected := len(updates)
	for _, u := range updates {
		expected += len(u.Members)
	}
	if made != expected {
		t.Errorf("found %d transitions, expected %d", made, expected)
	}
	b.await("everything", func() bool { return len(b.receivedSoFar()) >= len(posts) && len(b.changesSoFar()) >= len(topics) })
	received := b.receivedSoFar()
	for i := range posts {
		if n := len(slices.DeleteFunc(slices.Clone(received), func(s string) bool { return s != string(posts[i].Data) })); n != 1 {
			t.Errorf("found %d posts of %q, expected 1", n, topics[i])
		}
	}
	changes := make(map[pusherhub.Topic]entries)
	for _, c := range b.changesSoFar() {
		if changes[c.Topic] == nil {
			changes[c.Topic] = make(entries)
		}
		changes[c.Topic].add(c.Entries)
	}
	for i, state := range b.read(topics...) {
		if !bytes.Equal(state.Kept, posts[i].Data) {
			t.Errorf("found %q kept of %q, expected %q", state.Kept, topics[i], posts[i].Data)
		}
		expected := entriesOf([]cluster.Entry{{Node: a.id, Count: i + 1}})
		for _, m := range updates[i].Members {
			expected.add([]cluster.Entry{{Node: a.id, Member: m.Member}})
		}
		if found := entriesOf(state.Entries); !maps.Equal(found, expected) {
			t.Errorf("found %v of %q, expected %v", found, topics[i], expected)
		}
		if found := changes[topics[i]]; !maps.Equal(found, expected) {
			t.Errorf("found the changes %v of %q, expected %v", found, topics[i], expected)
		}
	}
	for _, app := range append([]string{"app"}, oddNames...) {
		var expected []string
		for _, topic := range topics {
			if topic.App == app && topic.Channel != "" {
				expected = append(expected, topic.Channel)
			}
		}
		if found := slices.Sorted(maps.Keys(b.channels(app, ""))); !slices.Equal(found, slices.Sorted(slices.Values(expected))) {
			t.Errorf("found the channels %q of app %q, expected %q", found, app, expected)
		}
	}
	for _, prefix := range oddNames {
		for name := range b.channels("app", prefix) {
			if !strings.HasPrefix(name, prefix) {
				t.Errorf("found channel %q with prefix %q", name, prefix)
			}
		}
		if _, found := b.channels("app", prefix)[prefix]; !found {
			t.Errorf("found no channel %q with that prefix", prefix)
		}
	}
	a.resign()
	if made := len(b.reap()); made != expected {
		t.Errorf("found %d transitions after the end, expected %d", made, expected)
	}
	if p := b.beat(long); p.Nodes != 1 {
		t.Errorf("found %d nodes, expected 1", p.Nodes)
	}
}

func distinct(topics []pusherhub.Topic) (once []pusherhub.Topic) {
	for _, topic := range topics {
		if !slices.Contains(once, topic) {
			once = append(once, topic)
		}
	}
	return once
}
