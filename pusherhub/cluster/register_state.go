package cluster

import (
	"container/list"

	"github.com/onecharge/pusherhub/pusherhub"
)

// node is one node in a register.
type node struct {
	id    string
	until int64 // when the lease ends

	// next is the number after that of the last batch, whose answer is made.
	next uint64
	made []pusherhub.Transition

	entries  int        // counts and members that it holds
	holdings *list.List // of *holding: always in the same order for the same calls, so that copies reap the same
}

// topic is what a register has of a topic; it is there for as long as a node holds something, or an event is kept.
type topic struct {
	name    pusherhub.Topic
	version uint64
	holders map[string]*holding // by node

	count   int            // sum of the counts
	counted int            // holders with a count
	users   map[string]int // holders of each user who is a member; nil: none

	kept      []byte // nil: none
	keptUntil int64
	keptPlace int // in the queue
}

// holding is what one node holds of one topic: a count, or members, or both.
type holding struct {
	node    *node
	topic   *topic
	count   int
	members map[string]pusherhub.Member // by user; nil: none
	place   *list.Element               // in node.holdings
	dying   []string                    // while the node is reaped: users of members that are left, sorted
}

func newNode(id string) *node { return &node{id: id, holdings: list.New()} }

// topic returns the state of a topic, which is made if there is none: it must get something to keep.
func (s *registerState) topic(name pusherhub.Topic) *topic {
	t := s.topics[name]
	if t == nil {
		t = &topic{name: name, version: s.version, holders: make(map[string]*holding)}
		s.topics[name] = t
	}
	return t
}

// holding returns what a node holds of a topic; it is made if there is none.
func (t *topic) holding(n *node) *holding {
	h := t.holders[n.id]
	if h == nil {
		h = &holding{node: n, topic: t}
		h.place = n.holdings.PushBack(h)
		t.holders[n.id] = h
	}
	return h
}

// setCount sets what a node holds of a topic and reports whether that is something else than before.
func (s *registerState) setCount(h *holding, count int) (changed bool) {
	t, old := h.topic, h.count
	h.count = count
	t.count += count - old
	switch {
	case old == 0 && count > 0:
		t.counted++
		h.node.entries++
	case old > 0 && count == 0:
		t.counted--
		h.node.entries--
	}
	if name := t.name; name.Channel != "" {
		channels := s.apps[name.App]
		if t.counted == 0 {
			delete(channels, name)
			if len(channels) == 0 {
				delete(s.apps, name.App)
			}
		} else if channels == nil {
			s.apps[name.App] = map[pusherhub.Topic]*topic{name: t}
		} else {
			channels[name] = t
		}
	}
	return count != old
}

// setMember sets a member that a node has and reports whether it had the user before.
func (h *holding) setMember(m pusherhub.Member) (had bool) {
	if h.members == nil {
		h.members = make(map[string]pusherhub.Member)
	}
	if _, had = h.members[m.UserID]; !had {
		if h.topic.users == nil {
			h.topic.users = make(map[string]int)
		}
		h.topic.users[m.UserID]++
		h.node.entries++
	}
	h.members[m.UserID] = m
	return had
}

// dropMember takes a member from a node and reports whether it had the user.
func (h *holding) dropMember(user string) (had bool) {
	if _, had = h.members[user]; !had {
		return false
	}
	delete(h.members, user)
	h.node.entries--
	if h.topic.users[user]--; h.topic.users[user] == 0 {
		delete(h.topic.users, user)
	}
	return true
}

// tidy forgets a holding of nothing, and a topic of which nothing is left.
func (s *registerState) tidy(h *holding) {
	if h.count == 0 && len(h.members) == 0 {
		h.node.holdings.Remove(h.place)
		delete(h.topic.holders, h.node.id)
	}
	s.tidyTopic(h.topic)
}

// tidyTopic forgets a topic of which nothing is left.
func (s *registerState) tidyTopic(t *topic) {
	if len(t.holders) == 0 && t.kept == nil {
		delete(s.topics, t.name)
	}
}
