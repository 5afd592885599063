package caddymodule

import (
	"sync"
	"sync/atomic"

	"github.com/onecharge/pusherhub/caddymodule/replicas"
	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

// pool holds the hubs of the process under their names. A reload provisions the new config before it
// cleans up the old one, so a hub that both configs have is never without a reference
// and keeps its sockets. The key is the name alone: a change of settings is not a change of hubs.
var pool = caddy.NewUsagePool()

// pooledHub is a hub that outlives configs. It must not keep anything of a config but the settings
// that were applied last.
type pooledHub struct {
	*pusherhub.Hub

	live   atomic.Bool // settings were applied
	labels appLabels   // of its apps, in metrics

	mu       sync.Mutex
	broker   pusherhub.Broker // guarded by mu; of the settings that were applied last
	brokerID brokerID         // guarded by mu
	platform *replicas.Watch  // guarded by mu; nil: it shows nothing, or nobody needs to know
}

// acquire returns the hub of that name and takes a reference, which release gives back.
func acquire(name string) (*pooledHub, error) {
	hub, _, err := pool.LoadOrNew(name, func() (caddy.Destructor, error) {
		return &pooledHub{Hub: pusherhub.New()}, nil
	})
	if err != nil {
		return nil, err
	}
	return hub.(*pooledHub), nil
}

// release gives a reference back. The last one closes the hub.
func release(name string) error {
	_, err := pool.Delete(name)
	return err
}

// Destruct closes the hub: no config has it any more. Close waits some seconds for clients that do not
// answer, which the exit of the process has to do and a reload should not.
func (p *pooledHub) Destruct() error {
	p.stopWatching()
	if caddy.Exiting() {
		return p.Close()
	}
	go func() {
		if err := p.Close(); err != nil {
			caddy.Log().Named(hubsID).Error("closing a hub that is no longer configured", zap.Error(err))
		}
	}()
	return nil
}

// brokerInUse returns the broker of the applied settings if it was made of the same config, so that
// a reload which does not touch the broker does not touch its connections either.
func (p *pooledHub) brokerInUse(id brokerID) pusherhub.Broker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broker == nil || p.brokerID != id {
		return nil
	}
	return p.broker
}

// apply makes settings the hub's.
func (p *pooledHub) apply(c *configuredHub) error {
	if err := p.Apply(c.settings); err != nil {
		return err
	}
	p.mu.Lock()
	p.broker, p.brokerID = c.broker, c.brokerID
	p.mu.Unlock()
	p.watchPlatform(c.name, c.platform)
	p.live.Store(true)
	return nil
}
