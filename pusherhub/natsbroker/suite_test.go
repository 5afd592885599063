package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// suiteLease is the lease in the suite. A leader that is silent for three tenths of it is replaced, so it must not be as short as a busy machine may stand still.
const suiteLease = 3 * time.Second

// parts numbers the clusters that share a server.
var parts atomic.Int64

// crowd is the nodes of one cluster of the suite. Each has a link of its own to the server.
type crowd struct {
	options Options
	target  string
	forgets func() // what else has to forget
	nodes   map[pusherhub.Broker]*crowdNode
	away    atomic.Bool // the server, for brokers that are opened, too
}

// crowdNode is the way of one node to the server.
type crowdNode struct {
	crowd  *crowd
	link   *hubtest.Proxy
	engine *engine
	forget atomic.Bool // its copy of the register
}

// InProcessConn implements [nats.InProcessConnProvider]. It is called by who uses the council while there is no connection.
func (n *crowdNode) InProcessConn() (net.Conn, error) {
	if !n.crowd.away.Load() && n.forget.Swap(false) {
		c := n.engine.council
		c.lead, c.stand, c.missed = nil, nil, false
		c.view.mu.Lock()
		c.view.known, c.view.hadLast, c.view.seen = false, false, 0
		c.view.mu.Unlock()
	}
	return net.Dial("tcp", n.link.Address())
}

func newCrowd(s *natsServer, jetStream string) *crowd {
	o := s.broker(fmt.Sprint("suite", parts.Add(1)))
	o.JetStream, o.Cluster.Lease = jetStream, suiteLease
	return &crowd{options: o, target: strings.TrimPrefix(s.url(), "nats://"), forgets: func() {}, nodes: make(map[pusherhub.Broker]*crowdNode)}
}

func (c *crowd) open(t *testing.T) pusherhub.Broker {
	t.Helper()
	n := &crowdNode{crowd: c, link: hubtest.NewProxy(t, c.target)}
	o := c.options
	o.InProcess = n
	n.engine = newEngine(o)
	b := cluster.New(n.engine, o.Cluster)
	if c.nodes[b] = n; c.away.Load() {
		n.link.Cut()
	}
	return b
}

// setAway cuts all links, or restores them.
func (c *crowd) setAway(away bool) {
	c.away.Store(away)
	for _, n := range c.nodes {
		if away {
			n.link.Cut()
		} else {
			n.link.Restore()
		}
	}
}

// forget has every node connect again without what it knew of the register.
func (c *crowd) forget() {
	away := c.away.Load()
	c.setAway(true)
	for _, n := range c.nodes {
		n.forget.Store(true)
	}
	c.forgets()
	c.setAway(away)
}

func (c *crowd) cluster() hubtest.Cluster {
	return hubtest.Cluster{
		Open:    c.open,
		Lease:   suiteLease,
		Kill:    func(b pusherhub.Broker) { c.nodes[b].link.Cut() },
		Pause:   func(b pusherhub.Broker) { c.nodes[b].link.Stall() },
		Resume:  func(b pusherhub.Broker) { c.nodes[b].link.Restore() },
		Cut:     func() { c.setAway(true) },
		Restore: func() { c.setAway(false) },
		Forget:  c.forget,
	}
}

// The register is kept by the nodes.
func TestBrokers(t *testing.T) {
	s := startServer(t, nil)
	hubtest.TestCluster(t, func(*testing.T) hubtest.Cluster { return newCrowd(s, JetStreamOff).cluster() })
}

// The register is in JetStream.
func TestBrokersJetStream(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, func(o *server.Options) { o.JetStream, o.StoreDir = true, dir })
	nc, err := nats.Connect(s.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	hubtest.TestCluster(t, func(t *testing.T) hubtest.Cluster {
		c := newCrowd(s, JetStreamOn)
		c.forgets = func() {
			err := js.DeleteStream(context.Background(), "KV_"+c.options.Prefix)
			if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				t.Fatalf("deleting the bucket: %v", err)
			}
		}
		return c.cluster()
	})
}

func TestBroker(t *testing.T) {
	dir := t.TempDir()
	for _, jetStream := range []string{JetStreamOff, JetStreamOn} {
		t.Run("jetstream "+jetStream, func(t *testing.T) {
			s := startServer(t, func(o *server.Options) { o.JetStream, o.StoreDir = true, dir })
			hubtest.TestBroker(t, func(t *testing.T) pusherhub.Broker { return newCrowd(s, jetStream).open(t) })
		})
	}
}
