package cluster_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// spectator is a node that checks what it is told as a client would, and remembers what it holds.
type spectator struct {
	t      *testing.T
	name   string
	broker *cluster.Broker
	engine cluster.Engine
	ledger *reportLedger

	mu       sync.Mutex
	rosters  map[pusherhub.Topic]*seenRoster // guarded by mu, like everything below
	heard    map[string]int                  // the newest number by publisher and channel
	holds    map[pusherhub.Topic]int
	has      map[pusherhub.Topic]map[string]int64
	executed map[string]int
	said     map[string]int
}

type seenRoster struct {
	count   int
	members map[string]int64
}

func (n *spectator) Deliver(m *pusherhub.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	number, err := strconv.Atoi(string(m.Payload))
	if err != nil {
		n.t.Errorf("%s: payload %q: %v", n.name, m.Payload, err)
	}
	key := m.Event + " on " + m.Channel
	if number <= n.heard[key] {
		n.t.Errorf("%s: heard %d of %s after %d", n.name, number, key, n.heard[key])
	}
	n.heard[key] = number
	if n.rosters[channelTopic(m.Channel)] == nil && m.Event != n.name {
		n.t.Errorf("%s: heard %s without being subscribed", n.name, key)
	}
}

func (n *spectator) Execute(c pusherhub.Command) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.executed[c.UserID]++
	if n.executed[c.UserID] > 1 {
		n.t.Errorf("%s: executed %s twice", n.name, c.UserID)
	}
}

func (n *spectator) Roster(r pusherhub.Roster) {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.rosters[r.Topic]
	if seen == nil {
		n.t.Errorf("%s: told of %v, which it does not follow", n.name, r.Topic)
		return
	}
	seen.count = r.Count
	if r.Full {
		clear(seen.members)
	}
	for _, m := range r.Members {
		if since, known := seen.members[m.UserID]; known && since == m.Since {
			n.t.Errorf("%s: member %s of %v came twice", n.name, m.UserID, r.Topic)
		}
		seen.members[m.UserID] = m.Since
	}
	for _, user := range r.Gone {
		if _, known := seen.members[user]; !known {
			n.t.Errorf("%s: member %s of %v went before it came", n.name, user, r.Topic)
		}
		delete(seen.members, user)
	}
}

func (n *spectator) Report(tr pusherhub.Transition) { n.ledger.add(tr) }

func (*spectator) Reports() bool { return true }

// reportLedger counts what all nodes report.
type reportLedger struct {
	mu     sync.Mutex
	gained map[string]int // guarded by mu: gains less losses
}

func (l *reportLedger) add(tr pusherhub.Transition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := fmt.Sprint(tr.Topic, tr.Member)
	if tr.Gained {
		l.gained[key]++
	} else {
		l.gained[key]--
	}
}

func channelTopic(name string) pusherhub.Topic { return pusherhub.Topic{App: "a", Channel: name} }

// randomWalk is a cluster to which things happen at random.
type randomWalk struct {
	t      *testing.T
	r      *rand.Rand
	bus    *cluster.Bus
	nodes  []*spectator
	ledger *reportLedger
	topics []pusherhub.Topic
}

func newRandomWalk(t *testing.T, seed uint64) *randomWalk {
	w := &randomWalk{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), bus: cluster.NewBus(), ledger: &reportLedger{gained: make(map[string]int)},
	}
	for i := range 5 {
		w.topics = append(w.topics, channelTopic(fmt.Sprint("presence-", i)))
	}
	for i := range 4 {
		engine := w.bus.Engine()
		n := &spectator{
			t: t, name: fmt.Sprint("node", i), engine: engine, ledger: w.ledger, broker: cluster.New(engine, cluster.Options{}),
			rosters: make(map[pusherhub.Topic]*seenRoster), heard: make(map[string]int), holds: make(map[pusherhub.Topic]int),
			has: make(map[pusherhub.Topic]map[string]int64), executed: make(map[string]int), said: make(map[string]int),
		}
		if err := n.broker.Open(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, n)
	}
	return w
}

func (w *randomWalk) close() {
	for _, n := range w.nodes {
		if err := n.broker.Close(); err != nil {
			w.t.Errorf("closing %s: %v", n.name, err)
		}
	}
}

// act has something happen on a node.
func (w *randomWalk) act(n *spectator) {
	topic := w.topics[w.r.IntN(len(w.topics))]
	switch w.r.IntN(8) {
	case 0, 1:
		n.hold(topic, w.r.IntN(3))
	case 2, 3:
		n.join(topic, fmt.Sprint("u", w.r.IntN(6)), w.r.Int64N(3))
	case 4, 5:
		n.leave(topic, fmt.Sprint("u", w.r.IntN(6)))
	case 6:
		n.say(topic)
	case 7:
		n.follow(topic, w.r.IntN(3) > 0)
	}
}

func (n *spectator) hold(topic pusherhub.Topic, count int) {
	n.holds[topic] = count
	n.broker.Hold(topic, count)
}

func (n *spectator) join(topic pusherhub.Topic, user string, since int64) {
	if n.has[topic] == nil {
		n.has[topic] = make(map[string]int64)
	}
	n.has[topic][user] = since
	n.broker.Join(topic, pusherhub.Member{UserID: user, Since: since})
}

func (n *spectator) leave(topic pusherhub.Topic, user string) {
	delete(n.has[topic], user)
	n.broker.Leave(topic, user)
}

