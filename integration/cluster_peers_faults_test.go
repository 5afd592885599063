package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// What went wrong in clusters of other servers of this protocol, one subtest each.
func TestClusterFaultsOfPeers(t *testing.T) {
	onEveryEngineAtOnce(t, func(t *testing.T, e engine) {
		const lease = 3 * time.Second
		r := newReceiver(t)
		c := startCluster(t, e, 3, lease, webhookLines(r), "cache_ttl 1m")
		zero, one, two := c.nodes[0], c.nodes[1], c.nodes[2]
		crowd := newWatchers(t)

		t.Run("user_info follows the oldest socket that lives", func(t *testing.T) {
			const room = "presence-info"
			oldest, newer, newest := crowd.at(zero, "twin"), crowd.at(one, "twin"), crowd.at(two, "twin")
			for _, w := range []*watcher{oldest, newer, newest} {
				if err := w.subscribe(room, map[*watcher]string{oldest: "oldest", newer: "newer", newest: "newest"}[w]); err != nil {
					t.Fatal(err)
				}
			}
			witness := crowd.at(two, "witness")
			expect := func(info string) {
				t.Helper()
				within(t, hubtest.Patience, fmt.Sprintf("a newcomer finds the info %q", info), func() bool {
					witness.must(room)
					defer witness.unsubscribe(room)
					return witness.of(room).members["twin"] == info
				})
			}
			expect("oldest")
			oldest.leave()
			expect("newer")
			newer.leave()
			expect("newest")
			newest.leave()
		})

		t.Run("the cache is written before the event is sent", func(t *testing.T) {
			for i := range 50 {
				channel := fmt.Sprintf("cache-%d", i)
				live, p := crowd.at(one, "live").must(channel), newPublisher("p", zero)
				if _, err := p.publish(channel, ""); err != nil {
					t.Fatal(err)
				}
				within(t, hubtest.Patience, "the event is there", func() bool { return live.of(channel).next["p"] == 1 })
				late := crowd.at(two, "late").must(channel)
				within(t, hubtest.Patience, "a newcomer on another node is told something", func() bool {
					h := late.of(channel)
					return h.events > 0 || len(h.others) > 0
				})
				if h := late.of(channel); h.next["p"] != 1 || len(h.others) > 0 {
					t.Errorf("%s: a newcomer found %v, expected the event that others have got already", channel, h.others)
				}
				live.end()
				late.end()
			}
		})

		if two.link != nil {
			t.Run("a node is not deaf after its subscriptions were lost", func(t *testing.T) {
				listener := crowd.at(two, "listener").must("before")
				two.link.sever() // the youngest: with NATS alone, the second one has the copy of what the first one knows
				// this cannot be confirmed by anybody yet
				connected := crowd.at(two, "meanwhile").must("meanwhile")
				two.link.heal()
				c.expectReady()
				p := newPublisher("p", one)
				for range 3 {
					for _, channel := range []string{"before", "meanwhile"} {
						if _, err := p.publish(channel, ""); err != nil {
							t.Fatal(err)
						}
					}
				}
				for channel, w := range map[string]*watcher{"before": listener, "meanwhile": connected} {
					within(t, hubtest.Patience, "events on "+channel, func() bool { return w.of(channel).next["p"] == 3 })
				}
			})
		}

		if redis, is := e.(*redisServer); is {
			t.Run("a heartbeat restores what has vanished from the register", func(t *testing.T) {
				here, there := crowd.at(zero, "here").must("presence-vanished"), crowd.at(one, "there").must("presence-vanished")
				c.expectTruth(t, hubtest.Patience, []*watcher{here, there})
				redis.client().do("FLUSHDB") // as Laravel's cache:clear does
				newcomer := crowd.at(two, "newcomer").must("presence-vanished")
				c.expectTruth(t, lease+settling, []*watcher{here, there, newcomer})
				if h := here.of("presence-vanished"); len(h.removed) > 0 {
					t.Errorf("found removed %v, expected nobody", h.removed)
				}
			})
		}

		t.Run("a dead node leaves no ghosts, is reaped once, and lets no counter drift", func(t *testing.T) {
			const room = "presence-ghosts"
			first, second := crowd.at(one, "first").must(room, "drift"), crowd.at(two, "second").must(room, "drift")
			var ghosts []*watcher
			for i := range 20 {
				ghosts = append(ghosts, crowd.at(zero, fmt.Sprintf("ghost-%d", i)).must(room, "drift"))
			}
			watchers := []*watcher{first, second}
			c.expectTruth(t, hubtest.Patience, append(watchers, ghosts...))
			told := func(b balance) map[string]balance {
				expected := map[string]balance{room: {1, 0}}
				for _, g := range ghosts {
					expected[room+" "+g.name] = b
				}
				return expected
			}
			// what the node has not told yet dies with it
			r.expectBalances(t, hubtest.Patience, told(balance{1, 0}))
			zero.signal(syscall.SIGKILL)
			<-zero.exited
			for _, g := range ghosts {
				<-g.ended
			}
			c.expectTruth(t, lease+settling, watchers, one, two)
			for _, w := range watchers {
				for i := range ghosts {
					if n := w.of(room).removed[fmt.Sprintf("ghost-%d", i)]; n != 1 {
						t.Errorf("%s saw ghost-%d leave %d times, expected once", w.name, i, n)
					}
				}
				expectCount(t, w, "drift", 2)
			}
			// their return is not taken for something that is known already
			for i, g := range ghosts {
				if err := g.connect(c.nodes[1+i%2]); err != nil {
					t.Fatal(err)
				}
				g.must(room, "drift")
			}
			c.expectTruth(t, hubtest.Patience, append(watchers, ghosts...), one, two)
			for _, w := range watchers {
				for i := range ghosts {
					if n := w.of(room).added[fmt.Sprintf("ghost-%d", i)]; n != 2 {
						t.Errorf("%s saw ghost-%d come %d times, expected twice", w.name, i, n)
					}
				}
				expectCount(t, w, "drift", 22)
			}
			r.expectBalances(t, hubtest.Patience, told(balance{2, 1}))
		})
	})
}
