package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// startBroker opens a broker for a node that only remembers reports.
func startBroker(t *testing.T, engine cluster.Engine, o cluster.Options) *cluster.Broker {
	t.Helper()
	b := cluster.New(engine, o)
	if err := b.Open(t.Context(), &reporting{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// Of those who come while the server does not answer, only the first wait for it.
func TestFollowWithoutAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewBus()
		engine := bus.Engine()
		b := startBroker(t, engine, cluster.Options{})
		defer func() { _ = b.Close() }()
		time.Sleep(3 * time.Second)
		took := func(channel string) time.Duration {
			began := time.Now()
			if err := b.Subscribe("a", channel); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		if d := took("before"); d != 0 {
			t.Errorf("a server that answers: found %s, expected no wait", d)
		}
		bus.Stall(engine)
		if d := took("first"); d != 2*time.Second {
			t.Errorf("the first: found %s, expected 2s", d)
		}
		for i := range 5 {
			if d := took(fmt.Sprint("next", i)); d != 0 {
				t.Errorf("after the first: found %s, expected no wait", d)
			}
		}
		bus.Restore(engine)
		time.Sleep(3 * time.Second)
		bus.Stall(engine)
		if d := took("another first"); d != 2*time.Second {
			t.Errorf("the first after an answer: found %s, expected 2s", d)
		}
		bus.Restore(engine)
	})
}

// reapsForever has more to reap until something was sent.
type reapsForever struct {
	cluster.Engine
	begun chan struct{} // has room for one
	sent  atomic.Bool
}

func (e *reapsForever) Reap(ctx context.Context) ([]pusherhub.Transition, bool, error) {
	select {
	case e.begun <- struct{}{}:
	default:
	}
	return nil, !e.sent.Load(), ctx.Err()
}

func (e *reapsForever) Send(ctx context.Context, posts []cluster.Post) (int, error) {
	e.sent.Store(true)
	return e.Engine.Send(ctx, posts)
}

// Messages do not wait until all that a dead node held is reaped.
func TestSendWhileReaping(t *testing.T) {
	engine := &reapsForever{Engine: cluster.NewBus().Engine(), begun: make(chan struct{}, 1)}
	b := startBroker(t, engine, cluster.Options{Lease: time.Second})
	t.Cleanup(func() { _ = b.Close() })
	<-engine.begun
	if err := b.Publish(t.Context(), &pusherhub.Message{App: "a", Channel: "c"}); err != nil {
		t.Fatal(err)
	}
	hubtest.Eventually(t, "the message is sent", engine.sent.Load)
}

// readsLittle cannot answer what is much at once, nor one topic at all.
type readsLittle struct {
	cluster.Engine
	most int
}

func (e *readsLittle) Read(ctx context.Context, topics []pusherhub.Topic) ([]cluster.State, error) {
	if len(topics) > e.most || slices.Contains(topics, channelTopic("too big")) {
		return nil, errors.New("no answer in time")
	}
	return e.Engine.Read(ctx, topics)
}

// A server that is too slow for a full batch, or for one topic, is asked for the others in smaller ones.
func TestFollowInSmallerBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewBus()
		engine := &readsLittle{Engine: bus.Engine(), most: 5}
		b := cluster.New(engine, cluster.Options{})
		told := &toldOf{topics: make(map[pusherhub.Topic]bool)}
		if err := b.Open(t.Context(), told); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.Close() }()
		topics := []pusherhub.Topic{channelTopic("too big")}
		for i := range 600 {
			topics = append(topics, channelTopic(fmt.Sprint(i)))
		}
		for round := range 2 {
			b.Follow(topics...)
			time.Sleep(10 * time.Minute)
			if found := told.count(); found != 600 {
				t.Errorf("round %d: told of %d topics, expected 600", round, found)
			}
			told.forget()
			bus.Forget() // everything is read again
		}
	})
}

// toldOf is a node that remembers what it was told of.
type toldOf struct {
	reporting
	topics map[pusherhub.Topic]bool // guarded by mu
}

func (n *toldOf) Roster(r pusherhub.Roster) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.topics[r.Topic] = true
}

func (n *toldOf) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.topics)
}

func (n *toldOf) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.topics)
}

// neverUp cannot connect, and says why.
type neverUp struct {
	cluster.Engine
	handler cluster.Handler
}

func (e *neverUp) Open(h cluster.Handler) error {
	e.handler = h
	return nil
}

func (e *neverUp) Close() error { return nil }

