package integration

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A deploy: the new node runs beside the old one, which drains. For as long as both have clients, what is published on either reaches all of them.
func TestClusterDeployHandover(t *testing.T) {
	const clients = 60
	onEveryEngineAtOnce(t, func(t *testing.T, e engine) {
		c := startCluster(t, e, 1, defaultLease, "drain 4s")
		before := c.nodes[0]
		crowd := newWatchers(t)
		for i := range clients {
			crowd.at(before, fmt.Sprintf("client-%d", i)).must("news", "presence-room")
		}
		after := c.add(defaultLease, "drain 4s")
		c.expectReady()

		var mu sync.Mutex
		var fromOther [2]int // how many events old sockets got of the new node, and new sockets of the old one, during the drain
		stop := make(chan struct{})
		var load sync.WaitGroup
		for i, n := range c.nodes {
			p := newPublisher([]string{"old", "new"}[i], n)
			load.Go(func() {
				pace := time.NewTicker(20 * time.Millisecond)
				defer pace.Stop()
				for {
					select {
					case <-stop:
						return
					case <-pace.C:
						if _, err := p.publish("news", ""); err != nil {
							return // the old node has gone
						}
					}
				}
			})
		}
		before.signal(syscall.SIGTERM)
		began := time.Now()
		var closes []time.Duration
		var moving sync.WaitGroup
		for _, w := range crowd.all() {
			moving.Go(func() {
				<-w.ended
				h := w.of("news")
				mu.Lock()
				closes = append(closes, time.Since(began))
				if w.code != pusherhub.CodeReconnect {
					t.Errorf("%s: found close code %d, expected 4200", w.name, w.code)
				}
				if h.next["new"] > 0 {
					fromOther[0]++
				}
				mu.Unlock()
				if len(h.missed) > 0 {
					t.Errorf("%s missed %v before it was sent away", w.name, h.missed)
				}
				if err := w.connect(after); err != nil {
					t.Error(err)
					return
				}
				w.subscribe("news")
				w.subscribe("presence-room")
			})
		}
		moving.Wait()
		if code := before.wait(); code != 0 {
			t.Errorf("the old node ended with %d, expected 0", code)
		}
		close(stop)
		load.Wait()

		t.Run("T72 closes are spread over the drain", func(t *testing.T) {
			inHalf := make(map[int]int)
			for _, at := range closes {
				inHalf[int(at/(500*time.Millisecond))]++
			}
			if len(inHalf) < 4 {
				t.Errorf("found closes in half seconds %v, expected them spread over 4 s", inHalf)
			}
		})
		for _, w := range crowd.all() {
			h := w.of("news")
			if len(h.missed) > 0 {
				t.Errorf("%s missed %v after it came to the new node", w.name, h.missed)
			}
			if h.next["old"] > 0 {
				fromOther[1]++
			}
		}
		t.Logf("%d sockets of the old node got events of the new one, and %d of the new one events of the old one", fromOther[0], fromOther[1])
		if fromOther[0] < clients/2 || fromOther[1] < clients/4 {
			t.Errorf("found %d and %d sockets with events of the other node, expected nearly all %d and most of them", fromOther[0], fromOther[1], clients)
		}
		c.expectTruth(t, hubtest.Patience, crowd.all(), after)
		for _, w := range crowd.all() {
			// nobody has left while they moved
			if h := w.of("presence-room"); len(h.members) != clients {
				t.Errorf("%s sees %d members, expected %d", w.name, len(h.members), clients)
			}
		}
	})
}
