package enginetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

func channel(name string) pusherhub.Topic { return pusherhub.Topic{App: "app", Channel: name} }

func post(topic pusherhub.Topic, data string) cluster.Post {
	return cluster.Post{Topic: topic, Data: []byte(data)}
}

// hold is the update to a count, and to members: "u" joins, "-u" leaves.
func hold(topic pusherhub.Topic, count int, members ...string) cluster.Update {
	u := join(topic, members...)
	u.Counted, u.Count = true, count
	return u
}

// join is the update of members: "u" joins, "-u" leaves.
func join(topic pusherhub.Topic, members ...string) cluster.Update {
	u := cluster.Update{Topic: topic}
	for _, member := range members {
		gone := member[0] == '-'
		if gone {
			member = member[1:]
		}
		u.Members = append(u.Members, cluster.MemberUpdate{Member: pusherhub.Member{UserID: member}, Gone: gone})
	}
	return u
}

// restored is the update, as a former memory of the register had it.
func restored(u cluster.Update) cluster.Update {
	u.Restored = u.Counted
	for i := range u.Members {
		u.Members[i].Restored = true
	}
	return u
}

func gained(topic pusherhub.Topic, member string) pusherhub.Transition {
	return pusherhub.Transition{Topic: topic, Member: member, Gained: true}
}

func lost(topic pusherhub.Topic, member string) pusherhub.Transition {
	return pusherhub.Transition{Topic: topic, Member: member}
}

func expectMade(t *testing.T, what string, found []pusherhub.Transition, expected ...pusherhub.Transition) {
	t.Helper()
	if !slices.Equal(found, expected) {
		t.Errorf("%s: found the transitions %+v, expected %+v", what, found, expected)
	}
}

// expectMadeAnyhow expects transitions in any order.
func expectMadeAnyhow(t *testing.T, what string, found []pusherhub.Transition, expected ...pusherhub.Transition) {
	t.Helper()
	expectMade(t, what, sortedTransitions(found), sortedTransitions(expected)...)
}

func sortedTransitions(list []pusherhub.Transition) []pusherhub.Transition {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b pusherhub.Transition) int { return cmp.Compare(fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b)) })
	return list
}

// entryKey names what an entry is of.
type entryKey struct{ node, user string }

// entries are those of a topic, as text that can be compared.
type entries map[entryKey]string

func entriesOf(list []cluster.Entry) entries {
	e := make(entries)
	e.add(list)
	return e
}

func (e entries) add(list []cluster.Entry) {
	for _, x := range list {
		e[keyOf(x)] = fmt.Sprintf("count %d, info %q, since %d", x.Count, x.Member.Info, x.Member.Since)
	}
}

func (e entries) drop(list []cluster.Entry) {
	for _, x := range list {
		delete(e, keyOf(x))
	}
}

func keyOf(x cluster.Entry) entryKey { return entryKey{x.Node, x.Member.UserID} }

// expectHeld expects what "node user" or "node" (for a count) have of a topic.
func expectHeld(t *testing.T, what string, state cluster.State, expected ...entryKey) {
	t.Helper()
	found := make(map[entryKey]int)
	for _, x := range state.Entries {
		found[keyOf(x)]++
	}
	for _, key := range expected {
		if found[key]--; found[key] == 0 {
			delete(found, key)
		}
	}
	if len(found) != 0 {
		t.Errorf("%s: found the entries %+v, expected those of %+v", what, state.Entries, expected)
	}
}