func (n *spectator) say(topic pusherhub.Topic) {
	n.said[topic.Channel]++
	m := &pusherhub.Message{App: topic.App, Channel: topic.Channel, Event: n.name, Payload: strconv.AppendInt(nil, int64(n.said[topic.Channel]), 10)}
	if err := n.broker.Publish(context.Background(), m); err != nil {
		n.t.Errorf("%s: publishing: %v", n.name, err)
	}
}

func (n *spectator) follow(topic pusherhub.Topic, follow bool) {
	n.mu.Lock()
	follows := n.rosters[topic] != nil
	if follow && !follows {
		n.rosters[topic] = &seenRoster{members: make(map[string]int64)}
	}
	n.mu.Unlock()
	switch {
	case follow && !follows:
		if err := n.broker.Subscribe(topic.App, topic.Channel); err != nil {
			n.t.Errorf("%s: subscribing: %v", n.name, err)
		}
	case !follow && follows:
		if err := n.broker.Unsubscribe(topic.App, topic.Channel); err != nil {
			n.t.Errorf("%s: unsubscribing: %v", n.name, err)
		}
		n.mu.Lock()
		delete(n.rosters, topic)
		n.mu.Unlock()
	}
}

// fault has something go wrong, for a while that may be shorter or longer than a lease.
func (w *randomWalk) fault() (end func()) {
	n := w.nodes[w.r.IntN(len(w.nodes))]
	switch w.r.IntN(5) {
	case 0:
		w.bus.Cut(n.engine)
		return func() { w.bus.Restore(n.engine) }
	case 1:
		w.bus.Stall(n.engine)
		return func() { w.bus.Restore(n.engine) }
	case 2:
		w.bus.Cut()
		return func() { w.bus.Restore() }
	case 3:
		w.bus.Forget()
	case 4:
		w.bus.LoseAnswer(n.engine)
	}
	return func() {}
}

// expectTruth checks that every node is told what the others hold.
func (w *randomWalk) expectTruth() {
	w.t.Helper()
	for _, n := range w.nodes {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, topic := range w.topics {
			seen := n.rosters[topic]
			if seen == nil {
				continue
			}
			count, members := 0, make(map[string]int64)
			for _, other := range w.nodes {
				if other == n {
					continue
				}
				count += other.holds[topic]
				for user, since := range other.has[topic] {
					if oldest, found := members[user]; !found || since < oldest {
						members[user] = since
					}
				}
			}
			if seen.count != count || !maps.Equal(seen.members, members) {
				w.t.Errorf("%s: told %d and %v of %s, expected %d and %v", n.name, seen.count, seen.members, topic.Channel, count, members)
			}
		}
	}
}

// expectLedger checks that what is held was gained once more than lost, and everything else as often.
func (w *randomWalk) expectLedger() {
	w.t.Helper()
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	want := make(map[string]int)
	for _, n := range w.nodes {
		for topic, count := range n.holds {
			if count > 0 {
				want[fmt.Sprint(topic, "")] = 1
			}
		}
		for topic, users := range n.has {
			for user := range users {
				want[fmt.Sprint(topic, user)] = 1
			}
		}
	}
	keys := slices.Sorted(maps.Keys(w.ledger.gained))
	for _, key := range keys {
		if w.ledger.gained[key] != want[key] {
			w.t.Errorf("%s: gained %d times more than lost, expected %d", key, w.ledger.gained[key], want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		w.t.Errorf("never gained: %v", slices.Sorted(maps.Keys(want)))
	}
}

// expectReach checks that everybody hears everybody, and executes what everybody says.
func (w *randomWalk) expectReach() {
	w.t.Helper()
	for _, n := range w.nodes {
		for _, topic := range w.topics {
			n.say(topic)
		}
		if err := n.broker.Broadcast(w.t.Context(), pusherhub.Command{Name: "x", UserID: n.name}); err != nil {
			w.t.Errorf("%s: broadcasting: %v", n.name, err)
		}
	}
	time.Sleep(time.Second)
	for _, n := range w.nodes {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, from := range w.nodes {
			if n.executed[from.name] != 1 {
				w.t.Errorf("%s: executed the command of %s %d times, expected once", n.name, from.name, n.executed[from.name])
			}
			for topic := range n.rosters {
				if found := n.heard[from.name+" on "+topic.Channel]; found != from.said[topic.Channel] {
					w.t.Errorf("%s: heard %d of %s on %s, expected %d", n.name, found, from.name, topic.Channel, from.said[topic.Channel])
				}
			}
		}
	}
}

func TestRandomWalk(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newRandomWalk(t, seed)
				defer w.close()
				for range 12 {
					end := w.fault()
					for range 5 + w.r.IntN(60) {
						w.act(w.nodes[w.r.IntN(len(w.nodes))])
						time.Sleep(time.Duration(w.r.IntN(400)) * time.Millisecond)
					}
					end()
					time.Sleep(time.Duration(w.r.IntN(10_000)) * time.Millisecond)
				}
				w.bus.Restore()
				time.Sleep(time.Minute)
				synctest.Wait()
				for _, n := range w.nodes {
					if err := n.broker.Ready(); err != nil {
						t.Errorf("%s: %v", n.name, err)
					}
				}
				w.expectTruth()
				w.expectLedger()
				w.expectReach()
			})
		})
	}
}
