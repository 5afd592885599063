package hubtest_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A broker of a stranger, as it would talk to a bus: everything is serialized, comes back in a goroutine of its
// own, and only if the node is interested.
func TestBroker(t *testing.T) {
	hubtest.TestBroker(t, func(*testing.T) pusherhub.Broker {
		return &busBroker{interest: make(map[string]bool), bus: make(chan string, 16), done: make(chan struct{})}
	})
}

type busBroker struct {
	bus  chan string
	done chan struct{} // closed when the node is called no more

	mu     sync.RWMutex
	closed bool // guarded by mu

	interestMu sync.Mutex
	interest   map[string]bool // guarded by interestMu
}

func (b *busBroker) Open(_ context.Context, node pusherhub.Node) error {
	go func() {
		defer close(b.done)
		for text := range b.bus {
			var e envelope
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				panic(err)
			}
			if e.Message == nil {
				node.Execute(*e.Command)
			} else if b.wants(e.Message) {
				node.Deliver(e.Message)
			}
		}
	}()
	return nil
}

type envelope struct {
	Message *pusherhub.Message
	Command *pusherhub.Command
}

func (b *busBroker) wants(m *pusherhub.Message) bool {
	b.interestMu.Lock()
	defer b.interestMu.Unlock()
	return b.interest[m.App+" "+m.Channel]
}

func (b *busBroker) Publish(_ context.Context, m *pusherhub.Message) error {
	return b.send(envelope{Message: m})
}

func (b *busBroker) Broadcast(_ context.Context, c pusherhub.Command) error {
	return b.send(envelope{Command: &c})
}

func (b *busBroker) send(e envelope) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return pusherhub.ErrBrokerClosed
	}
	b.bus <- string(text)
	return nil
}

func (b *busBroker) Subscribe(app, channel string) error {
	b.interestMu.Lock()
	defer b.interestMu.Unlock()
	b.interest[app+" "+channel] = true
	return nil
}

func (b *busBroker) Unsubscribe(app, channel string) error {
	b.interestMu.Lock()
	defer b.interestMu.Unlock()
	delete(b.interest, app+" "+channel)
	return nil
}

func (b *busBroker) Close() error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.bus)
	}
	b.mu.Unlock()
	<-b.done
	return nil
}