// Why there was never a connection is said, in the log once, and by Ready as it is now. Nobody waits for it.
func TestNeverConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.WarnLevel)
		engine := &neverUp{Engine: cluster.NewBus().Engine()}
		b := startBroker(t, engine, cluster.Options{Logger: zap.New(core)})
		defer func() { _ = b.Close() }()
		engine.handler.Down(errors.New("nobody listens"))
		engine.handler.Down(errors.New("wrong password"))
		began := time.Now()
		if err := b.Subscribe("a", "c"); err != nil || time.Since(began) != 0 {
			t.Errorf("subscribing took %s, %v, expected no wait", time.Since(began), err)
		}
		if err := b.Ready(); err == nil || err.Error() != "cluster: not connected for 0s: wrong password" {
			t.Errorf("found %v", err)
		}
		if logs.Len() != 1 {
			t.Errorf("found %d lines in the log, expected 1", logs.Len())
		}
	})
}

// refuses is connected to a server that refuses some of what it is asked for.
type refuses struct {
	cluster.Engine
	beats, changes, reads atomic.Bool
}

var errRefused = errors.New("no permission")

func (e *refuses) Enter(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	if e.beats.Load() {
		return cluster.Pulse{}, errRefused
	}
	return e.Engine.Enter(ctx, node, ttl)
}

func (e *refuses) Beat(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	if e.beats.Load() {
		return cluster.Pulse{}, errRefused
	}
	return e.Engine.Beat(ctx, node, ttl)
}

func (e *refuses) Apply(ctx context.Context, node string, batch uint64, updates []cluster.Update) ([]pusherhub.Transition, bool, error) {
	if e.changes.Load() {
		return nil, false, errRefused
	}
	return e.Engine.Apply(ctx, node, batch, updates)
}

func (e *refuses) Read(ctx context.Context, topics []pusherhub.Topic) ([]cluster.State, error) {
	if e.reads.Load() {
		return nil, errRefused
	}
	return e.Engine.Read(ctx, topics)
}

// What a connected server refuses for long is in the log, once, with the reason, and so is the end of that.
func TestRefusals(t *testing.T) {
	for name, refused := range map[string]func(*refuses) *atomic.Bool{
		"beats":   func(e *refuses) *atomic.Bool { return &e.beats },
		"changes": func(e *refuses) *atomic.Bool { return &e.changes },
		"reads":   func(e *refuses) *atomic.Bool { return &e.reads },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, logs := observer.New(zapcore.InfoLevel)
				engine := &refuses{Engine: cluster.NewBus().Engine()}
				b := startBroker(t, engine, cluster.Options{Logger: zap.New(core)})
				defer func() { _ = b.Close() }()
				time.Sleep(3 * time.Second)
				refused(engine).Store(true)
				b.Hold(channelTopic("c"), 1)
				b.Follow(channelTopic("c"))
				time.Sleep(5 * time.Second)
				if logs.Len() != 0 {
					t.Errorf("found %v after a moment, expected nothing", logs.All())
				}
				time.Sleep(time.Minute)
				if all := logs.All(); len(all) != 1 || all[0].Level != zapcore.WarnLevel || !strings.Contains(fmt.Sprint(all[0].ContextMap()["error"]), errRefused.Error()) {
					t.Errorf("found %v after a minute, expected a warning with the reason", all)
				}
				if err := b.Ready(); name != "reads" && err == nil { // one topic may be what cannot be read
					t.Error("the node is ready")
				}
				refused(engine).Store(false)
				time.Sleep(5 * time.Second)
				if logs.Len() != 2 {
					t.Errorf("found %v, expected one more line", logs.All())
				}
				if err := b.Ready(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// delivering is a node that counts messages.
type delivering struct {
	reporting
	messages atomic.Int64
}

func (n *delivering) Deliver(*pusherhub.Message) { n.messages.Add(1) }

// What is published while the server does not answer is delivered here, also when no more can wait for it.
func TestPublishWithoutAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewBus()
		engine := bus.Engine()
		b := cluster.New(engine, cluster.Options{SpoolBytes: 10_000})
		node := &delivering{}
		if err := b.Open(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.Close() }()
		if err := b.Subscribe("a", "c"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		bus.Stall(engine)
		began := time.Now()
		for range 100 {
			if err := b.Publish(t.Context(), &pusherhub.Message{App: "a", Channel: "c", Payload: make([]byte, 1000)}); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("found that it took %s, expected 1s: the first that has no room waits", d)
		}
		if found := node.messages.Load(); found != 100 {
			t.Errorf("delivered %d messages, expected 100", found)
		}
		bus.Restore(engine)
	})
}
