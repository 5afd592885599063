package hubtest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// ideal is a cluster in one place, which can be anything but wrong: its register is what the living nodes hold. flaw makes it wrong.
type ideal struct {
	lease time.Duration
	flaw  string

	mu    sync.Mutex
	nodes []*idealBroker                // guarded by mu: those that are open
	state map[*idealBroker]*idealNode   // guarded by mu: what the register has of each
	kept  map[pusherhub.Topic]idealKept // guarded by mu
	cut   bool                          // guarded by mu
}

// idealNode is what one node holds.
type idealNode struct {
	counts  map[pusherhub.Topic]int
	members map[pusherhub.Topic]map[string]pusherhub.Member
}

type idealKept struct {
	message *pusherhub.Message
	until   int64
}

func newIdeal(flaw string) *ideal {
	return &ideal{lease: 200 * time.Millisecond, flaw: flaw, state: make(map[*idealBroker]*idealNode), kept: make(map[pusherhub.Topic]idealKept)}
}

func newIdealNode() *idealNode {
	return &idealNode{make(map[pusherhub.Topic]int), make(map[pusherhub.Topic]map[string]pusherhub.Member)}
}

func (n *idealNode) clone() *idealNode {
	c := newIdealNode()
	c.counts = maps.Clone(n.counts)
	for t, members := range n.members {
		c.members[t] = maps.Clone(members)
	}
	return c
}

func (d *ideal) cluster() Cluster {
	return Cluster{
		Open:  func(*testing.T) pusherhub.Broker { return d.broker() },
		Lease: d.lease,
		Kill:  func(b pusherhub.Broker) { d.away(b.(*idealBroker), true) },
		Pause: func(b pusherhub.Broker) { d.away(b.(*idealBroker), true) },
		Resume: func(b pusherhub.Broker) {
			if d.flaw != "never wakes" {
				d.away(b.(*idealBroker), false)
			}
		},
		Cut:     func() { d.setCut(true) },
		Restore: func() { d.setCut(false) },
		Forget:  d.forget,
	}
}

// away has a node be alone, or come back.
func (d *ideal) away(b *idealBroker, away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b.absent = away
	b.absences++
	if !away {
		d.enter(b)
		return
	}
	if d.flaw == "never reaps" {
		return
	}
	n := b.absences
	b.timers = append(b.timers, time.AfterFunc(d.lease, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if b.absent && b.absences == n {
			d.drop(b)
		}
	}))
}

func (d *ideal) setCut(cut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut = cut; !cut {
		for _, b := range d.nodes {
			d.enter(b)
		}
	}
}

// forget loses nothing: an ideal register is known to all. One that is not is filled anew.
func (d *ideal) forget() {
	if d.flaw != "gains anew" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.state)
	for _, b := range d.nodes {
		d.enter(b)
	}
}

// reached reports whether a node and the register find each other. The caller holds mu.
func (d *ideal) reached(b *idealBroker) bool { return !d.cut && !b.absent && !b.closed }

// enter makes the register know what a node holds, and the node what the others do. The caller holds mu.
func (d *ideal) enter(b *idealBroker) {
	if !d.reached(b) {
		return
	}
	d.change(b, b, func() { d.state[b] = b.wants.clone() })
	for t := range b.follows {
		d.tell(b, t, true)
	}
	for _, m := range b.spool {
		d.spread(b, m)
	}
	if b.spool = nil; d.flaw == "sends again" && b.last != nil {
		d.spread(b, b.last)
	}
}

// drop takes a node out of the register; somebody else reports it. The caller holds mu.
func (d *ideal) drop(b *idealBroker) {
	reporter := b
	for _, other := range d.nodes {
		if other != b && d.reached(other) && (other.node.Reports() || d.flaw == "reaps at its end") {
			reporter = other
		}
	}
	d.change(b, reporter, func() { delete(d.state, b) })
	if d.flaw == "reaps twice" {
		d.state[b] = b.wants.clone()
		d.change(b, reporter, func() { delete(d.state, b) })
	}
}

