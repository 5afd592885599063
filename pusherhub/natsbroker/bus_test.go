package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// slowMember does not take what it receives until it may.
type slowMember struct {
	*member
	may chan struct{}
}

func (s slowMember) Receive(data []byte) {
	<-s.may
	s.member.Receive(data)
}

// TestSlowConsumer floods a node that does not read: it must not miss something without knowing it.
func TestSlowConsumer(t *testing.T) {
	s := startServer(t, nil)
	m := &member{t: t, engine: newEngine(s.broker("slow")), node: "slow", entries: make(map[string]int)}
	slow := slowMember{m, make(chan struct{})}
	if err := m.engine.Open(slow); err != nil {
		t.Fatalf("opening the engine: %v", err)
	}
	t.Cleanup(m.close)
	m.subscribe("x")
	nc, err := nats.Connect(s.url())
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	defer nc.Close()
	data := frame{kind: kindPost, body: []byte("x")}.encode()
	for range waiting + 1000 {
		if err := nc.Publish(subjects{"slow"}.topic(channel("x")), data); err != nil {
			t.Fatalf("publishing: %v", err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatalf("publishing: %v", err)
	}
	l, _, _ := m.engine.current()
	if l != nil {
		select {
		case <-l.ctx.Done():
		case <-time.After(hubtest.Patience):
			t.Fatal("found that messages were dropped and the connection lasts")
		}
	}
	close(slow.may)
	hubtest.Eventually(t, "there is a new connection", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.up && m.ups == 2 })
	if !errors.Is(m.why, nats.ErrSlowConsumer) {
		t.Errorf("found the reason %v, expected %v", m.why, nats.ErrSlowConsumer)
	}
}

// TestSubscribeAcrossServers subscribes at one server of a cluster and sends at another one at once.
func TestSubscribeAcrossServers(t *testing.T) {
	one, two, _ := cluster2(t)
	a, b := newMember(t, one.broker("two"), nil, "a"), newMember(t, two.broker("two"), nil, "b")
	for i := range 300 {
		topic := channel(fmt.Sprint("x", i))
		b.subscribe(topic.Channel)
		post := cluster.Post{Topic: topic, Data: []byte(topic.Channel)}
		if _, err := a.engine.Send(context.Background(), []cluster.Post{post}); err != nil {
			t.Fatalf("sending: %v", err)
		}
	}
	hubtest.Eventually(t, "all is received", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.received) == 300 })
}

// cluster2 starts two servers with a route between them that can be cut.
func cluster2(t *testing.T) (one, two *natsServer, route *hubtest.Proxy) {
	t.Helper()
	port := freePort(t)
	one = startServer(t, func(o *server.Options) {
		o.ServerName = "one"
		o.Cluster = server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port, NoAdvertise: true}
	})
	route = hubtest.NewProxy(t, fmt.Sprint("127.0.0.1:", port))
	two = startServer(t, func(o *server.Options) {
		o.ServerName = "two"
		o.Cluster = server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: freePort(t), NoAdvertise: true}
		o.Routes = server.RoutesFromStr("nats-route://" + route.Address())
	})
	hubtest.Eventually(t, "the servers find each other", func() bool { return one.server.NumRoutes() > 0 && two.server.NumRoutes() > 0 })
	return one, two, route
}

// TestLearntServer stops the only server that a node was told of, with a user in the URL: it goes on with the other one of the cluster, as the same user, and comes
// back to that when it was restarted.
func TestLearntServer(t *testing.T) {
	port := freePort(t)
	login := func(o *server.Options) {
		o.Username, o.Password = "user", "right"
		o.Cluster = server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port}
	}
	one := startServer(t, login)
	two := startServer(t, func(o *server.Options) {
		login(o)
		o.Cluster.Port = freePort(t)
		o.Routes = server.RoutesFromStr(fmt.Sprint("nats-route://127.0.0.1:", port))
	})
	hubtest.Eventually(t, "the servers find each other", func() bool { return one.server.NumRoutes() > 0 && two.server.NumRoutes() > 0 })
	o := one.broker("learnt")
	o.Servers = []string{strings.Replace(one.url(), "://", "://user:right@", 1)}
	m := newMember(t, o, nil, "a")
	l, _, err := m.engine.current()
	if err != nil {
		t.Fatal(err)
	}
	hubtest.Eventually(t, "the node learns of the other server", func() bool { return len(l.nc.DiscoveredServers()) > 0 })
	one.stop()
	hubtest.Eventually(t, "the node is connected to the other server", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.up && m.ups == 2 })
	two.stop()
	hubtest.Eventually(t, "the connection is lost", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return !m.up })
	two.start()
	hubtest.Eventually(t, "the node is connected to it again", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.up && m.ups == 3 })
}

