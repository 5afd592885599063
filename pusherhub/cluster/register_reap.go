package cluster

import (
	"maps"
	"slices"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
)

// reap ends the nodes whose lease has ended and takes about limit entries of theirs. The lock must be held.
func (r *Register) reap(limit int) (made []pusherhub.Transition, more bool) {
	r.endNodes()
	for len(r.ended) > 0 && limit > 0 {
		n := r.ended[0]
		if n.holdings.Len() == 0 {
			r.ended = r.ended[1:]
			continue
		}
		h := n.holdings.Front().Value.(*holding)
		var taken int
		made, taken = r.takeHolding(made, h, limit)
		limit -= taken
	}
	return made, slices.ContainsFunc(r.ended, func(n *node) bool { return n.holdings.Len() > 0 })
}

// endNodes makes nodes whose lease has ended unknown.
func (r *Register) endNodes() {
	var over []*node
	for _, n := range r.nodes {
		if n.until <= r.at {
			over = append(over, n)
			delete(r.nodes, n.id)
		}
	}
	slices.SortFunc(over, func(a, b *node) int { return strings.Compare(a.id, b.id) })
	r.ended = append(r.ended, over...)
}

// takeHolding takes at most limit members from a holding of a node that has ended, and the count with the last of them.
func (r *Register) takeHolding(made []pusherhub.Transition, h *holding, limit int) (_ []pusherhub.Transition, taken int) {
	if h.dying == nil {
		h.dying = slices.Sorted(maps.Keys(h.members))
	}
	name, id := h.topic.name, h.node.id
	change := Change{Topic: name}
	for ; taken < limit && len(h.dying) > 0; taken++ {
		user := h.dying[0]
		h.dying = h.dying[1:]
		h.dropMember(user)
		change.Gone = append(change.Gone, Entry{Node: id, Member: pusherhub.Member{UserID: user}})
		if h.topic.users[user] == 0 && r.lose(name, user, true, false) {
			made = append(made, pusherhub.Transition{Topic: name, Member: user})
		}
	}
	if len(h.members) == 0 && h.count > 0 {
		r.setCount(h, 0)
		taken++
		change.Gone = append(change.Gone, Entry{Node: id})
		if h.topic.counted == 0 && r.lose(name, "", true, false) {
			made = append(made, pusherhub.Transition{Topic: name})
		}
	}
	r.hand(h.topic, change)
	r.tidy(h)
	return made, taken
}
