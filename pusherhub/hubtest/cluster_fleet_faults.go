package hubtest

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// crowd has a member on each node, each of whom is also on a channel of their own, and waits until all see each other.
func (f *fleet) crowd() (all []*onlooker) {
	f.Helper()
	for i := range eachNode {
		o := f.look(i, lobby, who(fmt.Sprint("u", i)))
		all = append(all, o)
		c := f.at(i).Dial(f.T)
		c.Subscribe(fmt.Sprint("own", i))
	}
	f.expectMembers(all, "u0", "u1", "u2")
	f.expectObserved(cameOnce())
	return all
}

// cameOnce is what observers were told when the crowd came.
func cameOnce() map[string]int {
	sums := once("channel_occupied " + lobby)
	for i := range eachNode {
		sums[fmt.Sprint("member_added ", lobby, " u", i)] = 1
		sums[fmt.Sprint("channel_occupied own", i)] = 1
	}
	return sums
}

// wentOnce adds what observers are told when a node's members and channels are gone.
func wentOnce(sums map[string]int, i int) map[string]int {
	sums[fmt.Sprint("member_removed ", lobby, " u", i)]++
	sums[fmt.Sprint("channel_vacated own", i)]++
	return sums
}

// talk publishes on every node but those left out until all of these clients hear it. They hear nothing twice. What is published are numbers
// that rise from next on, with the publisher's node.
func (f *fleet) talk(all []*onlooker, next int, leftOut ...int) {
	f.Helper()
	for i := range f.servers {
		if slices.Contains(leftOut, i) {
			continue
		}
		n, spoken := next, time.Time{}
		Eventually(f.T, fmt.Sprint("all hear node ", i, " again"), func() bool {
			if time.Since(spoken) > 20*time.Millisecond { // what was said may be lost, as long as nodes find together
				f.at(i).Publish(lobby, "e", fmt.Sprint("node ", i, ": ", n))
				n, spoken = n+1, time.Now()
			}
			return !slices.ContainsFunc(all, func(o *onlooker) bool { return o.last(i) < next })
		})
		for _, o := range all {
			before := -1
			for _, n := range o.numbers(i) {
				if n <= before {
					f.Errorf("%s heard %d from node %d after %d, expected a higher number", o.name, n, i, before)
				}
				before = n
			}
		}
	}
}

// numbers are those that the client heard of a node, in order.
func (o *onlooker) numbers(node int) (list []int) {
	for _, text := range o.heard() {
		var from, n int
		if _, err := fmt.Sscanf(text, "node %d: %d", &from, &n); err == nil && from == node {
			list = append(list, n)
		}
	}
	return list
}

// last is the last number that the client heard of a node; -1 is none.
func (o *onlooker) last(node int) int {
	if list := o.numbers(node); len(list) > 0 {
		return list[len(list)-1]
	}
	return -1
}

func fleetDeath(f *fleet) {
	all := f.crowd()
	tab := f.look(2, lobby, who("u1")) // another tab of somebody on a node that lives
	watcher := f.at(0).Dial(f.T)
	f.at(0).Signin(f.T, watcher, `{"id":"watcher","watchlist":["7"]}`)
	f.expectWatched(watcher, "7", "offline")
	user := f.at(2).Dial(f.T)
	f.at(2).Signin(f.T, user, `{"id":"7"}`)
	f.expectWatched(watcher, "7", "online")
	f.expectMembers([]*onlooker{tab}, "u0", "u1", "u2")
	f.expectAnswer("/channels/own2", url.Values{"info": {"subscription_count"}}, `{"occupied":true,"subscription_count":1}`)
	want := cameOnce()
	want["user_online watcher"], want["user_online 7"] = 1, 1
	f.expectObserved(want) // what a node has not told when it dies is not told
	f.Kill(f.brokers[2])
	f.expectMembers(all[:2], "u0", "u1")
	f.expectWatched(watcher, "7", "offline")
	watcher.ExpectQuiet()
	for _, o := range all[:2] {
		if added, removed := o.tellsOf("u2"); added > 1 || removed != 1 {
			f.Errorf("%s was told %q, expected that u2 is gone once", o.name, o.told())
		}
		if _, removed := o.tellsOf("u1"); removed != 0 {
			f.Errorf("%s was told %q, expected that u1 stays", o.name, o.told())
		}
	}
	want = wentOnce(want, 2)
	want["user_offline 7"] = 1
	f.expectObserved(want)
	f.expectAnswer("/channels", nil, `{"channels":{"own0":{},"own1":{},"presence-lobby":{}}}`, 2)
	f.expectAnswer("/channels/"+lobby, url.Values{"info": {"user_count"}}, `{"occupied":true,"user_count":2}`, 2)
	f.expectAnswer("/channels/own2", url.Values{"info": {"subscription_count"}}, `{"occupied":false,"subscription_count":0}`, 2)
	f.expectAnswer("/connections", nil, `{"connections":5}`, 2)
	f.talk(all[:2], 0, 2)
}

