package redisbroker

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// listener notes what an engine calls.
type listener struct {
	mu       sync.Mutex
	up       bool
	ups      int
	downs    []error // the ends of connections
	received []string
	changes  []cluster.Change
	ignored  int
}

func (l *listener) Up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = true
	l.ups++
}

func (l *listener) Down(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up {
		l.downs = append(l.downs, err)
	}
	l.up = false
}

func (l *listener) Receive(data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received = append(l.received, string(data))
}

func (l *listener) Change(c cluster.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, c)
}

func (l *listener) LeftOut(pusherhub.Topic, string, error) {}

func (l *listener) Ignored() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ignored++
}

// has waits until something is true of what was noted.
func (l *listener) has(t testing.TB, what string, check func() bool) {
	t.Helper()
	hubtest.Eventually(t, what, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return check()
	})
}

// open opens an engine and waits for its connection.
func open(t testing.TB, o Options) (*Engine, *listener) {
	t.Helper()
	e, l := openOnly(t, o)
	l.has(t, "the engine is connected", func() bool { return l.up })
	return e, l
}

// openOnly opens an engine.
func openOnly(t testing.TB, o Options) (*Engine, *listener) {
	t.Helper()
	e, err := NewEngine(o)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{}
	if err := e.Open(l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, l
}

func channel(name string) pusherhub.Topic { return pusherhub.Topic{App: "app:1", Channel: name} }

func counted(name string, count int) cluster.Update {
	return cluster.Update{Topic: channel(name), Counted: true, Count: count}
}

func member(user string) cluster.MemberUpdate {
	return cluster.MemberUpdate{Member: pusherhub.Member{UserID: user, Info: []byte(`{"name":"x"}`), Since: time.Now().UnixNano()}}
}

// enter gives a node a long lease.
func enter(t testing.TB, e *Engine, node string) cluster.Pulse {
	t.Helper()
	pulse, err := e.Enter(context.Background(), node, time.Minute)
	if err != nil || !pulse.Known {
		t.Fatalf("entering: %+v, %v", pulse, err)
	}
	return pulse
}

// apply applies a batch of a node that is known.
func apply(t testing.TB, e *Engine, node string, batch uint64, updates ...cluster.Update) []pusherhub.Transition {
	t.Helper()
	made, known, err := e.Apply(context.Background(), node, batch, updates)
	if err != nil || !known {
		t.Fatalf("applying: known %v, %v", known, err)
	}
	return made
}

// reapAll reaps until there is nothing left to reap.
func reapAll(t testing.TB, e *Engine) (made []pusherhub.Transition) {
	t.Helper()
	for more := true; more; {
		some, again, err := e.Reap(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		made, more = append(made, some...), again
	}
	return made
}
