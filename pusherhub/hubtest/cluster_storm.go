package hubtest

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// stormTopics are those that a storm is about. The first three are channels.
var stormTopics = []pusherhub.Topic{channel("presence-a"), channel("presence-b"), channel("c"), {App: "app", UserID: "7"}, {App: "app"}}

func checkStorm(x *crew) {
	x.storm(func(*rand.Rand, []*witness) {})
}

// checkStormOfFaults lets nobody be away for so long that a lease ends.
func checkStormOfFaults(x *crew) {
	x.storm(func(random *rand.Rand, nodes []*witness) {
		for range 6 {
			begin, end := x.Cut, x.Restore
			if random.IntN(2) == 0 {
				paused := nodes[random.IntN(len(nodes))].RosterBroker
				begin, end = func() { x.Pause(paused) }, func() { x.Resume(paused) }
			}
			begin()
			x.goOn(random)
			end()
			x.goOn(random)
		}
	})
}

func checkStormOfMemory(x *crew) {
	x.storm(func(random *rand.Rand, _ []*witness) {
		for range 3 {
			x.goOn(random)
			x.Forget()
		}
		x.goOn(random)
	})
}

// goOn lets a storm go on for a while that is short beside the lease.
func (x *crew) goOn(random *rand.Rand) {
	<-time.After(time.Duration(random.Int64N(int64(x.Lease / 8))))
}

// storm has three nodes do things at random, until weather returns and each has done a lot, and then finds out whether all know the truth.
func (x *crew) storm(weather func(random *rand.Rand, nodes []*witness)) {
	nodes := x.enlist(3)
	all := newTruth(nodes)
	seed := rand.Uint64()
	x.Logf("seed %d", seed)
	over := make(chan struct{})
	var storm sync.WaitGroup
	for k, w := range nodes {
		random := rand.New(rand.NewPCG(seed, uint64(k)))
		storm.Go(func() {
			for i := 0; ; i++ {
				if i >= 300 { // from then on it waits for the weather
					select {
					case <-over:
						return
					case <-time.After(time.Millisecond):
					}
				}
				all[w].act(w, random, stormTopics, int64(i*len(nodes)+k))
				if random.IntN(20) == 0 {
					w.turn(stormTopics[random.IntN(3)])
				}
				if random.IntN(50) == 0 {
					ctx, cancel := context.WithTimeout(context.Background(), x.Lease)
					_ = w.Settle(ctx) // which may not be possible just now
					cancel()
				}
			}
		})
	}
	weather(rand.New(rand.NewPCG(seed, uint64(len(nodes)))), nodes)
	close(over)
	x.within("the storm", storm.Wait)
	for _, w := range nodes {
		for _, t := range stormTopics[:3] {
			w.mu.Lock()
			subscribed := w.interests[t]
			w.mu.Unlock()
			if !subscribed {
				w.subscribe(t)
			}
		}
		w.follow(stormTopics[3:]...)
	}
	x.expectTruth(all, stormTopics)
	for _, w := range nodes { // nothing is left when all are gone
		all[w].clear(w)
	}
	x.expectTruth(all, stormTopics)
	if found := nodes[0].lookupChannels("app", ""); len(found) != 0 {
		x.Errorf("found %v, expected no channel", found)
	}
}

// turn subscribes to a channel or unsubscribes from it.
func (w *witness) turn(t pusherhub.Topic) {
	w.mu.Lock()
	subscribed := w.interests[t]
	if !subscribed {
		w.interests[t], w.views[t] = true, new(view)
	}
	w.mu.Unlock()
	if !subscribed {
		if err := w.Subscribe(t.App, t.Channel); err != nil {
			w.x.Errorf("%s subscribes: %v", w.name, err)
		}
		return
	}
	if err := w.Unsubscribe(t.App, t.Channel); err != nil {
		w.x.Errorf("%s unsubscribes: %v", w.name, err)
	}
	w.mu.Lock()
	delete(w.interests, t)
	delete(w.views, t)
	w.mu.Unlock()
}

// clear has a node give up everything.
func (h *holdings) clear(w *witness) {
	for _, t := range slices.Collect(maps.Keys(h.counts)) {
		w.hold(t, 0)
	}
	for _, m := range slices.Collect(maps.Keys(h.members)) {
		w.quit(m.Topic, m.Member)
	}
	clear(h.counts)
	clear(h.members)
}
