package ratelimit

import (
	"context"
	"fmt"
	"sync"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Limiter is the plugin. One may work for any number of apps; each has its own counts.
type Limiter struct {
	rules *rules // static

	mu   sync.RWMutex
	apps map[string]*state // guarded by mu
}

// New checks c and makes a plugin of it. It begins nothing.
func New(c Config) (*Limiter, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	l := &Limiter{rules: newRules(c), apps: make(map[string]*state)}
	if l.rules.things == 0 {
		return nil, fmt.Errorf("found no limit, expected one at least, such as per_socket messages")
	}
	return l, nil
}

// Name is rate_limit.
func (l *Limiter) Name() string { return "rate_limit" }

// OnAttach begins to count for an app, or takes over what the plugin in this one's place has counted.
func (l *Limiter) OnAttach(app *pusherhub.App, old pusherhub.Plugin) {
	var taken *state
	if before, ok := old.(*Limiter); ok && before != l {
		taken = before.state(app.ID()) // which before keeps: it may be about to hear of the end of a socket
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if taken == nil {
		taken = l.apps[app.ID()]
	}
	if taken == nil {
		taken = newState()
	}
	taken.rules.Store(l.rules)
	l.apps[app.ID()] = taken
}

// OnDetach forgets the app.
func (l *Limiter) OnDetach(_ context.Context, app *pusherhub.App) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.apps, app.ID())
}

// state returns the counts of an app. One that is not attached any more has none, and nothing is refused.
func (l *Limiter) state(app string) *state {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.apps[app]
}

// OnConnect counts handshakes and connections.
func (l *Limiter) OnConnect(_ context.Context, r *pusherhub.ConnectRequest) error {
	s := l.state(r.App)
	if s == nil {
		return nil
	}
	if err := s.allow(who{ip: r.ClientIP}, demand{handshakes, 1}); err != nil {
		return err
	}
	return s.connect(r)
}

// OnDisconnect counts the connection no more.
func (l *Limiter) OnDisconnect(r *pusherhub.ConnectRequest) {
	if s := l.state(r.App); s != nil {
		s.disconnect(r)
	}
}

// OnMessage counts messages and their bytes.
func (l *Limiter) OnMessage(_ context.Context, r *pusherhub.MessageRequest) error {
	s := l.state(r.App)
	if s == nil {
		return nil
	}
	return s.allow(who{r.SocketID, r.UserID, r.ClientIP}, demand{messages, 1}, demand{messageBytes, r.Size})
}

// OnSubscribe counts subscriptions.
func (l *Limiter) OnSubscribe(_ context.Context, r *pusherhub.SubscribeRequest) error {
	s := l.state(r.App)
	if s == nil {
		return nil
	}
	return s.allow(who{r.SocketID, r.UserID, r.ClientIP}, demand{subscriptions, 1})
}

// OnClientEvent counts client events.
func (l *Limiter) OnClientEvent(_ context.Context, r *pusherhub.ClientEventRequest) error {
	s := l.state(r.App)
	if s == nil {
		return nil
	}
	return s.allow(who{r.SocketID, r.UserID, r.ClientIP}, demand{clientEvents, 1})
}

// OnPublish counts events of the HTTP API.
func (l *Limiter) OnPublish(_ context.Context, r *pusherhub.PublishRequest) error {
	s := l.state(r.App)
	if s == nil {
		return nil
	}
	return s.allow(who{ip: r.ClientIP}, demand{publishes, 1})
}

// Measures returns the refusals by limit, and how much is counted.
func (l *Limiter) Measures() (list []pusherhub.Measure) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for app, s := range l.apps {
		list = s.measures(list, app)
	}
	return list
}

// Interface guards
var (
	_ pusherhub.AttachHook      = (*Limiter)(nil)
	_ pusherhub.ConnectHook     = (*Limiter)(nil)
	_ pusherhub.DisconnectHook  = (*Limiter)(nil)
	_ pusherhub.MessageHook     = (*Limiter)(nil)
	_ pusherhub.SubscribeHook   = (*Limiter)(nil)
	_ pusherhub.ClientEventHook = (*Limiter)(nil)
	_ pusherhub.PublishHook     = (*Limiter)(nil)
	_ pusherhub.Measurer        = (*Limiter)(nil)
)
