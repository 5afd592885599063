package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A node is killed: what it had ends everywhere, once, within the lease, and nothing else does.
func TestClusterKill9(t *testing.T) {
	onEveryEngineAtOnce(t, func(t *testing.T, e engine) {
		r := newReceiver(t)
		c := startCluster(t, e, 3, defaultLease, webhookLines(r))
		doomed, one, two := c.nodes[0], c.nodes[1], c.nodes[2]
		crowd := newWatchers(t)
		const room, lonely = "presence-room", "presence-lonely"

		first, second := crowd.at(one, "first").must(room, "counted"), crowd.at(two, "second").must(room)
		if err := first.signin("gone"); err != nil {
			t.Fatal(err)
		}
		gone := crowd.at(doomed, "gone").must(room, "counted", lonely)
		if err := gone.signin(); err != nil {
			t.Fatal(err)
		}
		crowd.at(doomed, "both").must(room, "counted")
		both := crowd.at(two, "both").must(room)
		mover := crowd.at(doomed, "mover").must(room)
		crowd.at(doomed, "alone").must("only-there")
		c.expectTruth(t, hubtest.Patience, crowd.all())
		expectCount(t, first, "counted", 3)
		within(t, hubtest.Patience, "the friend is online", func() bool { return first.status("gone") == "online" })
		r.expectBalances(t, hubtest.Patience, map[string]balance{room + " gone": {1, 0}, lonely: {1, 0}, "only-there": {1, 0}, "gone": {1, 0}})

		doomed.signal(syscall.SIGKILL)
		<-doomed.exited
		killed := time.Now()
		within(t, hubtest.Patience, "the client notices", func() bool { return !mover.open() })
		if err := mover.connect(two); err != nil {
			t.Fatal(err)
		}
		mover.must(room)
		watchers := []*watcher{first, second, both, mover}
		t.Run("T74 members leave within the lease", func(t *testing.T) {
			c.expectTruth(t, defaultLease-time.Since(killed), watchers, one, two)
			t.Logf("after %v", time.Since(killed).Round(time.Millisecond))
		})
		t.Run("counts", func(t *testing.T) {
			expectCount(t, first, "counted", 1)
			for _, n := range []*node{one, two} {
				within(t, hubtest.Patience, "the sum of connections in "+n.get("/connections"), func() bool { return n.get("/connections") == `{"connections":4}` })
				for path, expected := range map[string]string{
					"/channels/counted?info=subscription_count":            `"subscription_count":1`,
					"/channels/" + room + "?info=user_count":               `"user_count":4`,
					"/channels/" + lonely:                                  `"occupied":false`,
					"/channels?filter_by_prefix=presence-&info=user_count": `{"channels":{"presence-room":{"user_count":4}}}`,
					"/channels?filter_by_prefix=only":                      `{"channels":{}}`,
					"/channels/only-there":                                 `"occupied":false`,
				} {
					within(t, hubtest.Patience, fmt.Sprintf("%s in the answer to %s: %s", expected, path, n.get(path)), func() bool { return strings.Contains(n.get(path), expected) })
				}
			}
		})
		t.Run("a watchlist", func(t *testing.T) {
			within(t, hubtest.Patience, "the friend is offline", func() bool { return first.status("gone") == "offline" })
		})
		t.Run("T74 webhooks, once", func(t *testing.T) {
			ended := []string{room + " gone", lonely, lonely + " gone", "only-there", "gone"}
			expected := make(map[string]balance)
			for _, key := range ended {
				expected[key] = balance{1, 1}
			}
			r.expectBalances(t, hubtest.Patience, expected)
			// what is told after the last of all cannot be missed: somebody leaves in the usual way
			last := crowd.at(one, "last").must("presence-last")
			last.leave()
			r.expectBalances(t, hubtest.Patience, map[string]balance{"presence-last last": {1, 1}, "presence-last": {1, 1}})
			for key, b := range r.balances() {
				alive := key == room || key == "counted" || key == "first" || strings.HasPrefix(key, room+" ") && key != room+" gone"
				if b.begun != 1 || !alive && b.ended != 1 || alive && b.ended != 0 {
					t.Errorf("%q: found %d beginnings and %d ends", key, b.begun, b.ended)
				}
			}
		})
		t.Run("T74 members are told, once", func(t *testing.T) {
			for _, w := range []*watcher{first, second, both} {
				h := w.of(room)
				if h.removed["gone"] != 1 || len(h.removed) != 1 {
					t.Errorf("%s: found removed %v, expected the one who has gone, once", w.name, h.removed)
				}
			}
		})
		t.Run("who comes back is added", func(t *testing.T) {
			if err := gone.connect(one); err != nil {
				t.Fatal(err)
			}
			gone.must(room)
			c.expectTruth(t, hubtest.Patience, append(watchers, gone), one, two)
		})
		t.Run("a new process takes the dead one's place", func(t *testing.T) {
			doomed.start(doomed.sites)
			c.expectReady()
			crowd.at(doomed, "newcomer").must(room)
			c.expectTruth(t, hubtest.Patience, crowd.all())
		})
	})
}

// expectCount waits until the watcher was told how many subscribers the channel has.
func expectCount(t *testing.T, w *watcher, channel string, count int) {
	t.Helper()
	within(t, 3*hubtest.Patience, fmt.Sprintf("%d subscribers of %s, where %s was told %d", count, channel, w.name, w.of(channel).count), func() bool { return w.of(channel).count == count })
}
