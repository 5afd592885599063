package natsbroker

import (
	"context"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// Enter implements [cluster.Engine].
func (e *engine) Enter(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	_, r, err := e.current()
	if err != nil {
		return cluster.Pulse{}, err
	}
	return r.Enter(ctx, node, ttl)
}

// Beat implements [cluster.Engine].
func (e *engine) Beat(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	_, r, err := e.current()
	if err != nil {
		return cluster.Pulse{}, err
	}
	return r.Beat(ctx, node, ttl)
}

// Resign implements [cluster.Engine].
func (e *engine) Resign(ctx context.Context, node string) error {
	_, r, err := e.current()
	if err != nil {
		return err
	}
	return r.Resign(ctx, node)
}

// Apply implements [cluster.Engine].
func (e *engine) Apply(ctx context.Context, node string, batch uint64, updates []cluster.Update) (made []pusherhub.Transition, known bool, err error) {
	_, r, err := e.current()
	if err != nil {
		return nil, false, err
	}
	return r.Apply(ctx, node, batch, updates)
}

// Reap implements [cluster.Engine].
func (e *engine) Reap(ctx context.Context) (made []pusherhub.Transition, more bool, err error) {
	_, r, err := e.current()
	if err != nil {
		return nil, false, err
	}
	return r.Reap(ctx)
}

// Read implements [cluster.Engine].
func (e *engine) Read(ctx context.Context, topics []pusherhub.Topic) ([]cluster.State, error) {
	_, r, err := e.current()
	if err != nil {
		return nil, err
	}
	return r.Read(ctx, topics)
}

// Count implements [cluster.Engine].
func (e *engine) Count(ctx context.Context, t pusherhub.Topic) (pusherhub.Holding, error) {
	_, r, err := e.current()
	if err != nil {
		return pusherhub.Holding{}, err
	}
	return r.Count(ctx, t)
}

// Channels implements [cluster.Engine].
func (e *engine) Channels(ctx context.Context, app, prefix string) (map[string]pusherhub.Holding, error) {
	_, r, err := e.current()
	if err != nil {
		return nil, err
	}
	return r.Channels(ctx, app, prefix)
}
