package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Clients all over three nodes, publishers on every node: each event comes exactly once, in its publisher's order, to everybody but the
// socket that is left out.
func TestClusterDeliversExactlyOnce(t *testing.T) {
	const clients, rooms, toAll, toRoom = 600, 20, 15, 60
	onEveryEngine(t, func(t *testing.T, e engine) {
		c := startCluster(t, e, 3, defaultLease)
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		crowd := newWatchers(t)
		inRoom := make([][]*watcher, rooms)
		var connecting sync.WaitGroup
		for i := range clients {
			w, at := crowd.add(fmt.Sprintf("client-%d", i)), c.nodes[random.IntN(3)]
			inRoom[i%rooms] = append(inRoom[i%rooms], w)
			connecting.Go(func() {
				if err := w.connect(at); err != nil {
					t.Error(err)
					return
				}
				w.subscribe("news")
				w.subscribe(fmt.Sprintf("room-%d", i%rooms))
			})
			if i%30 == 29 {
				connecting.Wait()
			}
		}
		connecting.Wait()
		if t.Failed() {
			return
		}

		publishers := make([]*publisher, 2*len(c.nodes))
		left := make([]map[*watcher][]string, len(publishers)) // by publisher: "<room>/<number>" of what a watcher is left out of
		var publishes sync.WaitGroup
		for i := range publishers {
			p, own := newPublisher(fmt.Sprintf("p%d", i), c.nodes[i%3]), rand.New(rand.NewPCG(seed, uint64(i+1)))
			publishers[i], left[i] = p, make(map[*watcher][]string)
			publishes.Go(func() {
				for n := range toAll + toRoom {
					channel, except, out := "news", "", (*watcher)(nil)
					if n%5 != 0 {
						room := own.IntN(rooms)
						channel = fmt.Sprintf("room-%d", room)
						if own.IntN(4) == 0 {
							out = inRoom[room][own.IntN(len(inRoom[room]))]
							except = out.socketID
						}
					}
					number, err := p.publish(channel, except)
					if err != nil {
						t.Error(err)
						return
					}
					if out != nil {
						left[i][out] = append(left[i][out], fmt.Sprintf("%s/%d", channel, number))
					}
				}
				// behind the last one that somebody is left out of, so that it would have come before
				for room := range rooms {
					if _, err := p.publish(fmt.Sprintf("room-%d", room), ""); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		publishes.Wait()

		want := func(w *watcher, channel string) (n int) {
			for i, p := range publishers {
				n += p.sent[channel]
				for _, out := range left[i][w] {
					if strings.HasPrefix(out, channel+"/") {
						n--
					}
				}
			}
			return n
		}
		total := 0
		for room, members := range inRoom {
			for _, w := range members {
				for _, channel := range []string{"news", fmt.Sprintf("room-%d", room)} {
					expected := want(w, channel)
					total += expected
					within(t, 3*hubtest.Patience, fmt.Sprintf("%d events on %s for %s, which has %d", expected, channel, w.name, w.of(channel).events),
						func() bool { return w.of(channel).events >= expected })
				}
			}
		}
		for room, members := range inRoom {
			channel := fmt.Sprintf("room-%d", room)
			for _, w := range members {
				for i, p := range publishers {
					h := w.of(channel)
					for n := range p.sent[channel] {
						if out := slices.Contains(left[i][w], fmt.Sprintf("%s/%d", channel, n)); out == h.got(p.name, n) {
							t.Errorf("%s, number %d of %s on %s: found it delivered: %v, expected %v", w.name, n, p.name, channel, out, !out)
						}
					}
				}
			}
		}
		t.Logf("%d events were delivered, each once", total)
	})
}

// A node hears nothing of channels that nobody on it is subscribed to.
func TestClusterNodeHearsOnlyOfItsChannels(t *testing.T) {
	const events, mark = 300, "nobody-there-wants-this"
	onEveryEngine(t, func(t *testing.T, e engine) {
		c := startCluster(t, e, 3, defaultLease)
		crowd := newWatchers(t)
		here, there := crowd.at(c.nodes[0], "here").must("news"), crowd.at(c.nodes[1], "there").must("news")
		crowd.at(c.nodes[2], "elsewhere").must("other-news")
		elsewhere := c.nodes[2]

		before, began := c.bytesTo(elsewhere), time.Now()
		if elsewhere.link != nil {
			elsewhere.link.keep()
		}
		p := newPublisher("p", c.nodes[0])
		p.pad = mark + strings.Repeat("x", 2000)
		for range events {
			if _, err := p.publish("news", ""); err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range []*watcher{here, there} {
			within(t, hubtest.Patience, w.name+" got everything", func() bool { return w.of("news").events == events })
		}
		after := c.bytesTo(elsewhere)
		t.Logf("%d bytes were published, and %d came to a node without subscribers within %v", events*len(p.pad), after-before, time.Since(began))
		if after-before > events*len(p.pad)/20 {
			t.Errorf("%d bytes came to a node without subscribers", after-before)
		}
		if elsewhere.link != nil {
			if found, _ := elsewhere.link.has(toClient, mark); found {
				t.Error("an event came to a node without subscribers")
			}
		}
	})
}