func fleetPause(f *fleet) {
	all := f.crowd()
	f.Pause(f.brokers[1])
	rest := []*onlooker{all[0], all[2]}
	f.expectMembers(rest, "u0", "u2")
	want := wentOnce(cameOnce(), 1)
	f.expectObserved(want)
	all[0].leave()
	rest = append(rest[1:], f.look(2, lobby, who("new")))
	f.expectMembers(rest, "u2", "new")
	f.Resume(f.brokers[1])
	rest = append(rest, all[1])
	f.expectMembers(rest, "u1", "u2", "new")
	want[fmt.Sprint("member_removed ", lobby, " u0")]++
	want[fmt.Sprint("member_added ", lobby, " new")]++
	want[fmt.Sprint("member_added ", lobby, " u1")]++
	want["channel_occupied own1"]++
	f.expectObserved(want)
	f.talk(rest, 0)
}

func fleetCut(f *fleet) {
	all := f.crowd()
	f.Cut()
	for i := range f.servers {
		ready := func() bool { return f.at(i).Hub.Ready() == nil }
		Eventually(f.T, "the hub says that it is not ready", func() bool { return !ready() })
	}
	const n = 20
	for i, o := range all {
		for k := range n {
			f.at(i).Publish(lobby, "e", fmt.Sprint("node ", i, ": ", k))
		}
		Eventually(f.T, "what is published here comes here", func() bool { return o.last(i) == n-1 })
	}
	all[0].leave()
	rest := append(all[1:], f.look(0, lobby, who("new")))
	f.Restore()
	f.expectMembers(rest, "u1", "u2", "new")
	f.talk(rest, n)
	for i := range f.servers {
		Eventually(f.T, "the hub says that it is ready", func() bool { return f.at(i).Hub.Ready() == nil })
	}
	f.eventuallyOr("observers are told who is there", func() bool {
		f.tally()
		return fmt.Sprint(f.balance()) == fmt.Sprint(once("u1", "u2", "new"))
	}, func() string { return fmt.Sprintf("observers were told %v", f.observed) })
	f.expectAnswer("/connections", nil, `{"connections":`+strconv.Itoa(2*eachNode+1)+`}`)
}

func fleetForget(f *fleet) {
	all := f.crowd()
	f.Forget()
	f.expectAnswer("/channels", nil, `{"channels":{"own0":{},"own1":{},"own2":{},"presence-lobby":{}}}`)
	f.expectAnswer("/connections", nil, `{"connections":`+strconv.Itoa(2*eachNode)+`}`)
	f.expectMembers(all, "u0", "u1", "u2")
	f.talk(all, 0)
	all[2].leave()
	f.expectMembers(all[:2], "u0", "u1")
	want := cameOnce()
	want[fmt.Sprint("member_removed ", lobby, " u2")] = 1
	f.expectObserved(want)
}

func fleetClose(f *fleet) {
	all := f.crowd()
	if err := f.at(2).Hub.Close(); err != nil {
		f.Fatalf("closing a hub: %v", err)
	}
	f.expectMembers(all[:2], "u0", "u1")
	f.expectObserved(wentOnce(cameOnce(), 2))
	f.expectAnswer("/channels", nil, `{"channels":{"own0":{},"own1":{},"presence-lobby":{}}}`, 2)
	f.talk(all[:2], 0, 2)
}
