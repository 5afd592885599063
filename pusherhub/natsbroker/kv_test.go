package natsbroker

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/cluster/enginetest"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// The same suite, with the register in JetStream.
func TestEngineJetStream(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, func(o *server.Options) { o.JetStream, o.StoreDir = true, dir })
	var parts atomic.Int64
	enginetest.TestEngine(t, func(*testing.T) enginetest.Harness {
		options := s.broker(fmt.Sprint("kv", parts.Add(1)))
		options.JetStream = JetStreamOn
		restart := func() { s.stop(); s.start() }
		return enginetest.Harness{
			Engine: func(*testing.T) cluster.Engine { return newEngine(options) },
			Forget: restart,
		}
	})
}

// Without a word about it, the register is in JetStream where the server has that, and with the nodes where it has not.
func TestJetStreamAuto(t *testing.T) {
	dir := t.TempDir()
	for _, has := range []bool{true, false} {
		s := startServer(t, func(o *server.Options) { o.JetStream, o.StoreDir = has, dir })
		options := s.broker("auto")
		options.JetStream = JetStreamAuto
		e := newEngine(options)
		if err := e.Open(silent{}); err != nil {
			t.Fatal(err)
		}
		var chosen register
		hubtest.Eventually(t, "a register", func() bool {
			var err error
			_, chosen, err = e.current()
			return err == nil
		})
		if _, found := chosen.(*kvRegister); found != has {
			t.Errorf("JetStream %t: found the register %T", has, chosen)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A bucket that another cluster has made, or a person, is not used: nobody would hear of its changes.
func TestJetStreamForeignBucket(t *testing.T) {
	s := startServer(t, withJetStream(t))
	first, second := s.broker("foreign.bucket"), s.broker("foreign_bucket") // the name of a bucket has no dots
	first.JetStream, second.JetStream = JetStreamOn, JetStreamOn
	a := newHolder(t, first, "a", channel("x"))
	b := newMember(t, second, nil, "b")
	if _, err := b.engine.Enter(t.Context(), b.node, ttl); err == nil || !strings.Contains(err.Error(), "choose another prefix") {
		t.Errorf("found the error %v, expected one that says what to do", err)
	}
	r := a.register()
	config := r.stream.CachedInfo().Config
	config.Description = "changed by hand"
	if _, err := r.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	newMember(t, first, nil, "c").enter()
}

// A node with JetStream complains about others that keep the register themselves, and takes nothing of what they say of it.
func TestJetStreamElsewhere(t *testing.T) {
	s := startServer(t, withJetStream(t))
	core, logs := observer.New(zap.ErrorLevel)
	options := s.broker("elsewhere")
	without := newMember(t, options, nil, "without")
	options.JetStream, options.Cluster.Logger = JetStreamOn, zap.New(core)
	with := newMember(t, options, nil, "with")
	with.subscribe("x")
	without.enter()
	without.hold("x", 1)
	without.eventually("sends", func(ctx context.Context) error {
		_, err := without.engine.Send(ctx, []cluster.Post{{Topic: channel("x"), Data: []byte("after")}})
		return err
	})
	hubtest.Eventually(t, "what was sent afterwards comes", func() bool { with.mu.Lock(); defer with.mu.Unlock(); return len(with.received) == 1 })
	if held := with.seen("x", "without"); held != 0 {
		t.Errorf("found %d of a register that is another one", held)
	}
	hubtest.Eventually(t, "a complaint", func() bool { return logs.FilterMessageSnippet("expected the same jetstream").Len() == 1 })
	with.mu.Lock()
	defer with.mu.Unlock()
	if with.ups != 1 {
		t.Errorf("found %d connections, expected one", with.ups)
	}
}

// A topic that does not fit into a message of the server keeps nothing else from being entered, and fits again when it is smaller.
func TestJetStreamTooLarge(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, func(o *server.Options) { o.JetStream, o.StoreDir, o.MaxPayload = true, dir, 16<<10 })
	options := s.broker("large")
	options.JetStream = JetStreamOn
	small, large := pusherhub.Topic{App: "app", Channel: "small"}, pusherhub.Topic{App: "app", Channel: "presence-large"}
	m := newHolder(t, options, "a-0", large)
	member := func(user string, info int) cluster.MemberUpdate {
		return cluster.MemberUpdate{Member: pusherhub.Member{UserID: user, Info: bytes.Repeat([]byte("1"), info), Since: 1}}
	}
	for batch, updates := range [][]cluster.Update{
		{{Topic: large, Members: []cluster.MemberUpdate{member("first", 1)}}},
		{{Topic: large, Members: []cluster.MemberUpdate{member("second", 32<<10)}}, {Topic: small, Count: 1, Counted: true}},
		{{Topic: large, Members: []cluster.MemberUpdate{member("third", 32<<10)}}},
		{{Topic: large, Members: []cluster.MemberUpdate{member("fourth", 1)}}},
	} {
		if _, known, err := m.engine.Apply(t.Context(), m.node, uint64(batch+1), updates); err != nil || !known {
			t.Fatalf("batch %d: known %t, %v", batch, known, err)
		}
	}
	states, err := m.engine.Read(t.Context(), []pusherhub.Topic{small, large})
	if err != nil {
		t.Fatal(err)
	}
	if len(states[0].Entries) != 1 || len(states[1].Entries) != 2 {
		t.Errorf("found %v, expected one entry and two", states)
	}
	if expected := []string{"second", "third"}; !slices.Equal(m.leftOut, expected) {
		t.Errorf("found that %q were left out, expected %q", m.leftOut, expected)
	}
}

// What tells of the end of many members fits into the messages of a server that takes small ones only.
func TestJetStreamReapLarge(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, func(o *server.Options) { o.JetStream, o.StoreDir, o.MaxPayload = true, dir, 16<<10 })
	options := s.broker("reaped")
	options.JetStream = JetStreamOn
	m := newMember(t, options, nil, "a-0")
	if _, err := m.engine.Enter(t.Context(), m.node, ttl); err != nil {
		t.Fatal(err)
	}
	large := pusherhub.Topic{App: "app", Channel: "presence-large"}
	for i := range 300 {
		_, known, err := m.engine.Apply(t.Context(), m.node, uint64(i+1), []cluster.Update{{Topic: large, Members: []cluster.MemberUpdate{
			{Member: pusherhub.Member{UserID: fmt.Sprint("user", i), Since: 1}},
		}}})
		if err != nil || !known {
			t.Fatalf("member %d: known %t, %v", i, known, err)
		}
	}
	if err := m.engine.Resign(t.Context(), m.node); err != nil {
		t.Fatal(err)
	}
	var made []pusherhub.Transition
	for more := true; more; {
		reaped, again, err := m.engine.Reap(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		made, more = append(made, reaped...), again
	}
	holding, err := m.engine.Count(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	if holding.Members != 0 || len(made) != 300 {
		t.Errorf("found %d transitions with %d members left, expected 300 and none", len(made), holding.Members)
	}
}

// silent is a handler that nobody listens to.
type silent struct{}

func (silent) Up()                                    {}
func (silent) Down(error)                             {}
func (silent) Receive([]byte)                         {}
func (silent) Change(cluster.Change)                  {}
func (silent) LeftOut(pusherhub.Topic, string, error) {}
func (silent) Ignored()                               {}
