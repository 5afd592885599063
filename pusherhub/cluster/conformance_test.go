package cluster_test

import (
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// harness has a suite's brokers on one bus.
type harness struct {
	bus *cluster.Bus

	mu      sync.Mutex
	engines map[pusherhub.Broker]cluster.Engine // guarded by mu: of the nodes that live
	away    bool                                // guarded by mu: between Cut and Restore
}

const lease = time.Second

func (h *harness) open(*testing.T) pusherhub.Broker {
	h.mu.Lock()
	defer h.mu.Unlock()
	engine := h.bus.Engine()
	if h.away {
		h.bus.Cut(engine)
	}
	b := cluster.New(engine, cluster.Options{Lease: lease})
	h.engines[b] = engine
	return b
}

func (h *harness) kill(b pusherhub.Broker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bus.Cut(h.engines[b])
	delete(h.engines, b)
}

func (h *harness) pause(b pusherhub.Broker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bus.Stall(h.engines[b])
}

func (h *harness) resume(b pusherhub.Broker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bus.Restore(h.engines[b])
}

func (h *harness) setAway(away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = away
	for _, engine := range h.engines {
		if away {
			h.bus.Cut(engine)
		} else {
			h.bus.Restore(engine)
		}
	}
}

func TestCluster(t *testing.T) {
	hubtest.TestCluster(t, func(*testing.T) hubtest.Cluster {
		h := &harness{bus: cluster.NewBus(), engines: make(map[pusherhub.Broker]cluster.Engine)}
		return hubtest.Cluster{
			Open: h.open, Lease: lease, Kill: h.kill, Pause: h.pause, Resume: h.resume,
			Cut: func() { h.setAway(true) }, Restore: func() { h.setAway(false) }, Forget: h.bus.Forget,
		}
	})
}

// One node keeps the promises of every broker, too.
func TestBroker(t *testing.T) {
	hubtest.TestBroker(t, func(*testing.T) pusherhub.Broker {
		return cluster.New(cluster.NewBus().Engine(), cluster.Options{Lease: lease})
	})
}
