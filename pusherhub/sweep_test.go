package pusherhub

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// sweepWorld is a channel whose subscribers come and go between the groups of a sweep.
type sweepWorld struct {
	ch    *channel
	d     deliverer
	w     writer
	state *appState
	last  int // number of the last event
	next  int // number of the next socket
	subs  []*sweepMember
}

// sweepMember is a subscriber and what it has been told.
type sweepMember struct {
	*subscription

	from int // number of the last event before it came
	got  []string
}

func (s *sweepWorld) join() {
	s.next++
	c := &conn{hub: s.state.hub, state: s.state, id: fmt.Sprintf("%d.1", s.next)}
	sub := &subscription{conn: c, channel: s.ch, after: s.ch.seq}
	s.ch.add(sub)
	s.subs = append(s.subs, &sweepMember{subscription: sub, from: s.last})
}

func (s *sweepWorld) publish(except *conn) {
	s.last++
	s.ch.accept(newFrame([]byte(strconv.Itoa(s.last)+" ")), except, 0, nil)
}

// group serves one group and reports whether there was one.
func (s *sweepWorld) group() bool {
	if !s.ch.serveGroup(&s.d) {
		return false
	}
	for _, m := range s.subs {
		for m.conn.queue.writing && m.conn.queue.take(&s.w) {
			for _, part := range s.w.parts {
				m.got = append(m.got, string(part))
			}
		}
	}
	return true
}

// check compares what a subscriber got with what it should have.
func (s *sweepWorld) check(t *testing.T, m *sweepMember, upTo int, missing map[int]*conn) {
	t.Helper()
	var want strings.Builder
	for n := m.from + 1; n <= upTo; n++ {
		if missing[n] != m.conn {
			want.Write(newFrame([]byte(strconv.Itoa(n) + " ")).wire)
		}
	}
	if got := strings.Join(m.got, ""); got != want.String() {
		t.Fatalf("socket %s, subscribed after event %d, got %q, expected %q", m.conn.id, m.from, got, want.String())
	}
}

// Whatever happens between the groups of a sweep, each subscriber gets each event accepted while it is subscribed once and in order.
func TestSweepWhileSubscribersComeAndGo(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		first := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "0.1")
		s := &sweepWorld{state: first.state, ch: newChannel(first.state, "drivers")}
		missing := make(map[int]*conn)
		for range random.IntN(4 * groupSize) {
			s.join()
		}
		for range 20 {
			until := s.ch.sweepUntil()
			for served := true; served; served = s.group() {
				for range random.IntN(6) {
					switch random.IntN(4) {
					case 0:
						s.join()
					case 1:
						if i := len(s.subs) - 1; i >= 0 {
							i = random.IntN(i + 1)
							s.ch.remove(s.subs[i].subscription)
							s.subs = append(s.subs[:i], s.subs[i+1:]...)
						}
					case 2:
						s.publish(nil)
					case 3:
						if len(s.subs) > 0 {
							except := s.subs[random.IntN(len(s.subs))].conn
							s.publish(except)
							missing[s.last] = except
						}
					}
				}
			}
			for i, sub := range s.ch.subs {
				if sub.index != i || sub.after < until {
					t.Fatalf("seed %d: place %d holds a subscription that believes to be at %d and has got events up to %d, expected %d",
						seed, i, sub.index, sub.after, until)
				}
			}
			s.ch.endSweep(until)
		}
		until := s.ch.sweepUntil()
		for s.group() {
			continue
		}
		if _, more := s.ch.endSweep(until); more || s.ch.delivering {
			t.Fatalf("seed %d: the outbox is not empty after a quiet sweep", seed)
		}
		for _, m := range s.subs {
			s.check(t, m, s.last, missing)
		}
	}
}

// An event that comes while a sweep is under way goes to those whose turn is still to come, together with what they lack, in one frame.
func TestSweepTakesWhatCameMeanwhile(t *testing.T) {
	first := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "0.1")
	s := &sweepWorld{state: first.state, ch: newChannel(first.state, "drivers")}
	for range 2 * groupSize {
		s.join()
	}
	s.publish(nil)
	until := s.ch.sweepUntil()
	s.group()
	s.publish(nil)
	s.group()
	if s.group() {
		t.Error("a sweep over two groups has a third")
	}
	early, late := s.subs[0], s.subs[2*groupSize-1]
	if len(early.got) != 1 || len(late.got) != 1 {
		t.Errorf("found %d and %d frames, expected one for each", len(early.got), len(late.got))
	}
	s.check(t, early, 1, nil)
	s.check(t, late, 2, nil)
	if _, more := s.ch.endSweep(until); !more {
		t.Error("the second event is forgotten, though half the subscribers lack it")
	}
}

// A subscriber gets no more at once than it can hold; the rest follows.
func TestSweepInPortions(t *testing.T) {
	first := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "0.1")
	s := &sweepWorld{state: first.state, ch: newChannel(first.state, "drivers")}
	s.join()
	big := newFrame(make([]byte, maxBatch/2))
	for range 3 {
		s.ch.accept(big, nil, 7, nil)
	}
	var portions, billed int
	for more := true; more; portions++ {
		until := s.ch.sweepUntil()
		s.group()
		var n int
		n, more = s.ch.endSweep(until)
		billed += n
	}
	if size := len(strings.Join(s.subs[0].got, "")); portions != 3 || billed != 21 || size != 3*len(big.wire) {
		t.Errorf("found %d portions, %d settled, %d bytes; expected 3, 21, %d", portions, billed, size, 3*len(big.wire))
	}
}
