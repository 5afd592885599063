package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// rosterNode writes down the rosters that it is told.
type rosterNode struct {
	pusherhub.Node
	told []string
}

func (n *rosterNode) Roster(r pusherhub.Roster) {
	text := fmt.Sprint(r.Count)
	for _, m := range r.Members {
		text += " +" + m.UserID
	}
	for _, user := range r.Gone {
		text += " -" + user
	}
	if r.Full {
		text += " full"
	}
	n.told = append(n.told, text)
}

func (n *rosterNode) expect(t *testing.T, want ...string) {
	t.Helper()
	if fmt.Sprint(n.told) != fmt.Sprint(want) {
		t.Errorf("told %q, expected %q", n.told, want)
	}
	n.told = nil
}

// newFollowed returns a followed topic in a session that has begun.
func newFollowed(t *testing.T, r refill) (*followed, *rosterNode, *Broker, *session) {
	n := new(rosterNode)
	b := New(NewBus().Engine(), Options{})
	t.Cleanup(b.cancel)
	b.node = n
	b.link.setUp()
	s := &session{number: 1, conn: 1, ctx: b.ctx, end: func() {}, refill: r}
	b.link.begin(s)
	return &followed{topic: roomTopic, ready: make(chan struct{})}, n, b, s
}

func counted(version uint64, node string, count int) Change {
	return Change{Topic: roomTopic, Version: version, Entries: []Entry{{Node: node, Count: count}}}
}

func TestFollowedChangesAroundARead(t *testing.T) {
	f, n, b, s := newFollowed(t, refill{})
	f.change(counted(1, "B-1", 1), b)
	n.expect(t) // nothing was read yet
	f.beginRead()
	f.change(counted(2, "B-1", 2), b)
	f.change(counted(4, "B-1", 4), b)
	n.expect(t)
	if !f.endRead(State{Version: 3, Entries: []Entry{{Node: "B-1", Count: 3}, {Node: b.origin + "-1", Count: 50}}}, s, b) {
		t.Error("it is to be read again, although nothing was lost")
	}
	n.expect(t, "3 full", "4")
	f.change(counted(4, "B-1", 4), b)
	f.change(counted(3, "B-1", 3), b)
	n.expect(t)
	f.beginRead()
	f.change(counted(5, "B-1", 5), b)
	f.failRead(b)
	n.expect(t, "5")
	f.beginRead()
	f.endRead(State{Version: 5, Entries: []Entry{{Node: "B-1", Count: 5}}}, s, b)
	n.expect(t) // as known
	b.link.setDown(nil)
	f.change(counted(6, "B-1", 6), b)
	n.expect(t)
	f.end()
	f.beginRead()
	f.endRead(State{Version: 7}, s, b)
	n.expect(t)
}

func TestFollowedTooManyChangesDuringARead(t *testing.T) {
	f, n, b, s := newFollowed(t, refill{})
	f.beginRead()
	for i := range missedChange + 1 {
		f.change(counted(uint64(i+2), "B-1", i), b)
	}
	if f.endRead(State{Version: 1}, s, b) {
		t.Error("not to be read again, although changes were lost")
	}
	n.expect(t)
}

func TestFollowedWhileTheRegisterIsFilledAgain(t *testing.T) {
	f, n, b, s := newFollowed(t, refill{wholeAt: time.Now().Add(time.Hour)})
	f.others.put(Entry{Node: "B-1", Count: 1})
	f.beginRead()
	f.endRead(State{Version: 1}, s, b)
	n.expect(t, "1 full")
	f.change(counted(2, "B-2", 1), b)
	n.expect(t) // B has entered again what it held
	s.wholeAt = time.Time{}
	f.beginRead()
	f.endRead(State{Version: 2}, s, b)
	n.expect(t, "0 full")
}

func TestFollowedDuplicates(t *testing.T) {
	f, _, _, _ := newFollowed(t, refill{})
	for _, test := range []struct {
		origin    string
		number    uint64
		duplicate bool
	}{{"B", 1, false}, {"B", 2, false}, {"C", 1, false}, {"B", 1, true}, {"B", 2, true}, {"B", 9, false}, {"C", 1, true}} {
		if found := f.duplicate(&envelope{origin: test.origin, number: test.number}); found != test.duplicate {
			t.Errorf("%s %d is a duplicate: %v, expected %v", test.origin, test.number, found, test.duplicate)
		}
	}
}
