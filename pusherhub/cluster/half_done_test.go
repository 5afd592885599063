package cluster_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
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

func (n *reporting) channels() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(slices.Values(n.list))
}
