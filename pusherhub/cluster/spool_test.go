package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

func spooled(name string) *pusherhub.Message {
	return &pusherhub.Message{App: "a", Channel: "c", Event: name}
}

func newSpool(messages int) *spool {
	return &spool{max: messages * messageSize(spooled("0")), age: time.Minute}
}

func always(away bool) func() (bool, <-chan struct{}) {
	return func() (bool, <-chan struct{}) { return away, nil }
}

func expectSpooled(t *testing.T, s *spool, want ...string) {
	t.Helper()
	var found []string
	for _, q := range s.peek(s.newest()) {
		found = append(found, q.message.Event)
	}
	if fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("found %v in the spool, expected %v", found, want)
	}
}

func TestSpoolDropsTheOldestWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpool(3)
		for i := range 5 {
			if err := s.add(t.Context(), spooled(fmt.Sprint(i)), always(true)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Second)
		}
		expectSpooled(t, s, "3", "4") // 2 is a minute old
		if n := s.dropped.Load(); n != 3 {
			t.Errorf("dropped %d messages, expected 3", n)
		}
		if n, size := s.size(); n != 2 || size != 2*messageSize(spooled("0")) {
			t.Errorf("found %d messages of %d bytes, expected 2 of %d", n, size, 2*messageSize(spooled("0")))
		}
	})
}

func TestSpoolTakesOneThatIsTooLarge(t *testing.T) {
	s := newSpool(1)
	m := spooled("large")
	m.Payload = make([]byte, 10*s.max)
	for _, away := range []bool{false, true} {
		if err := s.add(t.Context(), m, always(away)); err != nil {
			t.Fatal(err)
		}
		expectSpooled(t, s, "large")
	}
}

func TestSpoolWaitsForRoomWhileConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpool(2)
		for i := range 2 {
			if err := s.add(t.Context(), spooled(fmt.Sprint(i)), always(false)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := s.add(t.Context(), spooled("2"), always(false)); !errors.Is(err, errNoRoom) {
			t.Errorf("found %v, expected %v", err, errNoRoom)
		}
		if waited := time.Since(began); waited != roomTimeout {
			t.Errorf("waited %s, expected %s", waited, roomTimeout)
		}
		expectSpooled(t, s, "0", "1")
		go func() {
			time.Sleep(roomTimeout / 2)
			s.accept(1)
		}()
		if err := s.add(t.Context(), spooled("3"), always(false)); err != nil {
			t.Errorf("found %v, although there was room in time", err)
		}
		expectSpooled(t, s, "1", "3")
		if n := s.dropped.Load(); n != 0 {
			t.Errorf("dropped %d messages, expected none", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.add(ctx, spooled("4"), always(false)); !errors.Is(err, errNoRoom) {
			t.Errorf("found %v, expected %v", err, errNoRoom)
		}
		synctest.Wait()
	})
}

func TestSpoolPartsInOrder(t *testing.T) {
	s := newSpool(5000)
	for i := range 1000 {
		if err := s.add(t.Context(), spooled(fmt.Sprint(i)), always(false)); err != nil {
			t.Fatal(err)
		}
	}
	upTo := s.newest()
	if err := s.add(t.Context(), spooled("later"), always(false)); err != nil {
		t.Fatal(err)
	}
	next := 0
	for list := s.peek(upTo); len(list) > 0; list = s.peek(upTo) {
		list = list[:(len(list)+1)/2] // the server took a part only
		for _, q := range list {
			if q.message.Event != fmt.Sprint(next) {
				t.Fatalf("found %s, expected %d", q.message.Event, next)
			}
			next++
		}
		s.accept(list[len(list)-1].number)
	}
	if next != 1000 {
		t.Errorf("found %d messages, expected 1000", next)
	}
	expectSpooled(t, s, "later")
}

func TestSpoolForgetsWithdrawnCommands(t *testing.T) {
	s := newSpool(20)
	q := s.addCommand(&pusherhub.Command{Name: "x"})
	s.withdraw(q)
	if err := s.add(t.Context(), spooled("after"), always(false)); err != nil {
		t.Fatal(err)
	}
	expectSpooled(t, s, "after")
	if n, _ := s.size(); n != 1 || s.dropped.Load() != 0 {
		t.Errorf("found %d in the spool and %d dropped messages, expected 1 and 0", n, s.dropped.Load())
	}
}