// TestSplit cuts a cluster in two, lets both halves go on, and heals it.
func TestSplit(t *testing.T) {
	one, two, route := cluster2(t)
	var members []*member
	for i, s := range []*natsServer{one, two, one, two} {
		m := newMember(t, s.broker("split"), nil, fmt.Sprint("node", i))
		m.enter()
		m.hold("x", i+1)
		members = append(members, m)
	}
	agreed := func() bool {
		for _, m := range members {
			if c := m.claim(); c.Leader == "" || c.Standby == "" || c != members[0].claim() {
				return false
			}
		}
		return true
	}
	hubtest.Eventually(t, "all follow one leader, and one stands by", agreed)
	route.Cut()
	hubtest.Eventually(t, "each half has a leader", func() bool {
		c, d := members[0].claim(), members[1].claim()
		return c.Leader != "" && d.Leader != "" && c.Leader != d.Leader &&
			members[2].claim().Leader == c.Leader && members[3].claim().Leader == d.Leader
	})
	for i, m := range members {
		m.beatAgain()
		m.hold("x", 10+i)
	}
	route.Restore()
	hubtest.Eventually(t, "all follow one leader again", agreed)
	hubtest.Eventually(t, "the register has what all hold", func() bool {
		for _, m := range members {
			m.beatAgain()
		}
		members[0].reap()
		for _, m := range members {
			held := m.holders("x")
			if len(held) != len(members) {
				return false
			}
			for i, other := range members {
				if held[other.node] != 10+i {
					return false
				}
			}
		}
		return true
	})
}

// TestLeaderBackAlone cuts the leader off, and its link, too, so that it goes on alone when that is back, after another member took its place: that one counts when
// they are together again, and those who followed it keep what they have.
func TestLeaderBackAlone(t *testing.T) {
	one, two, route := cluster2(t)
	var members []*member
	for i, s := range []*natsServer{one, two, two} {
		name := fmt.Sprint("node", i)
		o := s.broker("alone")
		m := &member{t: t, engine: newEngine(o), node: name, entries: make(map[string]int)}
		if i == 0 {
			m.link = hubtest.NewProxy(t, strings.TrimPrefix(s.url(), "nats://"))
			m.engine.options.Servers = []string{"nats://" + m.link.Address()}
		}
		m.engine.council.id = name // in the order in which they would win if nothing else counted
		if err := m.engine.Open(m); err != nil {
			t.Fatalf("opening the engine: %v", err)
		}
		t.Cleanup(m.close)
		m.enter()
		members = append(members, m)
	}
	leader, standby, other := members[0], members[1], members[2]
	leads := func(who *member, of ...*member) func() bool {
		return func() bool {
			return !slices.ContainsFunc(of, func(m *member) bool { c := m.claim(); return c.Leader != who.id() || c.Standby == "" && len(of) > 1 })
		}
	}
	hubtest.Eventually(t, "all follow one leader, and one stands by", leads(leader, members...))
	route.Cut()
	leader.link.Cut()
	hubtest.Eventually(t, "the standby takes over", leads(standby, standby, other))
	other.hold("x", 1)
	leader.link.Restore()
	hubtest.Eventually(t, "the old leader is back", func() bool { leader.mu.Lock(); defer leader.mu.Unlock(); return leader.ups == 2 })
	leader.beat() // it goes on alone
	route.Restore()
	hubtest.Eventually(t, "all follow one leader again", leads(standby, members...))
	p := other.beat()
	other.mu.Lock()
	defer other.mu.Unlock()
	if !p.Known || other.ups != 1 {
		t.Errorf("found that a node that followed the right leader is known: %t, and has connected %d times, expected once", p.Known, other.ups)
	}
}

// TestRefusedSaid expects that a node that is never let in says why, without the password.
func TestRefusedSaid(t *testing.T) {
	s := startServer(t, func(o *server.Options) { o.Username, o.Password = "user", "right" })
	o := s.broker("refused")
	o.User, o.Password = "user", "wr0ng"
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(t.Context(), nowhere{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	hubtest.Eventually(t, "the reason", func() bool {
		err := b.Ready()
		if err != nil && strings.Contains(err.Error(), "wr0ng") {
			t.Fatalf("found the password in %q", err)
		}
		return errors.Is(err, nats.ErrAuthorization)
	})
}

// nowhere is a node that nothing is done with.
type nowhere struct{}

func (nowhere) Deliver(*pusherhub.Message) {}

func (nowhere) Execute(pusherhub.Command) {}

func (nowhere) Roster(pusherhub.Roster) {}

func (nowhere) Report(pusherhub.Transition) {}

func (nowhere) Reports() bool { return true }

// TestRefusedConnection expects an error that says why, without the password.
func TestRefusedConnection(t *testing.T) {
	s := startServer(t, func(o *server.Options) { o.Username, o.Password = "user", "right" })
	o := s.broker("refused")
	o.User, o.Password = "user", "wr0ng"
	e := newEngine(o)
	m := &member{t: t, engine: e, entries: make(map[string]int)}
	if err := e.Open(m); err != nil {
		t.Fatalf("opening the engine: %v", err)
	}
	t.Cleanup(m.close)
	hubtest.Eventually(t, "the error says why", func() bool {
		err := e.Subscribe(context.Background(), []pusherhub.Topic{channel("x")})
		if err != nil && strings.Contains(err.Error(), "wr0ng") {
			t.Fatalf("found the password in %q", err)
		}
		return errors.Is(err, nats.ErrAuthorization)
	})
}
