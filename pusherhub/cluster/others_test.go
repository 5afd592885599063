package cluster

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
)

func entry(node, user string, since int64) Entry {
	return Entry{Node: node, Member: pusherhub.Member{UserID: user, Since: since}}
}

func TestOthersOldestCounts(t *testing.T) {
	var o others
	r, differs := o.apply(Change{Topic: roomTopic, Entries: []Entry{entry("B-1", "u", 5), {Node: "B-1", Count: 2}, entry("SELF-1", "me", 1)}}, "SELF")
	if !differs || len(r.Members) != 1 || r.Members[0].Since != 5 || r.Count != 2 {
		t.Errorf("found %+v, expected u since 5 and a count of 2", r)
	}
	if r, differs := o.apply(Change{Topic: roomTopic, Entries: []Entry{entry("C-1", "u", 7)}}, "SELF"); differs {
		t.Errorf("found %+v for a younger one, expected nothing", r)
	}
	r, _ = o.apply(Change{Topic: roomTopic, Gone: []Entry{entry("B-1", "u", 0)}}, "SELF")
	if len(r.Members) != 1 || r.Members[0].Since != 7 || len(r.Gone) != 0 {
		t.Errorf("found %+v after the oldest left, expected u since 7", r)
	}
	r, _ = o.apply(Change{Topic: roomTopic, Gone: []Entry{entry("C-1", "u", 0), entry("C-1", "nobody", 0)}}, "SELF")
	if len(r.Members) != 0 || len(r.Gone) != 1 || r.Gone[0] != "u" || len(o.members) != 0 {
		t.Errorf("found %+v after the last left, expected u gone", r)
	}
}

// What a process enters under its next id takes the place of what it had entered under the last, in whatever order that is heard.
func TestOthersNextLease(t *testing.T) {
	var o others
	o.apply(Change{Entries: []Entry{entry("B-000001", "u", 5), {Node: "B-000001", Count: 2}}}, "SELF")
	if r, differs := o.apply(Change{Entries: []Entry{entry("B-000002", "u", 5), {Node: "B-000002", Count: 2}}}, "SELF"); differs {
		t.Errorf("found %+v, expected no difference", r)
	}
	if r, differs := o.apply(Change{Gone: []Entry{entry("B-000001", "u", 5), {Node: "B-000001"}}}, "SELF"); differs {
		t.Errorf("found %+v after the end of the former lease, expected no difference", r)
	}
	o.put(Entry{Node: "B-000001", Count: 9})
	if o.count() != 2 {
		t.Errorf("found a count of %d, expected 2", o.count())
	}
}

func TestOthersKeepGhosts(t *testing.T) {
	var before, read others
	before.put(Entry{Node: "B-1", Count: 1})
	before.put(Entry{Node: "C-1", Count: 2})
	before.put(entry("B-1", "b", 1))
	before.put(entry("C-1", "c", 1))
	read.put(Entry{Node: "B-2", Count: 4})
	read.keep(&before)
	if _, found := read.member("b"); !found || read.count() != 6 || len(read.all()) != 2 {
		t.Errorf("found a count of %d and members %v, expected 6, b and c", read.count(), read.all())
	}
}
