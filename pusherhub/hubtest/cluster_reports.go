package hubtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/onecharge/pusherhub/pusherhub"
)

// truth is what the nodes of a crew hold, as the test knows it.
type truth map[*witness]*holdings

// holdings are those of one node: how much of topics, and who is on channels.
type holdings struct {
	counts  map[pusherhub.Topic]int
	members map[holdable]pusherhub.Member
}

func newTruth(nodes []*witness) truth {
	all := make(truth)
	for _, w := range nodes {
		all[w] = &holdings{make(map[pusherhub.Topic]int), make(map[holdable]pusherhub.Member)}
	}
	return all
}

// held returns what is held by anybody.
func (all truth) held() map[holdable]bool {
	held := make(map[holdable]bool)
	for _, h := range all {
		for t := range h.counts {
			held[topic(t)] = true
		}
		for m := range h.members {
			held[m] = true
		}
	}
	return held
}

// others returns what all nodes but one hold of a topic; without is nil for what all hold.
func (all truth) others(t pusherhub.Topic, without *witness) (count int, members map[string]string) {
	members = make(map[string]string)
	oldest := make(map[string]int64)
	for w, h := range all {
		if w == without {
			continue
		}
		count += h.counts[t]
		for at, m := range h.members {
			if since, known := oldest[m.UserID]; at.Topic == t && (!known || m.Since < since) {
				oldest[m.UserID], members[m.UserID] = m.Since, string(m.Info)
			}
		}
	}
	return count, members
}

// expectTruth waits until the register, the nodes that follow topics, and the reports all say what is held.
func (x *crew) expectTruth(all truth, topics []pusherhub.Topic) {
	x.Helper()
	for w := range all {
		x.settle(w)
	}
	for w := range all {
		for _, t := range topics {
			count, members := all.others(t, nil)
			var found pusherhub.Holding
			var err error // of a node that was away a moment ago
			x.eventuallyOr("the register is true", func() bool {
				x.within("Lookup", func() { found, err = w.Lookup(context.Background(), t) })
				return err == nil && found.Count == count && found.Members == len(members)
			}, func() string {
				return fmt.Sprintf("%s found %d of %s with %d members (error: %v), expected %d with %d", w.name, found.Count, show(t), found.Members, err, count, len(members))
			})
			if w.follows(t) {
				count, members = all.others(t, w)
				w.expectView(t, count, members)
			}
		}
	}
	x.expectBalance(all.held())
}

// act has a node do something at random, and notes it. Since is different each time.
func (h *holdings) act(w *witness, random *rand.Rand, topics []pusherhub.Topic, since int64) {
	t := topics[random.IntN(len(topics))]
	if t.Channel == "" || random.IntN(2) == 0 {
		count := random.IntN(3)
		w.mu.Lock()
		w.Hold(t, count)
		w.mu.Unlock()
		if h.counts[t] = count; count == 0 {
			delete(h.counts, t)
		}
		return
	}
	m := member(t, fmt.Sprint(random.IntN(4)))
	_, there := h.members[m]
	if there && random.IntN(3) > 0 {
		w.mu.Lock()
		w.Leave(t, m.Member)
		w.mu.Unlock()
		delete(h.members, m)
		return
	}
	h.members[m] = someone(m.Member, fmt.Sprint(since), since)
	w.mu.Lock()
	w.Join(t, h.members[m])
	w.mu.Unlock()
}

func checkReports(x *crew) {
	nodes := x.enlist(3)
	all := newTruth(nodes)
	topics := []pusherhub.Topic{channel("presence-a"), channel("b"), {App: "app", UserID: "7"}, {App: "app"}}
	seed := rand.Uint64()
	x.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 150 {
		w := nodes[random.IntN(len(nodes))]
		before, known := all.held(), len(x.ledger.all())
		all[w].act(w, random, topics, int64(i))
		x.settle(w)
		var want []ledgerLine
		for h := range merged(before, all.held()) {
			if now := all.held()[h]; now != before[h] {
				want = append(want, ledgerLine{w, pusherhub.Transition{Topic: h.Topic, Member: h.Member, Gained: now}})
			}
		}
		if found := x.ledger.all()[known:]; !slices.Equal(found, want) {
			x.Fatalf("step %d, by %s: found reports %s, expected %s", i, w.name, found, want)
		}
	}
}

// A visit may be over before the register has heard of it.
func checkVisits(x *crew) {
	nodes := x.enlist(2)
	known := channel("known")
	nodes[0].Hold(known, 1) // so that the register certainly answers
	x.settle(nodes[0])
	want := map[holdable]tally{topic(known): {1, 0}}
	for i := range 50 {
		id := fmt.Sprint(i)
		room, user := channel("presence-"+id), pusherhub.Topic{App: "app", UserID: id}
		nodes[0].mu.Lock()
		nodes[0].Join(room, someone(id, "", int64(i)))
		nodes[0].Hold(room, 1)
		nodes[0].Hold(user, 1)
		nodes[0].Leave(room, id)
		nodes[0].Hold(room, 0)
		nodes[0].Hold(user, 0)
		nodes[0].mu.Unlock()
		for _, h := range []holdable{topic(room), member(room, id), topic(user)} {
			want[h] = tally{1, 1}
		}
	}
	x.settle(nodes[0])
	x.expectReports(want)
	x.expectTruth(truth{nodes[0]: {counts: map[pusherhub.Topic]int{known: 1}}, nodes[1]: {}}, []pusherhub.Topic{known, channel("presence-0")})
}
