package pusherhub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// nosy is a broker that delivers only what it was told of.
type nosy struct {
	pusherhub.MemoryBroker
	openErr     error
	onSubscribe func() // called first by Subscribe

	mu     sync.Mutex
	known  []string // guarded by mu
	closed bool     // guarded by mu
}

func (b *nosy) Open(ctx context.Context, node pusherhub.Node) error {
	if b.openErr != nil {
		return b.openErr
	}
	return b.MemoryBroker.Open(ctx, node)
}

func (b *nosy) Publish(ctx context.Context, m *pusherhub.Message) error {
	b.mu.Lock()
	wanted := slices.Contains(b.known, m.Channel)
	b.mu.Unlock()
	if !wanted {
		return nil
	}
	return b.MemoryBroker.Publish(ctx, m)
}

func (b *nosy) Subscribe(_, channel string) error {
	if b.onSubscribe != nil {
		b.onSubscribe()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known = append(b.known, channel)
	return nil
}

func (b *nosy) Unsubscribe(_, channel string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.known, channel); i >= 0 {
		b.known = slices.Delete(b.known, i, i+1)
	}
	return nil
}

func (b *nosy) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	return b.MemoryBroker.Close()
}

// knows checks what the broker was told, in any order, without repetition.
func (b *nosy) knows(t *testing.T, channels ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if found := slices.Sorted(slices.Values(b.known)); !slices.Equal(found, channels) {
		t.Errorf("the broker knows %q, expected %q", found, channels)
	}
}

func (b *nosy) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func unsubscribe(c *hubtest.Client, channel string) {
	c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"` + channel + `"}}`)
	c.ExpectQuiet()
}

func TestBrokerInterest(t *testing.T) {
	b := new(nosy)
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: appsOf(t, pusherhub.AppConfig{}), Broker: b})
	one, two := s.Dial(t), s.Dial(t)
	one.Subscribe("c")
	two.Subscribe("c")
	two.Subscribe("d")
	two.Subscribe("d") // again
	b.knows(t, "c", "d")
	s.Publish("c", "e", "1")
	one.Expect("e")
	two.Expect("e")
	unsubscribe(one, "c")
	b.knows(t, "c", "d")
	unsubscribe(two, "c")
	b.knows(t, "d")
	two.Close()
	hubtest.Eventually(t, "the channels to be gone", func() bool { return s.Hub.Stats().Subscriptions == 0 })
	one.ExpectQuiet()
	hubtest.Eventually(t, "the broker to hear of it", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.known) == 0
	})
}

// Another broker takes over what the one before knew.
func TestApplyExchangesBroker(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{}) // memory
	c := s.Dial(t)
	c.Subscribe("c")
	c.Subscribe("d")
	s.Publish("cache-x", "e", "1") // a channel without subscribers: no broker needs to know it
	deliver := func() {
		t.Helper()
		s.Publish("c", "e", "1")
		c.ExpectRaw(`{"event":"e","channel":"c","data":"1"}`)
	}

	first := new(nosy)
	apply(t, s, pusherhub.Config{Broker: first}, pusherhub.AppConfig{})
	first.knows(t, "c", "d")
	deliver()
	unsubscribe(c, "d")
	first.knows(t, "c")

	apply(t, s, pusherhub.Config{Broker: first}, pusherhub.AppConfig{}) // the same: nothing happens
	first.knows(t, "c")
	if first.isClosed() {
		t.Fatal("the broker that stays was closed")
	}

	second := &nosy{onSubscribe: func() { s.Publish("c", "meanwhile", "1") }}
	apply(t, s, pusherhub.Config{Broker: second}, pusherhub.AppConfig{})
	c.Expect("meanwhile")
	second.onSubscribe = nil
	second.knows(t, "c")
	if !first.isClosed() {
		t.Error("the previous broker was not closed")
	}
	deliver()
	c.Subscribe("d")
	second.knows(t, "c", "d")
	unsubscribe(c, "d")

	broken := &nosy{openErr: errors.New("no bus")}
	if err := s.Hub.Apply(settingsOf(t, pusherhub.Config{Broker: broken}, otherApp)); !errors.Is(err, broken.openErr) {
		t.Errorf("applying a broken broker: found %v, expected %v", err, broken.openErr)
	}
	if second.isClosed() {
		t.Error("the broker was closed although the new one does not open")
	}
	deliver() // with the old settings

	apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{}) // memory again
	if !second.isClosed() {
		t.Error("the previous broker was not closed")
	}
	deliver()
	unsubscribe(c, "c")

	third := new(nosy)
	apply(t, s, pusherhub.Config{Broker: third}, pusherhub.AppConfig{})
	third.knows(t)
	c.Subscribe("c")
	third.knows(t, "c")
	deliver()
	c.Close()
	if err := s.Hub.Close(); err != nil {
		t.Fatal(err)
	}
	if !third.isClosed() {
		t.Error("Close left the broker open")
	}
}

// A broker that takes a round trip for each channel is told of many at a time.
func TestApplyTellsOfManyChannelsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: appsOf(t, pusherhub.AppConfig{})})
		c := s.Dial(t)
		const many = 1000
		for i := range many {
			c.Subscribe(fmt.Sprint("c", i))
		}
		far := &nosy{onSubscribe: func() { time.Sleep(time.Millisecond) }}
		began := time.Now()
		apply(t, s, pusherhub.Config{Broker: far}, pusherhub.AppConfig{})
		if took := time.Since(began); took > many/10*time.Millisecond {
			t.Errorf("it took %s, expected a tenth of what they take one by one", took)
		}
		if len(far.known) != many {
			t.Errorf("the broker knows %d channels, expected %d", len(far.known), many)
		}
	})
}
