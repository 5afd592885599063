package cluster

import (
	"bytes"

	"github.com/onecharge/pusherhub/pusherhub"
)

// apply carries out a batch of updates of a node. The lock must be held.
func (r *Register) apply(id string, batch uint64, updates []Update) (made []pusherhub.Transition, known bool) {
	n := r.nodes[id]
	switch {
	case n == nil:
		return nil, false
	case batch+1 == n.next:
		return n.made, true
	case batch < n.next: // an attempt that comes late: nobody waits for its answer
		return nil, true
	}
	for _, u := range updates {
		made = r.update(made, n, u)
	}
	n.next, n.made = batch+1, made
	return made, true
}

// update carries out one update, hands out the change, and appends the transitions to made.
func (r *Register) update(made []pusherhub.Transition, n *node, u Update) []pusherhub.Transition {
	h := r.topic(u.Topic).holding(n)
	change := Change{Topic: u.Topic}
	lost := false
	if u.Counted {
		held, count := h.topic.counted > 0, max(u.Count, 0)
		had := h.count > 0
		switch changed := r.setCount(h, count); {
		case !changed:
		case count > 0:
			change.Entries = append(change.Entries, Entry{Node: n.id, Count: count})
		default:
			change.Gone = append(change.Gone, Entry{Node: n.id})
		}
		switch {
		case count > 0 && !held:
			made = r.gain(made, u.Topic, "", u.Restored)
		case count == 0 && h.topic.counted == 0:
			lost = r.lose(u.Topic, "", had, u.Restored)
		}
	}
	for _, m := range u.Members {
		made = r.updateMember(made, h, m, &change)
	}
	if lost {
		made = append(made, pusherhub.Transition{Topic: u.Topic})
	}
	r.hand(h.topic, change)
	r.tidy(h)
	return made
}

// updateMember carries out the change of one member.
func (r *Register) updateMember(made []pusherhub.Transition, h *holding, m MemberUpdate, change *Change) []pusherhub.Transition {
	name, user := h.topic.name, m.UserID
	if !m.Gone {
		held, old := h.topic.users[user] > 0, h.members[user]
		if had := h.setMember(m.Member); !had || old.Since != m.Since || !bytes.Equal(old.Info, m.Info) {
			change.Entries = append(change.Entries, Entry{Node: h.node.id, Member: m.Member})
		}
		if !held {
			made = r.gain(made, name, user, m.Restored)
		}
		return made
	}
	had := h.dropMember(user)
	if had {
		change.Gone = append(change.Gone, Entry{Node: h.node.id, Member: pusherhub.Member{UserID: user}})
	}
	if h.topic.users[user] == 0 && r.lose(name, user, had, m.Restored) {
		made = append(made, pusherhub.Transition{Topic: name, Member: user})
	}
	return made
}

// gain appends the gain of a topic or a member that nobody held. One that is restored has been gained in a former memory already, unless
// this memory has seen it lost since.
func (r *Register) gain(made []pusherhub.Transition, t pusherhub.Topic, user string, restored bool) []pusherhub.Transition {
	if lost := r.losses.take(lossKey{t, user}); restored && !lost {
		return made
	}
	return append(made, pusherhub.Transition{Topic: t, Member: user, Gained: true})
}

// lose reports whether it is a transition that a node gives up a topic or a member, which nobody else holds.
// had says that the register knew that the node held it.
func (r *Register) lose(t pusherhub.Topic, user string, had, restored bool) bool {
	key := lossKey{t, user}
	if !had && (!restored || r.losses.has(key)) {
		return false
	}
	r.losses.add(key, r.at)
	return true
}

// hand gives a change its version and hands it out. One of nothing is none.
func (r *Register) hand(t *topic, change Change) {
	if len(change.Entries) == 0 && len(change.Gone) == 0 {
		return
	}
	r.version++
	t.version, change.Version = r.version, r.version
	if r.changed != nil {
		r.changed(change)
	}
}
