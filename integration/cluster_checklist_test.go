package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// The lines of the protocol's conformance checklist that need more than one node or process. T72 and T74 are in the tests of the handover and of kill -9.
func TestClusterChecklist(t *testing.T) {
	onEveryEngineAtOnce(t, func(t *testing.T, e engine) {
		c := startCluster(t, e, 2, 3*time.Second)
		zero, one := c.nodes[0], c.nodes[1]
		crowd := newWatchers(t)

		t.Run("T73 presence", func(t *testing.T) {
			a, b := crowd.at(zero, "a").must("presence-x"), crowd.at(one, "b").must("presence-x")
			c.expectTruth(t, hubtest.Patience, []*watcher{a, b})
			second := crowd.at(one, "a").must("presence-x") // another tab elsewhere
			c.expectTruth(t, hubtest.Patience, []*watcher{a, b, second})
			if h := b.of("presence-x"); h.added["a"] > 1 || len(h.removed) > 0 {
				t.Errorf("found added %v and removed %v, expected nothing of a second tab", h.added, h.removed)
			}
			a.leave()
			second.leave()
			within(t, hubtest.Patience, "the last tab's leave", func() bool { return b.of("presence-x").removed["a"] == 1 })
			b.leave()
		})

		t.Run("T73 counts", func(t *testing.T) {
			a, b := crowd.at(zero, "a").must("counted"), crowd.at(one, "b").must("counted")
			for _, w := range []*watcher{a, b} {
				expectCount(t, w, "counted", 2)
			}
			for i, n := range c.nodes {
				for path, expected := range map[string]string{
					"/channels/counted?info=subscription_count":                  `{"occupied":true,"subscription_count":2}`,
					"/channels?filter_by_prefix=counted&info=subscription_count": `"counted":{"subscription_count":2}`,
					"/connections": `{"connections":2}`,
				} {
					within(t, hubtest.Patience, fmt.Sprintf("node %d says %s to %s: %s", i, expected, path, n.get(path)), func() bool { return strings.Contains(n.get(path), expected) })
				}
			}
			a.leave()
			expectCount(t, b, "counted", 1)
			b.leave()
		})

		t.Run("T73 client events, to all but the sender", func(t *testing.T) {
			a, b := crowd.at(zero, "a").must("private-talk"), crowd.at(one, "b").must("private-talk")
			if err := a.send(hubtest.EventFrame("client-hello", "private-talk", "1")); err != nil {
				t.Fatal(err)
			}
			within(t, hubtest.Patience, "the other hears it", func() bool { return len(b.of("private-talk").others) == 1 })
			if err := b.send(hubtest.EventFrame("client-answer", "private-talk", "1")); err != nil {
				t.Fatal(err)
			}
			within(t, hubtest.Patience, "the answer", func() bool { return len(a.of("private-talk").others) == 1 })
			if found := a.of("private-talk").others; found[0] != "client-answer" {
				t.Errorf("found %q, expected only the answer", found)
			}
			a.leave()
			b.leave()
		})

		t.Run("T73 who is online", func(t *testing.T) {
			friend := crowd.at(one, "friend")
			fan := crowd.at(zero, "fan")
			for _, err := range []error{fan.signin("friend"), friend.signin()} {
				if err != nil {
					t.Fatal(err)
				}
			}
			within(t, hubtest.Patience, "online", func() bool { return fan.status("friend") == "online" })
			late := crowd.at(zero, "late")
			if err := late.signin("friend"); err != nil {
				t.Fatal(err)
			}
			within(t, hubtest.Patience, "online at once", func() bool { return late.status("friend") == "online" })
			friend.leave()
			within(t, hubtest.Patience, "offline", func() bool { return fan.status("friend") == "offline" && late.status("friend") == "offline" })
			fan.leave()
			late.leave()
		})

		t.Run("T44 T73 terminate, on all nodes", func(t *testing.T) {
			for _, from := range c.nodes {
				bad := []*watcher{crowd.at(zero, "bad"), crowd.at(one, "bad")}
				good := crowd.at(one, "good")
				for _, w := range append(bad, good) {
					if err := w.signin(); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := ask(from.apiURL(), "POST", "/users/bad/terminate_connections", []byte("{}")); err != nil {
					t.Fatal(err)
				}
				for _, w := range bad {
					if code := w.expectClose(); code != pusherhub.CodeUnauthorized {
						t.Errorf("found close code %d, expected 4009", code)
					}
				}
				if !good.open() {
					t.Error("another user's socket was closed")
				}
				good.leave()
			}
		})

		t.Run("T71 a reload keeps sockets, and the node in the cluster", func(t *testing.T) {
			a, b := crowd.at(zero, "a").must("news", "presence-x"), crowd.at(one, "b").must("news", "presence-x")
			for i, n := range c.nodes {
				if said, err := n.reload(strings.Replace(n.sites, "application", fmt.Sprint("application", i), 1)); err != nil {
					t.Fatalf("%v: %s", err, said)
				}
				publishing.CloseIdleConnections() // the reload has closed those that came to the old config
				p := newPublisher(fmt.Sprintf("p%d", i), n)
				if _, err := p.publish("news", ""); err != nil {
					t.Fatal(err)
				}
				for _, w := range []*watcher{a, b} {
					within(t, hubtest.Patience, "an event after the reload", func() bool { return w.of("news").next[p.name] == 1 })
				}
			}
			visitor := crowd.at(one, "visitor").must("presence-x")
			c.expectTruth(t, hubtest.Patience, []*watcher{a, b, visitor})
			if h := a.of("presence-x"); len(h.removed) > 0 {
				t.Errorf("found removed %v, expected nobody", h.removed)
			}
		})
	})
}
