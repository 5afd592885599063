package hubtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

const lobby = "presence-lobby"

func fleetPresence(f *fleet) {
	var all []*onlooker
	for i := range eachNode {
		all = append(all, f.look(i, lobby, who(fmt.Sprint("u", i))))
	}
	f.expectMembers(all, "u0", "u1", "u2")
	all[1].leave()
	rest := []*onlooker{all[0], all[2]}
	f.expectMembers(rest, "u0", "u2")
	_ = all[2].WS.CloseNow()
	f.expectMembers(all[:1], "u0")
	all[0].leave()
	f.expectObserved(once("channel_occupied "+lobby, "channel_vacated "+lobby,
		"member_added "+lobby+" u0", "member_added "+lobby+" u1", "member_added "+lobby+" u2",
		"member_removed "+lobby+" u0", "member_removed "+lobby+" u1", "member_removed "+lobby+" u2"))
}

func fleetTabs(f *fleet) {
	witness := f.look(0, lobby, who("witness"))
	first := f.look(1, lobby, who("7"))
	f.expectMembers([]*onlooker{witness, first}, "witness", "7")
	second := f.look(2, lobby, who("7"))
	f.expectMembers([]*onlooker{second}, "witness", "7")
	f.settle()
	first.leave()
	fence := f.look(1, lobby, who("fence")) // who sees that has seen what came of it
	f.expectMembers([]*onlooker{witness, second, fence}, "witness", "7", "fence")
	if added, removed := witness.tellsOf("7"); added != 1 || removed != 0 {
		f.Errorf("while a tab is left, a witness was told of the user %d times, and %d times that they left, expected 1 and 0", added, removed)
	}
	second.leave()
	f.expectMembers([]*onlooker{witness, fence}, "witness", "fence")
	if added, removed := witness.tellsOf("7"); added != 1 || removed != 1 {
		f.Errorf("a witness was told of the user %d times, and %d times that they left, expected 1 and 1", added, removed)
	}
	f.expectObserved(once("channel_occupied "+lobby, "member_added "+lobby+" witness", "member_added "+lobby+" 7", "member_added "+lobby+" fence", "member_removed "+lobby+" 7"))
}

func fleetUserInfo(f *fleet) {
	tab := func(i int) *onlooker {
		return f.look(i, lobby, fmt.Sprintf(`{"user_id":"7","user_info":{"tab":%d}}`, i))
	}
	// expect waits until newcomers on every node see the data of that tab.
	expect := func(oldest int) {
		f.Helper()
		want := fmt.Sprintf(`{"tab":%d}`, oldest)
		for i := range eachNode {
			found := ""
			f.eventuallyOr("newcomers see the data of the oldest socket", func() bool {
				newcomer := f.look(i, lobby, who("newcomer"))
				defer newcomer.leave()
				newcomer.mu.Lock()
				defer newcomer.mu.Unlock()
				found = newcomer.members["7"]
				return found == want
			}, func() string { return fmt.Sprintf("on node %d a newcomer saw %s, expected %s", i, found, want) })
		}
	}
	tabs := []*onlooker{tab(0)}
	expect(0)
	tabs = append(tabs, tab(1))
	expect(0)
	tabs = append(tabs, tab(2))
	expect(0)
	tabs[0].leave()
	expect(1)
	tabs[1].leave()
	expect(2)
}

// fleetCrowd has users come and go on random nodes. Each onlooker finds contradictions by itself.
func fleetCrowd(f *fleet) {
	seed := rand.Uint64()
	f.Logf("seed %d", seed)
	witnesses := make([]*onlooker, eachNode)
	for i := range witnesses {
		witnesses[i] = f.look(i, lobby, who(fmt.Sprint("witness", i)))
	}
	const users, rounds = 6, 15
	var mu sync.Mutex
	left := []string{"witness0", "witness1", "witness2"} // guarded by mu: who is there in the end
	var crowd sync.WaitGroup
	for u := range users {
		random := rand.New(rand.NewPCG(seed, uint64(u)))
		id := fmt.Sprint("u", u)
		tabs, nodes := make([]*Client, 2), make([]*Server, 2)
		for k := range tabs { // here, because dialing may end the test
			nodes[k] = f.at(random.IntN(eachNode))
			tabs[k] = nodes[k].Dial(f.T)
		}
		crowd.Go(func() {
			there := make([]bool, len(tabs))
			for range rounds {
				k := random.IntN(len(tabs))
				if there[k] = !there[k]; there[k] {
					tabs[k].Send(SubscribeFrame(lobby, nodes[k].Auth(tabs[k], lobby, who(id)), who(id)))
				} else {
					tabs[k].Send(EventFrame("pusher:unsubscribe", "", map[string]string{"channel": lobby}))
				}
			}
			if slices.Contains(there, true) {
				mu.Lock()
				defer mu.Unlock()
				left = append(left, id)
			}
		})
	}
	crowd.Wait()
	f.expectMembers(witnesses, left...)
	f.eventuallyOr("observers are told who is there", func() bool {
		f.tally()
		return maps.Equal(f.balance(), once(left...))
	}, func() string {
		return fmt.Sprintf("observers were told %v, expected that %q are there", f.observed, left)
	})
}

// balance is who is on the lobby, as observers were told.
func (f *fleet) balance() map[string]int {
	sums := make(map[string]int)
	for what, n := range f.observed {
		var event, channel, id string
		if _, err := fmt.Sscan(what, &event, &channel, &id); err != nil {
			continue // about no member
		}
		switch event {
		case "member_added":
			sums[id] += n
		case "member_removed":
			sums[id] -= n
		}
		if sums[id] == 0 {
			delete(sums, id)
		}
	}
	return sums
}

func fleetSubscriptionCount(f *fleet) {
	const channel = "news"
	// last waits until a client is told of that many subscribers.
	last := func(c *Client, want int) {
		f.Helper()
		text := fmt.Sprintf(`{"subscription_count":%d}`, want)
		for frame := c.Expect("pusher_internal:subscription_count"); frame.Text() != text; {
			frame = c.Expect("pusher_internal:subscription_count")
		}
	}
	clients := f.subscribers(channel)
	for _, c := range clients {
		last(c, 3)
	}
	clients[1].Send(EventFrame("pusher:unsubscribe", "", map[string]string{"channel": channel}))
	last(clients[0], 2)
	last(clients[2], 2)
	_ = clients[2].WS.CloseNow()
	last(clients[0], 1)
	f.expectObserved(once("channel_occupied " + channel))
}
