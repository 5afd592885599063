package natsbroker

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// kvVersion is the version of the values in the bucket.
const kvVersion = 1

const (
	// lossMemory is how long a loss is remembered, for what is restored.
	lossMemory = time.Minute

	// doneMemory is how long it is remembered what a batch made of a topic, after which the node held nothing of it.
	doneMemory = 10 * time.Minute
)

// kvTopic is the value of a topic's key, or of a part's. Names are bytes, because a JSON text could not hold all of them.
type kvTopic struct {
	Version  int         `json:"v"`
	App      []byte      `json:"a"`
	Channel  []byte      `json:"c,omitempty"`
	User     []byte      `json:"u,omitempty"`
	Phase    kvPhase     `json:"p,omitempty"`
	Holdings []kvHolding `json:"h,omitempty"`
	Done     []kvDone    `json:"d,omitempty"`
	Losses   []kvLoss    `json:"l,omitempty"`
	Reaped   []kvReaped  `json:"r,omitempty"`

	// Changed and Gone are what the last write did.
	Changed []kvName `json:"e,omitempty"`
	Gone    []kvName `json:"g,omitempty"`
}

// kvHolding is what a node holds of the topic.
type kvHolding struct {
	Node    string     `json:"n"`
	Count   int        `json:"c,omitempty"`
	Members []kvMember `json:"m,omitempty"`
}

type kvMember struct {
	User  []byte `json:"u"`
	Info  []byte `json:"i"` // null if there is none
	Since int64  `json:"s"`
}

// kvDone is what the last batch of a node made of the topic.
type kvDone struct {
	Node  string   `json:"n"`
	Batch uint64   `json:"b"`
	At    int64    `json:"t"` // Unix milliseconds
	Made  []kvMade `json:"m,omitempty"`
}

// kvMade is a transition.
type kvMade struct {
	Member []byte `json:"u,omitempty"` // empty: of the topic itself
	Gained bool   `json:"g,omitempty"`
}

// kvLoss is a loss that was a transition.
type kvLoss struct {
	Member []byte `json:"u,omitempty"` // empty: of the topic itself
	At     int64  `json:"t"`           // Unix milliseconds
}

// kvReaped is a write that took dead nodes out. It stays for as long as a loss does.
type kvReaped struct {
	ID string `json:"i"`
	At int64  `json:"t"` // Unix milliseconds
}

// kvName names an entry.
type kvName struct {
	Node string `json:"n"`
	User []byte `json:"u,omitempty"` // empty: the count
}

func decodeTopic(value []byte) (*kvTopic, error) {
	t := new(kvTopic)
	if err := json.Unmarshal(value, t); err != nil {
		return nil, fmt.Errorf("reading a topic: %w", err)
	}
	if t.Version != kvVersion {
		return nil, fmt.Errorf("reading a topic: found version %d, expected %d", t.Version, kvVersion)
	}
	return t, nil
}

// topicOf returns the state of a topic, which is new if there is no value.
func topicOf(name pusherhub.Topic, value []byte) (*kvTopic, error) {
	if value == nil {
		return &kvTopic{Version: kvVersion, App: []byte(name.App), Channel: []byte(name.Channel), User: []byte(name.UserID)}, nil
	}
	return decodeTopic(value)
}

// encode returns the value to write, without what nobody needs any more.
func (t *kvTopic) encode(now time.Time) ([]byte, error) {
	t.Holdings = slices.DeleteFunc(t.Holdings, func(h kvHolding) bool { return h.Count == 0 && len(h.Members) == 0 })
	t.Done = slices.DeleteFunc(t.Done, func(d kvDone) bool {
		return now.Sub(time.UnixMilli(d.At)) > doneMemory && t.holding(d.Node) == nil
	})
	t.Losses = slices.DeleteFunc(t.Losses, func(l kvLoss) bool { return now.Sub(time.UnixMilli(l.At)) > lossMemory })
	t.Reaped = slices.DeleteFunc(t.Reaped, func(d kvReaped) bool { return now.Sub(time.UnixMilli(d.At)) > lossMemory })
	value, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("writing a topic: %w", err)
	}
	return value, nil
}

func (t *kvTopic) name() pusherhub.Topic {
	return pusherhub.Topic{App: string(t.App), Channel: string(t.Channel), UserID: string(t.User)}
}

// holding returns what a node holds; nil: nothing.
func (t *kvTopic) holding(node string) *kvHolding {
	for i := range t.Holdings {
		if t.Holdings[i].Node == node {
			return &t.Holdings[i]
		}
	}
	return nil
}

// own returns what a node holds, which is made if there is nothing.
func (t *kvTopic) own(node string) *kvHolding {
	if h := t.holding(node); h != nil {
		return h
	}
	t.Holdings = append(t.Holdings, kvHolding{Node: node})
	return &t.Holdings[len(t.Holdings)-1]
}

// member returns the index of a user's member; -1: none.
func (h *kvHolding) member(user string) int {
	return slices.IndexFunc(h.Members, func(m kvMember) bool { return string(m.User) == user })
}

// held reports whether a node holds a count, or has a member of that user.
func (t *kvTopic) held(user string) bool {
	return slices.ContainsFunc(t.Holdings, func(h kvHolding) bool {
		if user == "" {
			return h.Count > 0
		}
		return h.member(user) >= 0
	})
}

func (t *kvTopic) entries() (entries []cluster.Entry) {
	for _, h := range t.Holdings {
		if h.Count > 0 {
			entries = append(entries, cluster.Entry{Node: h.Node, Count: h.Count})
		}
		for _, m := range h.Members {
			entries = append(entries, cluster.Entry{Node: h.Node, Member: m.member()})
		}
	}
	return entries
}

func (m kvMember) member() pusherhub.Member {
	return pusherhub.Member{UserID: string(m.User), Info: m.Info, Since: m.Since}
}

func (t *kvTopic) total() (total pusherhub.Holding) {
	users := make(map[string]bool)
	for _, h := range t.Holdings {
		total.Count += h.Count
		for _, m := range h.Members {
			users[string(m.User)] = true
		}
	}
	total.Members = len(users)
	return total
}

// change returns what the last write did.
func (t *kvTopic) change(version uint64) cluster.Change {
	c := cluster.Change{Topic: t.name(), Version: version}
	for _, name := range t.Changed {
		h := t.holding(name.Node)
		if h == nil {
			continue
		}
		if len(name.User) == 0 {
			c.Entries = append(c.Entries, cluster.Entry{Node: h.Node, Count: h.Count})
		} else if i := h.member(string(name.User)); i >= 0 {
			c.Entries = append(c.Entries, cluster.Entry{Node: h.Node, Member: h.Members[i].member()})
		}
	}
	for _, name := range t.Gone {
		c.Gone = append(c.Gone, cluster.Entry{Node: name.Node, Member: pusherhub.Member{UserID: string(name.User)}})
	}
	return c
}

// transitionsOf makes of what was made what is reported.
func transitionsOf(name pusherhub.Topic, made []kvMade) (transitions []pusherhub.Transition) {
	for _, m := range made {
		transitions = append(transitions, pusherhub.Transition{Topic: name, Member: string(m.Member), Gained: m.Gained})
	}
	return transitions
}

// sequence returns the number that the server gave to the write that it publishes again.
func sequence(m *nats.Msg) (uint64, error) {
	n, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the number of a write: %w", err)
	}
	return n, nil
}
