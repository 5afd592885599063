package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// parties are a cluster with somebody on every node, on a presence channel and on a public one.
type parties struct {
	*cluster

	crowd    *crowdOf
	hooks    *receiver
	watchers []*watcher
}

const (
	partyRoom = "presence-party"
	partyNews = "party-news"
)

func startParties(t *testing.T, e engine, nodes int, lease time.Duration, lines ...string) *parties {
	t.Helper()
	r := newReceiver(t)
	p := &parties{cluster: startCluster(t, e, nodes, lease, append(lines, webhookLines(r))...), crowd: newWatchers(t), hooks: r}
	for i, n := range p.nodes {
		for j := range 3 {
			p.watchers = append(p.watchers, p.crowd.at(n, fmt.Sprintf("guest-%d-%d", i, j)).must(partyRoom, partyNews))
		}
	}
	p.expectTruth(t, hubtest.Patience, p.watchers)
	return p
}

// healed makes sure that all is as it should be: who is where, how many, that events get everywhere, and that the nodes say so.
func (p *parties) healed(t *testing.T) {
	t.Helper()
	p.expectReady()
	p.expectTruth(t, defaultLease+settling, p.watchers)
	count := 0
	for _, w := range p.watchers {
		if w.open() {
			count++
		}
	}
	for i, n := range p.nodes {
		within(t, hubtest.Patience, fmt.Sprintf("node %d counts right: %s", i, n.get("/connections")), func() bool { return n.get("/connections") == fmt.Sprintf(`{"connections":%d}`, count) })
		path := "/channels/" + partyNews + "?info=subscription_count"
		within(t, hubtest.Patience, fmt.Sprintf("node %d counts subscribers right: %s", i, n.get(path)), func() bool {
			return strings.Contains(n.get(path), fmt.Sprintf(`"subscription_count":%d`, count))
		})
		if up := n.figure("broker_up"); up != 1 {
			t.Errorf("node %d: found broker_up %v, expected 1", i, up)
		}
		after := newPublisher(fmt.Sprintf("healed-%d-%d", i, time.Now().UnixNano()), n)
		for range 10 {
			if _, err := after.publish(partyNews, ""); err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range p.watchers {
			if w.open() {
				within(t, 2*hubtest.Patience, fmt.Sprintf("%s gets what node %d publishes, behind what may wait for the others", w.name, i), func() bool { return w.of(partyNews).next[after.name] == 10 })
				if missed := w.of(partyNews).missed[after.name]; missed != nil {
					t.Errorf("%s missed %v of node %d", w.name, missed, i)
				}
			}
		}
	}
}

// expectNoFlapping makes sure that nobody saw anybody leave or come back who was there all the time.
func (p *parties) expectNoFlapping(t *testing.T) {
	t.Helper()
	for _, w := range p.watchers {
		h := w.of(partyRoom)
		for id, n := range h.removed {
			if strings.HasPrefix(id, "guest-") {
				t.Errorf("%s saw %s leave %d times, who was there all the time", w.name, id, n)
			}
		}
	}
	for key, b := range p.hooks.balances() {
		if strings.Contains(key, "guest-") && b != (balance{1, 0}) || key == partyRoom && b != (balance{1, 0}) {
			t.Errorf("webhooks: %q: found %d beginnings and %d ends, expected one beginning", key, b.begun, b.ended)
		}
	}
}

// The engine's server comes back with an empty memory: the nodes fill it again, and nobody notices.
func TestClusterServerRestartsEmpty(t *testing.T) {
	onEveryServerAtOnce(t, func(t *testing.T, e served) {
		p := startParties(t, e, 3, defaultLease)
		for range 2 {
			e.server().kill()
			e.server().start()
			p.healed(t)
		}
		newcomer := p.crowd.at(p.nodes[1], "newcomer").must(partyRoom)
		p.expectTruth(t, hubtest.Patience, append(p.watchers, newcomer))
		newcomer.leave()
		p.expectTruth(t, hubtest.Patience, p.watchers)
		p.hooks.expectBalances(t, hubtest.Patience, map[string]balance{partyRoom + " newcomer": {1, 1}})
		p.expectNoFlapping(t)
	})
}

// The engine's server is away for longer than the lease. Each node goes on with its own clients, its memory stays bounded, and when the server is back
// the others get, in order, what they can still use.
func TestClusterServerIsAwayForHalfAMinute(t *testing.T) {
	const away, size, least = 30 * time.Second, 4000, 20_000
	onEveryServerAtOnce(t, func(t *testing.T, e served) {
		// what has waited comes at once; on a busy machine the clients would be slow readers
		p := startParties(t, e, 2, defaultLease, "max_queue 64MiB")
		one := p.nodes[0]
		before := one.residentMemory()
		e.server().kill()
		began := time.Now()
		within(t, hubtest.Patience, "the nodes say so", func() bool { return !p.nodes[0].ready() && !p.nodes[1].ready() })
		if up := one.figure("broker_up"); up != 0 {
			t.Errorf("found broker_up %v, expected 0", up)
		}

		// who comes and goes meanwhile
		stayer := p.crowd.at(one, "stayer").must(partyRoom, partyNews)
		passer := p.crowd.at(p.nodes[1], "passer").must(partyRoom)
		within(t, hubtest.Patience, "the node's own clients see who comes", func() bool { return p.watchers[0].of(partyRoom).added["stayer"] == 1 })
		passer.leave()

		flood := newPublisher("flood", one)
		flood.pad = strings.Repeat("x", size)
		biggest := int64(0)
		for time.Since(began) < away || flood.sent[partyNews] < least {
			if _, err := flood.publish(partyNews, ""); err != nil {
				t.Fatal(err)
			}
			if flood.sent[partyNews]%1000 == 0 {
				biggest = max(biggest, resident(t, one))
			}
			if flood.sent[partyNews] >= 2*least {
				<-time.After(time.Until(began.Add(away)))
				break
			}
		}
		sent := flood.sent[partyNews]
		within(t, hubtest.Patience, "the node's own clients got everything", func() bool { return p.watchers[0].of(partyNews).next["flood"] == sent })
		if missed := p.watchers[0].of(partyNews).missed["flood"]; missed != nil {
			t.Errorf("%d events did not reach the node's own clients", len(missed))
		}
		grown := biggest - before
		if grown > 128<<20 {
			t.Errorf("the node has grown by %d MiB, expected a bound", grown>>20)
		}

		e.server().start()
		p.watchers = append(p.watchers, stayer)
		p.healed(t)
		h := p.watchers[3].of(partyNews)
		spooled := h.next["flood"]
		if spooled == 0 {
			t.Error("nothing of what was published meanwhile has reached the others, expected what the spool can hold")
		}
		t.Logf("%d events of %d bytes were published while the server was away; the other node got %d of them, without %d in between; the node grew by %d MiB",
			sent, size, h.events, len(h.missed["flood"]), grown>>20)
		p.hooks.expectBalances(t, hubtest.Patience, map[string]balance{partyRoom + " stayer": {1, 0}})
		p.expectNoFlapping(t)
	})
}

// resident returns what the node occupies right now.
func resident(t *testing.T, n *node) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid), "statm"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
