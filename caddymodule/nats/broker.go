package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/natsbroker"
	"go.uber.org/zap"
)

// embedded is a broker on a server of this process, which runs from Open to Close.
type embedded struct {
	*cluster.Broker

	config *Embed // validated
	log    *zap.Logger
	closed chan struct{} // closed when Close begins
	once   sync.Once     // closes it

	mu     sync.Mutex
	server *server // guarded by mu; nil before Open and after Close
}

func newEmbedded(config *Embed, o natsbroker.Options, log *zap.Logger) (*embedded, error) {
	b := &embedded{config: config, log: log, closed: make(chan struct{})}
	o.InProcess = b
	o.JetStream = natsbroker.JetStreamOff
	broker, err := natsbroker.New(o)
	if err != nil {
		return nil, err
	}
	b.Broker = broker
	return b, nil
}

// Open starts the server and opens the broker on it.
func (b *embedded) Open(ctx context.Context, node pusherhub.Node) error {
	s, err := acquire(b.config, b.log)
	if err != nil {
		return fmt.Errorf("starting the embedded nats-server: %w", err)
	}
	b.mu.Lock()
	b.server = s
	b.mu.Unlock()
	if err := b.Broker.Open(ctx, node); err != nil {
		return errors.Join(err, b.releaseServer())
	}
	return nil
}

// Close closes the broker, then the server.
func (b *embedded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return errors.Join(b.Broker.Close(), b.releaseServer())
}

// Ready says why the server does not start, or what the broker on it says.
func (b *embedded) Ready() error {
	b.mu.Lock()
	s := b.server
	b.mu.Unlock()
	if s != nil {
		if why := s.trouble(); why != nil {
			return fmt.Errorf("nats: the embedded nats-server cannot start: %w", why)
		}
	}
	return b.Broker.Ready()
}

// releaseServer gives the server back, once.
func (b *embedded) releaseServer() error {
	b.mu.Lock()
	s := b.server
	b.server = nil
	b.mu.Unlock()
	if s == nil {
		return nil
	}
	return release(b.config)
}

// InProcessConn connects the broker to the server.
func (b *embedded) InProcessConn() (net.Conn, error) {
	b.mu.Lock()
	s := b.server
	b.mu.Unlock()
	if s == nil {
		return nil, errNotUp
	}
	return s.connect(b.closed)
}

var (
	_ pusherhub.RosterBroker = (*embedded)(nil)
	_ pusherhub.ReadyBroker  = (*embedded)(nil)
)
