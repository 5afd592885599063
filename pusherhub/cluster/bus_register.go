package cluster

import (
	"context"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

func (e *busEngine) Enter(ctx context.Context, node string, ttl time.Duration) (Pulse, error) {
	if err := e.begin(ctx); err != nil {
		return Pulse{}, err
	}
	defer e.bus.mu.Unlock()
	return e.bus.register.Enter(time.Now(), node, ttl), nil
}

func (e *busEngine) Beat(ctx context.Context, node string, ttl time.Duration) (Pulse, error) {
	if err := e.begin(ctx); err != nil {
		return Pulse{}, err
	}
	defer e.bus.mu.Unlock()
	return e.bus.register.Beat(time.Now(), node, ttl), nil
}

func (e *busEngine) Resign(ctx context.Context, node string) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.bus.mu.Unlock()
	e.bus.register.Resign(time.Now(), node)
	return nil
}

func (e *busEngine) Apply(ctx context.Context, node string, batch uint64, updates []Update) ([]pusherhub.Transition, bool, error) {
	if err := e.begin(ctx); err != nil {
		return nil, false, err
	}
	made, known := e.bus.register.Apply(time.Now(), node, batch, updates)
	if err := e.answered(); err != nil {
		return nil, false, err
	}
	return made, known, nil
}

func (e *busEngine) Reap(ctx context.Context) ([]pusherhub.Transition, bool, error) {
	if err := e.begin(ctx); err != nil {
		return nil, false, err
	}
	defer e.bus.mu.Unlock()
	made, more := e.bus.register.Reap(time.Now(), reapAtOnce)
	return made, more, nil
}

func (e *busEngine) Read(ctx context.Context, topics []pusherhub.Topic) ([]State, error) {
	if err := e.begin(ctx); err != nil {
		return nil, err
	}
	defer e.bus.mu.Unlock()
	return e.bus.register.Read(time.Now(), topics), nil
}

func (e *busEngine) Count(ctx context.Context, t pusherhub.Topic) (pusherhub.Holding, error) {
	if err := e.begin(ctx); err != nil {
		return pusherhub.Holding{}, err
	}
	defer e.bus.mu.Unlock()
	return e.bus.register.Count(t), nil
}

func (e *busEngine) Channels(ctx context.Context, app, prefix string) (map[string]pusherhub.Holding, error) {
	if err := e.begin(ctx); err != nil {
		return nil, err
	}
	defer e.bus.mu.Unlock()
	return e.bus.register.Channels(app, prefix), nil
}
