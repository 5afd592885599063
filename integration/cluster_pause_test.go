package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A node stands still for twice the lease, as on a machine that is suspended, and goes on: it notices that it was declared dead, and puts things
// right without anybody seeing anything twice.
func TestClusterPausedNodeComesBack(t *testing.T) {
	onEveryEngineAtOnce(t, func(t *testing.T, e engine) {
		lease := 3 * time.Second
		if _, first := e.(*redisServer); first {
			lease = defaultLease
		}
		r := newReceiver(t)
		c := startCluster(t, e, 3, lease, webhookLines(r))
		paused, one, two := c.nodes[0], c.nodes[1], c.nodes[2]
		crowd := newWatchers(t)
		const room, lonely = "presence-room", "presence-lonely"
		inside := crowd.at(paused, "inside").must(room, "news", lonely)
		both, bothElsewhere := crowd.at(paused, "both").must(room, "news"), crowd.at(one, "both").must(room, "news")
		first, second := crowd.at(one, "first").must(room, "news"), crowd.at(two, "second").must(room, "news")
		leaver := crowd.at(two, "leaver").must(room)
		everybody := []*watcher{inside, both, bothElsewhere, first, second}
		c.expectTruth(t, hubtest.Patience, append(everybody, leaver))

		paused.signal(syscall.SIGSTOP)
		began := time.Now()
		awake := false
		wake := func() {
			if !awake {
				awake = true
				paused.signal(syscall.SIGCONT)
			}
		}
		t.Cleanup(wake) // a stopped process cannot end
		within(t, lease, "its members have left", func() bool {
			return first.of(room).removed["inside"] == 1 && second.of(room).removed["inside"] == 1
		})
		leaver.leave()
		newcomer := crowd.at(two, "newcomer").must(room, "news")
		meanwhile := newPublisher("meanwhile", one)
		for range 20 {
			if _, err := meanwhile.publish("news", ""); err != nil {
				t.Fatal(err)
			}
		}
		c.expectTruth(t, hubtest.Patience, []*watcher{bothElsewhere, first, second, newcomer}, one, two)
		<-time.After(2*lease - time.Since(began))
		wake()

		everybody = append(everybody, newcomer)
		c.expectTruth(t, lease+settling, everybody)
		c.expectReady()
		for _, w := range []*watcher{first, second} {
			if h := w.of(room); h.removed["inside"] != 1 || h.added["inside"] != 1 || h.removed["both"] != 0 {
				t.Errorf("%s: found added %v and removed %v, expected one who has left and come back, once", w.name, h.added, h.removed)
			}
		}
		if h := inside.of(room); h.added["newcomer"] != 1 || h.removed["leaver"] != 1 || len(h.removed) != 1 {
			t.Errorf("on the node that was paused: found added %v and removed %v, expected one each", h.added, h.removed)
		}
		for i, n := range c.nodes {
			p := newPublisher(fmt.Sprintf("after-%d", i), n)
			for range 10 {
				if _, err := p.publish("news", ""); err != nil {
					t.Fatal(err)
				}
			}
			for _, w := range everybody {
				within(t, hubtest.Patience, fmt.Sprintf("%s got everything of node %d", w.name, i), func() bool { return w.of("news").next[p.name] == 10 })
				if missed := w.of("news").missed[p.name]; missed != nil {
					t.Errorf("%s missed %v of node %d", w.name, missed, i)
				}
			}
		}
		r.expectBalances(t, hubtest.Patience, map[string]balance{room + " inside": {2, 1}, lonely: {2, 1}, room + " both": {1, 0}, room + " leaver": {1, 1}})
	})
}
