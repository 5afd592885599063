package pusherhub

import (
	"errors"
	"fmt"
)

// ReadyBroker is a [Broker] that knows whether it reaches the other nodes.
type ReadyBroker interface {
	Broker

	// Ready is nil while what is published here reaches the other nodes and the other way round, and says why not
	// otherwise. It answers at once.
	Ready() error
}

var (
	errNoSettings  = errors.New("it has no settings yet")
	errHubDraining = errors.New("it is shutting down: sockets are sent to other servers")
)

// Ready is nil while the hub takes new sockets and, in a cluster, reaches the other nodes. Otherwise it says why a load balancer should
// send clients elsewhere. It answers at once.
func (h *Hub) Ready() error {
	if h.settings.Load() == nil {
		return errNoSettings
	}
	if h.draining.Load() {
		return errHubDraining
	}
	if err := h.brokerReady(); err != nil {
		return fmt.Errorf("the broker: %w", err)
	}
	return nil
}

// brokerReady is nil unless the broker says that it is not ready.
func (h *Hub) brokerReady() error {
	if b := h.current.Load(); b != nil {
		if broker, ok := (*b).(ReadyBroker); ok {
			return broker.Ready()
		}
	}
	return nil
}
