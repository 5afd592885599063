package webhooks

import (
	"context"
	"fmt"
	"sync"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Name is the plugin's name.
const Name = "webhooks"

// New returns the plugin: a [pusherhub.Observer], or, with a spool, a [pusherhub.KeepingObserver]. Both are a [pusherhub.AttachHook]
// and a [pusherhub.Measurer]. It begins nothing; that happens when an app is attached. The plugin may stand in
// several apps. The error names every option that is wrong.
func New(cfg Config) (pusherhub.Plugin, error) {
	s, err := newSettings(cfg)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	p := &plugin{settings: s, outboxes: make(map[string]*outbox)}
	if s.spool != "" {
		return &keeper{p}, nil
	}
	return p, nil
}

// plugin keeps events in memory.
type plugin struct {
	settings *settings

	mu       sync.Mutex
	outboxes map[string]*outbox // guarded by mu; by app
}

// keeper is the plugin with a spool.
type keeper struct {
	*plugin
}

// Keep stores what is to be told about the observations, see [pusherhub.KeepingObserver].
func (k *keeper) Keep(ctx context.Context, batch []pusherhub.Observation) {
	if len(batch) == 0 {
		return
	}
	if o := k.outbox(batch[0].App); o != nil {
		o.tell(ctx, batch)
	}
}

// Name returns "webhooks".
func (*plugin) Name() string { return Name }

// Observe queues what is to be told about the observation, see [pusherhub.Observer].
func (p *plugin) Observe(observation pusherhub.Observation) {
	if o := p.outbox(observation.App); o != nil {
		o.tell(context.Background(), []pusherhub.Observation{observation})
	}
}

// OnAttach begins the work for an app, or goes on with what old has begun, see [pusherhub.AttachHook].
func (p *plugin) OnAttach(app *pusherhub.App, old pusherhub.Plugin) {
	was := pluginOf(old)
	if was == nil {
		p.begin(app)
		return
	}
	o := was.outbox(app.ID())
	switch {
	case o == nil:
		o = newOutbox(app, p.settings, nil)
	case o.settings.Load().spool == p.settings.spool:
		o.use(app, p.settings)
		o.wakeAll()
	default:
		o = newOutbox(app, p.settings, o)
	}
	p.put(app.ID(), o) // was keeps what it has: it may be about to be told one thing more
}

// OnDetach sends what is held and queued until ctx ends, and ends the work for the app, see [pusherhub.AttachHook].
func (p *plugin) OnDetach(ctx context.Context, app *pusherhub.App) {
	if o := p.give(app.ID()); o != nil {
		o.detach(ctx)
	}
}

// outbox returns the app's outbox; nil: the app is not attached.
func (p *plugin) outbox(app string) *outbox {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outboxes[app]
}

// put has the plugin work with that outbox.
func (p *plugin) put(app string, o *outbox) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outboxes[app] = o
	o.belongTo(p)
}

// begin has the plugin work for an app for which nobody did. If it did itself, the app was gone for a moment, and the
// OnDetach of its life before is still to come: the work goes on.
func (p *plugin) begin(app *pusherhub.App) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.outboxes[app.ID()]; o != nil && o.liveOn(p) {
		o.use(app, p.settings)
		return
	}
	o := newOutbox(app, p.settings, nil)
	p.outboxes[app.ID()] = o
	o.belongTo(p)
}

// give takes the app's outbox out of the plugin; nil: there is none to be ended.
func (p *plugin) give(app string) *outbox {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.outboxes[app]
	if o == nil || o.outlives() {
		return nil
	}
	delete(p.outboxes, app)
	return o
}

// pluginOf returns what is inside of a plugin that New made; nil: it is of somebody else.
func pluginOf(p pusherhub.Plugin) *plugin {
	switch p := p.(type) {
	case *plugin:
		return p
	case *keeper:
		return p.plugin
	}
	return nil
}
