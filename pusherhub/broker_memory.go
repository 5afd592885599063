package pusherhub

import (
	"context"
	"sync"
)

// MemoryBroker is the [Broker] of a single node: what is published is delivered
// right here. It needs no other process and keeps nothing.
type MemoryBroker struct {
	mu   sync.RWMutex // held for reading during the node's calls, so that Close waits for them
	node Node         // guarded by mu: nil before Open and after Close
}

// NewMemoryBroker returns a broker for one hub.
func NewMemoryBroker() *MemoryBroker { return new(MemoryBroker) }

// Open connects the broker to its node.
func (b *MemoryBroker) Open(_ context.Context, node Node) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.node = node
	return nil
}

// Publish delivers m on this node.
func (b *MemoryBroker) Publish(_ context.Context, m *Message) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.node == nil {
		return ErrBrokerClosed
	}
	b.node.Deliver(m)
	return nil
}

// Broadcast executes c on this node.
func (b *MemoryBroker) Broadcast(_ context.Context, c Command) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.node == nil {
		return ErrBrokerClosed
	}
	b.node.Execute(c)
	return nil
}

// Close parts the broker from its node.
func (b *MemoryBroker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.node = nil
	return nil
}
