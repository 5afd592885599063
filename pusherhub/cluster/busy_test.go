package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// slowly is an engine whose answers take a moment, and that remembers what it was told in which order.
type slowly struct {
	cluster.Engine
	takes time.Duration

	mu   sync.Mutex
	told []string // guarded by mu: "+user" for members entered, "channel" for messages
}

func (e *slowly) Apply(ctx context.Context, node string, batch uint64, updates []cluster.Update) ([]pusherhub.Transition, bool, error) {
	time.Sleep(e.takes)
	made, known, err := e.Engine.Apply(ctx, node, batch, updates)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, u := range updates {
		for _, m := range u.Members {
			e.told = append(e.told, "+"+m.UserID)
		}
	}
	return made, known, err
}

func (e *slowly) Send(ctx context.Context, posts []cluster.Post) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range posts {
		e.told = append(e.told, p.Topic.Channel)
	}
	return e.Engine.Send(ctx, posts)
}

func (e *slowly) Read(ctx context.Context, topics []pusherhub.Topic) ([]cluster.State, error) {
	time.Sleep(e.takes)
	return e.Engine.Read(ctx, topics)
}

// when is the place of something in what was told; -1: it was not.
func (e *slowly) when(what string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Index(e.told, what)
}

// Messages do not wait until nothing changes any more.
func TestSendWhileMuchChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, tc := range []struct {
		name   string
		change func(b *cluster.Broker, n int) // the n-th millisecond
	}{
		{"counts that make no transition", func(b *cluster.Broker, n int) {
			for i := range 10 {
				b.Hold(channelTopic(fmt.Sprint(random.IntN(400))), 10*n+i+1)
			}
		}},
		{"members of one channel", func(b *cluster.Broker, n int) {
			for i := range 60 {
				b.Join(channelTopic("presence-x"), pusherhub.Member{UserID: fmt.Sprint(n, "-", i), Since: 1})
			}
		}},
		{"visits to one channel", func(b *cluster.Broker, n int) {
			for i := range 60 {
				user := fmt.Sprint(n, "-", i)
				b.Join(channelTopic("presence-x"), pusherhub.Member{UserID: user, Since: 1})
				b.Leave(channelTopic("presence-x"), user)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := &slowly{Engine: cluster.NewBus().Engine(), takes: 10 * time.Millisecond}
				b := startBroker(t, engine, cluster.Options{})
				defer func() { _ = b.Close() }()
				time.Sleep(time.Second)
				for n := range 1500 {
					tc.change(b, n)
					if n == 300 {
						if err := b.Publish(t.Context(), &pusherhub.Message{App: "a", Channel: "news"}); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(time.Millisecond)
				}
				if engine.when("news") < 0 {
					t.Error("not sent for 1.2s")
				}
			})
		})
	}
}

// Who wants to know that all is entered does not wait until nothing changes any more.
func TestSettleWhileMuchChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &slowly{Engine: cluster.NewBus().Engine(), takes: 10 * time.Millisecond}
		b := startBroker(t, engine, cluster.Options{})
		defer func() { _ = b.Close() }()
		time.Sleep(time.Second)
		stop := make(chan struct{})
		var changing sync.WaitGroup
		changing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					b.Hold(channelTopic(fmt.Sprint(n)), 1)
				}
			}
		})
		time.Sleep(100 * time.Millisecond)
		b.Join(channelTopic("presence-x"), pusherhub.Member{UserID: "stays"})
		b.Join(channelTopic("presence-x"), pusherhub.Member{UserID: "visits"})
		b.Leave(channelTopic("presence-x"), "visits")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Settle(ctx); err != nil {
			t.Error(err)
		}
		close(stop)
		changing.Wait()
		if ids, err := b.LookupMembers(t.Context(), channelTopic("presence-x")); err != nil || !slices.Equal(ids, []string{"stays"}) {
			t.Errorf("found %q, %v, expected the member who stays", ids, err)
		}
	})
}

// A member who joined while a batch was under way is entered before what is published then, when the batch has to be repeated, too.
func TestJoinFirstWhenABatchIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewBus()
		engine := &slowly{Engine: bus.Engine(), takes: 10 * time.Millisecond}
		b := startBroker(t, engine, cluster.Options{})
		defer func() { _ = b.Close() }()
		time.Sleep(time.Second)
		bus.LoseAnswer(engine.Engine)
		b.Join(channelTopic("presence-x"), pusherhub.Member{UserID: "first"})
		time.Sleep(15 * time.Millisecond) // the answer is lost, and the batch not repeated yet
		b.Join(channelTopic("presence-x"), pusherhub.Member{UserID: "next"})
		if err := b.Publish(t.Context(), &pusherhub.Message{App: "a", Channel: "presence-x"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if joined, sent := engine.when("+next"), engine.when("presence-x"); joined < 0 || sent < joined {
			t.Errorf("found %q, expected that the member is entered before the message is sent", engine.told)
		}
	})
}

// After a connection was lost, what was followed before is followed again while new topics come all the time.
func TestFollowAgainWhileMuchBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewBus()
		engine := &slowly{Engine: bus.Engine(), takes: 2 * time.Millisecond}
		node := &delivering{}
		b := cluster.New(engine, cluster.Options{})
		if err := b.Open(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.Close() }()
		other := startBroker(t, bus.Engine(), cluster.Options{})
		defer func() { _ = other.Close() }()
		b.Follow(channelTopic("old"))
		bus.Cut(engine.Engine)
		bus.Restore(engine.Engine)
		var callers sync.WaitGroup
		for n := range 2000 {
			callers.Go(func() { b.Follow(channelTopic(fmt.Sprint(n))) })
			time.Sleep(time.Millisecond)
		}
		if err := b.Ready(); err != nil {
			t.Error(err)
		}
		if err := other.Publish(t.Context(), &pusherhub.Message{App: "a", Channel: "old"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if node.messages.Load() != 1 {
			t.Error("what others publish does not come")
		}
		callers.Wait()
	})
}

// While messages wait for other nodes to come back, the register can be asked, and who closes says goodbye.
func TestReunionIsOfMessagesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewBus()
		engine := &slowly{Engine: bus.Engine()}
		b := startBroker(t, engine, cluster.Options{})
		b.Hold(channelTopic("x"), 1)
		time.Sleep(time.Second)
		bus.Cut(engine.Engine)
		time.Sleep(6 * time.Second)
		if err := b.Publish(t.Context(), &pusherhub.Message{App: "a", Channel: "news"}); err != nil {
			t.Fatal(err)
		}
		bus.Restore(engine.Engine)
		time.Sleep(time.Second)
		if found, err := b.Lookup(t.Context(), channelTopic("x")); err != nil || found.Count != 1 {
			t.Errorf("found %v, %v, expected what the register has", found, err)
		}
		if engine.when("news") >= 0 {
			t.Error("sent before the others had the time to come back")
		}
		other := &reporting{}
		c := cluster.New(bus.Engine(), cluster.Options{})
		if err := c.Open(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if engine.when("news") < 0 {
			t.Error("what waited was not sent at the end")
		}
		time.Sleep(2 * time.Second)
		for _, m := range c.Measures() {
			if m.Name == "nodes" && m.Value != 1 {
				t.Errorf("found %v nodes, expected that the other has ended its lease", m.Value)
			}
		}
	})
}
