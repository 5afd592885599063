package pusherhub

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"
)

// A socket that joins or leaves a channel pays for itself and not for the others who are there: what that takes is the same with a
// hundred others and with ten thousand.
const (
	few  = 100
	many = 10_000
)

// visitor is a socket that comes to and goes from a crowd's channel.
type visitor struct {
	conn  *conn
	crowd *crowd
	who   member
}

// newVisitor returns a visitor of a channel with n others. On a presence channel each is a user of its own.
func newVisitor(t testing.TB, name string, n int) *visitor {
	t.Helper()
	c := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "0.1")
	ch := c.state.openChannel(name)
	for i := range n {
		other := &conn{hub: c.hub, state: c.state, id: fmt.Sprintf("%d.1", i+1), nc: c.nc}
		sub := &subscription{conn: other, channel: ch}
		if ch.members != nil {
			sub.seat = &seat{conn: other, member: member{userID: strconv.Itoa(i)}}
			ch.members.join(sub.seat)
		}
		ch.add(sub)
	}
	return &visitor{conn: c, crowd: &crowd{channel: ch}, who: member{userID: "visitor", info: []byte(`{"name":"V"}`)}}
}

// comes subscribes and returns the answer's size.
func (v *visitor) comes() int {
	ch := v.crowd.channel
	ch.claim()
	if e := v.conn.join(v.conn.app(), ch.name, v.who); e != nil {
		panic(e.text) // nothing refuses here
	}
	return v.settle()
}

func (v *visitor) goes() {
	v.crowd.channel.claim()
	v.conn.leave(v.conn.subs.get(v.crowd.channel.name))
	v.settle()
}

// settle hands out what the others and the visitor are told, as deliverers and flushers do, and returns the size of the visitor's part.
func (v *visitor) settle() (size int) {
	v.crowd.handOut()
	for v.conn.queue.take(&v.crowd.write) {
		size += v.crowd.write.size
	}
	v.conn.queue.writing = true // nobody starts a flusher
	return size
}

// cost is what one call allocates.
type cost struct{ allocations, bytes uint64 }

// costOf returns the medians of some calls, each of them undone. Medians, because the runtime may allocate something beside.
func costOf(call, undo func()) cost {
	var allocations, bytes [21]uint64
	var before, after runtime.MemStats
	for i := range allocations {
		runtime.ReadMemStats(&before)
		call()
		runtime.ReadMemStats(&after)
		undo()
		allocations[i], bytes[i] = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	}
	slices.Sort(allocations[:])
	slices.Sort(bytes[:])
	return cost{allocations[len(allocations)/2], bytes[len(bytes)/2]}
}

// expectFlat makes sure that a call costs no more among many than among few.
func expectFlat(t *testing.T, what string, amongFew, amongMany cost) {
	t.Helper()
	if amongMany.allocations > amongFew.allocations || amongMany.bytes > amongFew.bytes {
		t.Errorf("%s: found %+v among %d, %+v among %d, expected no more", what, amongFew, few, amongMany, many)
	}
}

func TestJoinAndLeaveAllocateTheSameInEveryChannel(t *testing.T) {
	var come, leave [2]cost
	var answer [2]int
	for _, name := range []string{"drivers", "presence-drivers"} {
		for i, n := range []int{few, many} {
			v := newVisitor(t, name, n)
			come[i] = costOf(func() { answer[i] = v.comes() }, v.goes)
			v.comes()
			leave[i] = costOf(v.goes, func() { v.comes() })
		}
		if name == "presence-drivers" {
			// The answer lists who is there. Nothing but that may grow: neither what a byte of it takes, nor what it takes to tell
			// each of the others.
			come[1].bytes = come[1].bytes * uint64(answer[0]) / uint64(answer[1])
		}
		expectFlat(t, "joining "+name, come[0], come[1])
		expectFlat(t, "leaving "+name, leave[0], leave[1])
	}
}

// A search through the others would allocate nothing, so this one is timed. A search among many is about a hundred times as long as one
// among few; a best time of many is next to the truth on the busiest machine.
func TestJoinAndLeaveSearchThroughNobody(t *testing.T) {
	const bound = 10
	for _, name := range []string{"drivers", "presence-drivers"} {
		amongFew, amongMany := bestSwap(t, name, few), bestSwap(t, name, many)
		if amongMany > bound*amongFew {
			t.Errorf("%s: found %v among %d, %v among %d, expected about the same", name, amongFew, few, amongMany, many)
		}
	}
}

// bestSwap returns the shortest time in which somebody in the middle of a channel can be taken out of its lists and put in again.
func bestSwap(t *testing.T, name string, n int) time.Duration {
	t.Helper()
	const tries, swaps = 300, 20
	ch := newVisitor(t, name, n).crowd.channel
	best := time.Hour
	for range tries {
		began := time.Now()
		for range swaps {
			sub := ch.subs[len(ch.subs)/2]
			ch.remove(sub)
			if sub.seat != nil {
				ch.members.leave(sub.seat)
				ch.members.join(sub.seat)
			}
			ch.add(sub)
		}
		best = min(best, time.Since(began)/swaps)
	}
	return best
}