// change lets f change what a node holds, has reporter report what came of that, and tells the others. The caller holds mu.
func (d *ideal) change(of, reporter *idealBroker, f func()) {
	before, old := d.held(), d.state[of]
	f()
	after, topics := d.held(), make(map[pusherhub.Topic]bool)
	for _, n := range []*idealNode{old, d.state[of]} {
		if n != nil {
			for t := range n.counts {
				topics[t] = true
			}
			for t := range n.members {
				topics[t] = true
			}
		}
	}
	for h := range merged(before, after) {
		if before[h] != after[h] {
			reporter.report(pusherhub.Transition{Topic: h.Topic, Member: h.Member, Gained: after[h]})
			if d.flaw == "all report" {
				for _, b := range d.nodes {
					if b != reporter {
						b.report(pusherhub.Transition{Topic: h.Topic, Member: h.Member, Gained: after[h]})
					}
				}
			}
		}
	}
	for t := range topics {
		for _, b := range d.nodes {
			if b != of && b.follows[t] > 0 && d.reached(b) {
				d.tell(b, t, true)
			}
		}
	}
}

// held is what anybody holds. The caller holds mu.
func (d *ideal) held() map[holdable]bool {
	held := make(map[holdable]bool)
	for _, n := range d.state {
		for t, count := range n.counts {
			if count > 0 {
				held[topic(t)] = true
			}
		}
		for t, members := range n.members {
			for id := range members {
				held[member(t, id)] = true
			}
		}
	}
	return held
}

// total is what all but one node hold of a topic. The caller holds mu.
func (d *ideal) total(t pusherhub.Topic, without *idealBroker) (count int, members []pusherhub.Member) {
	oldest := make(map[string]pusherhub.Member)
	for b, n := range d.state {
		if b == without && d.flaw != "counts itself" {
			continue
		}
		count += n.counts[t]
		for id, m := range n.members[t] {
			o, known := oldest[id]
			if better := cmp.Compare(m.Since, o.Since); !known || (better < 0) != (d.flaw == "newest counts") {
				oldest[id] = m
			}
		}
	}
	return count, slices.Collect(maps.Values(oldest))
}

// tell tells a node what the others hold of a topic. The caller holds mu.
func (d *ideal) tell(b *idealBroker, t pusherhub.Topic, full bool) {
	count, members := d.total(t, b)
	r := pusherhub.Roster{Topic: t, Count: count, Members: members, Full: full, Cached: d.keptNow(t)}
	b.call(func() { b.node.Roster(r) })
}

func (d *ideal) keptNow(t pusherhub.Topic) *pusherhub.Message {
	if k := d.kept[t]; k.message != nil && time.Now().UnixMilli() < k.until {
		return k.message
	}
	return nil
}

// spread has every other node that is subscribed get a message. The caller holds mu.
func (d *ideal) spread(from *idealBroker, m *pusherhub.Message) {
	t := pusherhub.Topic{App: m.App, Channel: m.Channel}
	if m.Cache != nil && m.CacheUntil > 0 {
		d.kept[t] = idealKept{m, m.CacheUntil}
	}
	for _, b := range d.nodes {
		if b == from || !d.reached(b) || b.subscribed[t] == 0 && d.flaw != "floods" {
			continue
		}
		b.deliver(m)
		if d.flaw == "delivers twice" {
			b.deliver(m)
		}
	}
}

var errIdealAway = errors.New("the server is away")

// lookup lets f look at the register.
func (d *ideal) lookup(b *idealBroker, f func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.reached(b) {
		return errIdealAway
	}
	f()
	return nil
}

func (b *idealBroker) Lookup(_ context.Context, t pusherhub.Topic) (h pusherhub.Holding, err error) {
	err = b.in.lookup(b, func() {
		count, members := b.in.total(t, nil)
		h = pusherhub.Holding{Count: count, Members: len(members), Cached: b.in.keptNow(t)}
	})
	return h, err
}

func (b *idealBroker) LookupMembers(_ context.Context, t pusherhub.Topic) (ids []string, err error) {
	err = b.in.lookup(b, func() {
		_, members := b.in.total(t, nil)
		for _, m := range members {
			ids = append(ids, m.UserID)
		}
	})
	return ids, err
}

func (b *idealBroker) LookupChannels(_ context.Context, app, prefix string) (map[string]pusherhub.Holding, error) {
	channels := make(map[string]pusherhub.Holding)
	err := b.in.lookup(b, func() {
		for h := range b.in.held() {
			if h.App == app && h.Channel != "" && strings.HasPrefix(h.Channel, prefix) {
				count, members := b.in.total(h.Topic, nil)
				channels[h.Channel] = pusherhub.Holding{Count: count, Members: len(members)}
			}
		}
	})
	return channels, err
}
