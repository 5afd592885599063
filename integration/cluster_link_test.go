package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A node's way to the server is lost in all ways. Its own clients are served meanwhile; what is published in a short time without a
// connection comes in order when it is back; and everything heals.
func TestClusterLink(t *testing.T) {
	const lease = 3 * time.Second
	onEveryServerAtOnce(t, func(t *testing.T, e served) {
		p := startParties(t, e, 3, lease)
		alone, others := p.nodes[0], p.nodes[1:]

		t.Run("reset again and again", func(t *testing.T) {
			steady := newPublisher("steady", alone)
			for range 5 {
				alone.link.sever()
				for range 20 {
					if _, err := steady.publish(partyNews, ""); err != nil {
						t.Fatal(err)
					}
				}
				alone.link.heal()
				p.expectReady()
			}
			for _, w := range p.watchers {
				within(t, 2*hubtest.Patience, fmt.Sprintf("%s got all 100, and has %d", w.name, w.of(partyNews).next["steady"]), func() bool { return w.of(partyNews).next["steady"] == 100 })
				if h := w.of(partyNews); h.missed["steady"] != nil {
					t.Errorf("%s missed %v", w.name, h.missed["steady"])
				}
			}
			p.healed(t)
		})

		t.Run("slow", func(t *testing.T) {
			alone.link.slow(200 * time.Millisecond)
			defer alone.link.heal()
			slow := newPublisher("slow", alone)
			there := newPublisher("there", others[0])
			for range 30 {
				for _, each := range []*publisher{slow, there} {
					if _, err := each.publish(partyNews, ""); err != nil {
						t.Fatal(err)
					}
				}
			}
			visitor := p.crowd.at(alone, "visitor").must(partyRoom)
			for _, w := range p.watchers {
				within(t, 2*hubtest.Patience, w.name+" got everything", func() bool {
					h := w.of(partyNews)
					return h.next["slow"] == 30 && h.next["there"] == 30 && h.missed["slow"] == nil && h.missed["there"] == nil
				})
			}
			p.expectTruth(t, 2*hubtest.Patience, append(p.watchers, visitor))
			if !alone.ready() {
				t.Error("a node with a slow server is not ready")
			}
			visitor.leave()
			p.expectTruth(t, 2*hubtest.Patience, p.watchers)
		})

		t.Run("a black hole, for longer than the lease", func(t *testing.T) {
			stays, leaver := p.watchers[0], p.watchers[1]
			before := p.watchers[3].of(partyRoom) // after many resets the node may have been away for longer than its lease once already
			removed, left, added := before.removed[stays.name], before.removed[leaver.name], before.added[leaver.name]
			alone.link.swallow()
			defer alone.link.heal()
			within(t, 3*hubtest.Patience, "the node notices", func() bool { return !alone.ready() })
			within(t, lease+settling, "the others take its members for gone", func() bool {
				return p.watchers[3].of(partyRoom).removed[stays.name] == removed+1
			})
			here := newPublisher("here", alone)
			for range 20 {
				if _, err := here.publish(partyNews, ""); err != nil {
					t.Fatal(err)
				}
			}
			within(t, hubtest.Patience, "its own clients are served", func() bool { return stays.of(partyNews).next["here"] == 20 })
			leaver.leave()
			within(t, hubtest.Patience, "its own clients see who leaves", func() bool { return stays.of(partyRoom).removed[leaver.name] == 1 })
			alone.link.heal()
			p.healed(t)
			if h := p.watchers[3].of(partyRoom); h.removed[leaver.name] != left+1 || h.added[leaver.name] != added {
				t.Errorf("found %s added %d times and removed %d times, expected that it has left, once", leaver.name, h.added[leaver.name]-added, h.removed[leaver.name]-left)
			}
			within(t, hubtest.Patience, "the others got what it has published meanwhile", func() bool {
				h := p.watchers[3].of(partyNews)
				return h.next["here"] == 20 && h.events > 0 && h.missed["here"] == nil
			})
		})
	})
}
