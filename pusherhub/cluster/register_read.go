package cluster

import (
	"strings"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Read is [Engine].Read. What the answer refers to must not be changed.
func (r *Register) Read(now time.Time, topics []pusherhub.Topic) []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.clockAtTime(now)
	states := make([]State, len(topics))
	for i, name := range topics {
		t := r.topics[name]
		if t == nil {
			states[i].Version = r.version
			continue
		}
		states[i].Version = t.version
		if t.keptUntil > at {
			states[i].Kept = t.kept
		}
		states[i].Entries = t.entries()
	}
	return states
}

// entries returns what nodes hold of a topic.
func (t *topic) entries() (entries []Entry) {
	for id, h := range t.holders {
		if h.count > 0 {
			entries = append(entries, Entry{Node: id, Count: h.count})
		}
		for _, m := range h.members {
			entries = append(entries, Entry{Node: id, Member: m})
		}
	}
	return entries
}

// Count is [Engine].Count.
func (r *Register) Count(name pusherhub.Topic) pusherhub.Holding {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.topics[name]; t != nil {
		return t.total()
	}
	return pusherhub.Holding{}
}

// Channels is [Engine].Channels.
func (r *Register) Channels(app, prefix string) map[string]pusherhub.Holding {
	r.mu.Lock()
	defer r.mu.Unlock()
	channels := make(map[string]pusherhub.Holding)
	for name, t := range r.apps[app] {
		if strings.HasPrefix(name.Channel, prefix) {
			channels[name.Channel] = t.total()
		}
	}
	return channels
}

func (t *topic) total() pusherhub.Holding {
	return pusherhub.Holding{Count: t.count, Members: len(t.users)}
}
