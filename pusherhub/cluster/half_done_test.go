package cluster_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// halfDone is an engine whose register does a part of what it is asked for.
type halfDone struct {
	cluster.Engine

	mu     sync.Mutex
	batch  uint64 // guarded by mu: that is refused, as often as it comes
	reaped bool   // guarded by mu
}

func (e *halfDone) Apply(ctx context.Context, node string, batch uint64, updates []cluster.Update) ([]pusherhub.Transition, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.batch == 0 {
		e.batch = batch
	}
	if e.batch == batch {
		return []pusherhub.Transition{{Topic: channelTopic("entered"), Gained: true}}, false, nil
	}
	return e.Engine.Apply(ctx, node, batch, updates)
}

// Beat knows no node, once its batch was refused.
func (e *halfDone) Beat(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	p, err := e.Engine.Beat(ctx, node, ttl)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.batch == 1 && node[len(node)-1] == '0' {
		p.Known = false
	}
	return p, err
}

func (e *halfDone) Reap(context.Context) ([]pusherhub.Transition, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reaped {
		return nil, false, nil
	}
	e.reaped = true
	return []pusherhub.Transition{{Topic: channelTopic("reaped")}}, true, errors.New("the rest was not answered")
}

// What a part of the register has done is reported, once, although the rest was not done.
func TestHalfDone(t *testing.T) {
	node := &reporting{}
	engine := &halfDone{Engine: cluster.NewBus().Engine()}
	b := cluster.New(engine, cluster.Options{Lease: time.Second})
	if err := b.Open(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	b.Hold(channelTopic("held"), 1)
	hubtest.Eventually(t, "all reports", func() bool { return len(node.channels()) >= 3 })
	if found, want := node.channels(), []string{"entered", "held", "reaped"}; !slices.Equal(found, want) {
		t.Errorf("reported %q, expected %q", found, want)
	}
}

// reporting is a node that remembers reports.
type reporting struct {
	ending atomic.Bool // nobody hears of its reports any more

	mu   sync.Mutex
	list []string // guarded by mu
}

func (*reporting) Deliver(*pusherhub.Message) {}

func (*reporting) Execute(pusherhub.Command) {}

func (*reporting) Roster(pusherhub.Roster) {}

func (n *reporting) Report(t pusherhub.Transition) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, t.Channel)
}

func (n *reporting) Reports() bool { return !n.ending.Load() }

func (n *reporting) channels() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(slices.Values(n.list))
}

// What a dead node held stays in the register as long as nobody would hear that it is gone.
func TestReapWhenSomebodyHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewBus()
		node, dead := &reporting{}, bus.Engine()
		node.ending.Store(true)
		for engine, n := range map[cluster.Engine]*reporting{bus.Engine(): node, dead: {}} {
			b := cluster.New(engine, cluster.Options{})
			if err := b.Open(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			if engine == dead {
				b.Hold(channelTopic("held"), 1)
			}
		}
		time.Sleep(time.Minute)
		bus.Cut(dead)
		time.Sleep(time.Minute)
		if found := node.channels(); len(found) > 0 {
			t.Errorf("reported %q, which nobody hears, expected nothing", found)
		}
		node.ending.Store(false)
		time.Sleep(time.Minute)
		if found := node.channels(); !slices.Equal(found, []string{"held"}) {
			t.Errorf("reported %q, expected what the dead node held", found)
		}
	})
}
