package caddymodule

import (
	"net"

	"github.com/onecharge/pusherhub/caddymodule/replicas"
	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

// watchPlatform looks for other replicas while the hub's broker reaches none. It ends with the hub, not with a config: a
// reload must not begin the wait anew.
func (p *pooledHub) watchPlatform(name string, platform replicas.Platform) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, alone := p.broker.(*pusherhub.MemoryBroker); !alone {
		p.platform.Stop()
		p.platform = nil
	} else if p.platform == nil {
		p.platform = platform.Watch(net.DefaultResolver, func(seen string) {
			caddy.Log().Named(hubsID).Warn("events are lost between replicas", zap.String("hub", name), zap.Error(&pusherhub.ReplicasError{Seen: seen}))
		})
	}
}

// stopWatching ends what watchPlatform began.
func (p *pooledHub) stopWatching() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.platform.Stop()
	p.platform = nil
}

// Replicas is what the platform shows, else what the hub has seen itself.
func (p *pooledHub) Replicas() error {
	p.mu.Lock()
	seen := p.platform.Seen()
	p.mu.Unlock()
	if seen == "" {
		return p.Hub.Replicas()
	}
	return &pusherhub.ReplicasError{Seen: seen}
}

// Stats are those of the hub, with what the platform shows.
func (p *pooledHub) Stats() pusherhub.Stats {
	s := p.Hub.Stats()
	s.ReplicasSuspected = p.Replicas() != nil
	return s
}
