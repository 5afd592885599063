package natsbroker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// ttl is a lease that ends only when a node is gone for long.
const ttl = testLease * 4 / 5

// member is a node of a cluster, with a link to the server that can be cut.
type member struct {
	t      *testing.T
	engine *engine
	link   *hubtest.Proxy
	node   string
	batch  uint64
	names  int
	holds  map[string]int // by channel

	mu       sync.Mutex
	up       bool
	ups      int
	why      error
	received []string
	entries  map[string]int // what the changes say of counts, by topic and node
}

func newMember(t *testing.T, o Options, link *hubtest.Proxy, name string) *member {
	t.Helper()
	m := openMember(t, o, link, name)
	m.expectUp()
	return m
}

// openMember opens a member that may never come up.
func openMember(t *testing.T, o Options, link *hubtest.Proxy, name string) *member {
	t.Helper()
	if link != nil {
		o.Servers = []string{"nats://" + link.Address()}
	}
	m := &member{t: t, engine: newEngine(o), link: link, node: name, entries: make(map[string]int)}
	if err := m.engine.Open(m); err != nil {
		t.Fatalf("opening the engine: %v", err)
	}
	t.Cleanup(m.close)
	return m
}

func (m *member) expectUp() {
	m.t.Helper()
	hubtest.Eventually(m.t, m.node+" is up", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.up })
}

// expectRefused waits until the member cannot connect because of that, and returns all that is said about it.
func (m *member) expectRefused(why string) (says string) {
	m.t.Helper()
	hubtest.Eventually(m.t, fmt.Sprintf("%s is refused: %s", m.node, why), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		if !m.up && m.why != nil {
			says = m.why.Error()
		}
		return strings.Contains(says, why)
	})
	return says
}

func (m *member) close() {
	if err := m.engine.Close(); err != nil {
		m.t.Errorf("closing the engine: %v", err)
	}
}

func (m *member) Up() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.up, m.ups = true, m.ups+1
}

func (m *member) Down(why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.up, m.why = false, why
}

func (m *member) Receive(data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.received = append(m.received, string(data))
}

func (m *member) Change(c cluster.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, entry := range c.Entries {
		m.entries[fmt.Sprint(c.Topic.Channel, " ", entry.Node)] = entry.Count
	}
	for _, entry := range c.Gone {
		delete(m.entries, fmt.Sprint(c.Topic.Channel, " ", entry.Node))
	}
}

func (m *member) LeftOut(_ pusherhub.Topic, user string, why error) {
	m.t.Errorf("found that %q was left out: %s", user, why)
}

func (m *member) Ignored() {}

func (m *member) seen(channel, node string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.entries[channel+" "+node]
}

// eventually does something with a register that may be away for a moment, until it succeeds.
func (m *member) eventually(what string, do func(ctx context.Context) error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*hubtest.Patience)
	defer cancel()
	hubtest.Eventually(m.t, m.node+": "+what, func() bool { return do(ctx) == nil })
}

func (m *member) enter() (p cluster.Pulse) {
	m.t.Helper()
	m.eventually("enters", func(ctx context.Context) (err error) { p, err = m.engine.Enter(ctx, m.node, ttl); return err })
	return p
}

func (m *member) beat() (p cluster.Pulse) {
	m.t.Helper()
	m.eventually("beats", func(ctx context.Context) (err error) { p, err = m.engine.Beat(ctx, m.node, ttl); return err })
	return p
}

func (m *member) hold(name string, count int) (made []pusherhub.Transition, known bool) {
	m.t.Helper()
	m.batch++
	if m.holds == nil {
		m.holds = make(map[string]int)
	}
	m.holds[name] = count
	updates := []cluster.Update{{Topic: channel(name), Counted: true, Count: count}}
	m.eventually("applies", func(ctx context.Context) (err error) {
		made, known, err = m.engine.Apply(ctx, m.node, m.batch, updates)
		return err
	})
	return made, known
}

func (m *member) subscribe(name string) {
	m.t.Helper()
	m.eventually("subscribes", func(ctx context.Context) error {
		return m.engine.Subscribe(ctx, []pusherhub.Topic{channel(name)})
	})
}

func (m *member) reap() (made []pusherhub.Transition) {
	m.t.Helper()
	m.eventually("reaps", func(ctx context.Context) (err error) { made, _, err = m.engine.Reap(ctx); return err })
	return made
}

// holders returns who holds how much of a channel, as the register has it.
func (m *member) holders(name string) (holders map[string]int) {
	m.t.Helper()
	m.eventually("reads", func(ctx context.Context) error {
		states, err := m.engine.Read(ctx, []pusherhub.Topic{channel(name)})
		if err != nil {
			m.beatAgain()
			return err
		}
		holders = make(map[string]int)
		for _, entry := range states[0].Entries {
			holders[entry.Node] = entry.Count
		}
		return nil
	})
	return holders
}

// beatAgain does what a broker does all the time: it says that it lives, and enters again, with all that it holds, if it is not known.
func (m *member) beatAgain() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	p, err := m.engine.Beat(ctx, m.node, ttl)
	if err != nil || p.Known {
		return
	}
	m.names++
	name, _, _ := strings.Cut(m.node, "/")
	m.node = fmt.Sprint(name, "/", m.names)
	_, _ = m.engine.Enter(ctx, m.node, ttl)
	for name, count := range m.holds {
		m.hold(name, count)
	}
}

// claim returns who leads, as the member sees it.
func (m *member) claim() claim {
	c, known, _ := m.engine.council.view.current()
	if !known {
		return claim{}
	}
	return c
}

func (m *member) id() string { return m.engine.council.id }

func channel(name string) pusherhub.Topic { return pusherhub.Topic{App: "app", Channel: name} }
