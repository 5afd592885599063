package redisbroker

import (
	"fmt"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/cluster/enginetest"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// engineOf returns what makes engines of these options.
func engineOf(o Options) func(t *testing.T) cluster.Engine {
	return func(t *testing.T) cluster.Engine {
		t.Helper()
		e, err := NewEngine(o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}

func TestSuite(t *testing.T) {
	server := startRedis(t)
	enginetest.TestEngine(t, func(t *testing.T) enginetest.Harness {
		server.do("flushall")
		p := hubtest.NewProxy(t, server.address())
		return enginetest.Harness{
			Engine:  engineOf(Options{Addresses: []string{p.Address()}}),
			Cut:     p.Cut,
			Restore: p.Restore,
			Forget:  func() { forget(server) },
		}
	})
}

func TestSuiteOnCluster(t *testing.T) {
	inBothModes(t, testSuiteOnCluster)
}

func testSuiteOnCluster(t *testing.T, unsharded bool) {
	servers, addresses := startCluster(t, 0)
	tests := 0
	enginetest.TestEngine(t, func(*testing.T) enginetest.Harness {
		for _, s := range servers {
			s.do("flushall")
		}
		tests++ // what is still on its way from master to master is of the test before
		return enginetest.Harness{
			Engine: engineOf(Options{Addresses: addresses, Cluster: true, Prefix: fmt.Sprintf("test%d:", tests), unsharded: unsharded}),
			Forget: func() { forget(servers...) },
		}
	})
}

// forget empties servers and ends their connections.
func forget(servers ...*redisServer) {
	for _, s := range servers {
		s.do("flushall")
	}
	for _, s := range servers {
		s.do("client", "kill", "type", "normal")
		s.do("client", "kill", "type", "pubsub")
	}
}

// brokerOf returns a broker that reaches the server through a proxy of its own.
func brokerOf(t *testing.T, server *redisServer, lease time.Duration) (*cluster.Broker, *hubtest.Proxy) {
	t.Helper()
	p := hubtest.NewProxy(t, server.address())
	b, err := New(Options{Addresses: []string{p.Address()}, Broker: cluster.Options{Lease: lease}})
	if err != nil {
		t.Fatal(err)
	}
	return b, p
}

func TestBroker(t *testing.T) {
	server := startRedis(t)
	hubtest.TestBroker(t, func(t *testing.T) pusherhub.Broker {
		server.do("flushall")
		b, _ := brokerOf(t, server, 0)
		return b
	})
}

func TestBrokers(t *testing.T) {
	server := startRedis(t)
	const lease = 2 * time.Second
	hubtest.TestCluster(t, func(t *testing.T) hubtest.Cluster {
		server.do("flushall")
		proxies := make(map[pusherhub.Broker]*hubtest.Proxy)
		away := false // the server, for brokers that are opened, too
		all := func(do func(*hubtest.Proxy), cut bool) {
			away = cut
			for _, p := range proxies {
				do(p)
			}
		}
		return hubtest.Cluster{
			Open: func(t *testing.T) pusherhub.Broker {
				b, p := brokerOf(t, server, lease)
				if proxies[b] = p; away {
					p.Cut()
				}
				return b
			},
			Lease:   lease,
			Kill:    func(b pusherhub.Broker) { proxies[b].Cut() },
			Pause:   func(b pusherhub.Broker) { proxies[b].Cut() },
			Resume:  func(b pusherhub.Broker) { proxies[b].Restore() },
			Cut:     func() { all((*hubtest.Proxy).Cut, true) },
			Restore: func() { all((*hubtest.Proxy).Restore, false) },
			Forget:  func() { forget(server) },
		}
	})
}
