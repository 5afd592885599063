package caddymodule

import (
	"context"
	"errors"
	"sync"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
)

// lateBuilder makes apps while the config runs. The guests of each app live in a context of their own, because Caddy's
// bookkeeping of a config's modules is not safe for concurrent use, and only grows. They end when the app is made anew: there
// are at most as many contexts as the source has found apps.
type lateBuilder struct {
	maker appMaker

	// Static: the context of which those of the apps are made.
	ctx    caddy.Context
	cancel context.CancelFunc

	mu   sync.Mutex
	ends map[string]context.CancelFunc // guarded by mu: of the guests of each app, by its id; nil once the config is gone
}

func newLateBuilder(ctx caddy.Context, maker appMaker) *lateBuilder {
	ctx.Context = context.WithValue(ctx.Context, fromSourceKey{}, true)
	late := &lateBuilder{maker: maker, ends: make(map[string]context.CancelFunc)}
	late.ctx, late.cancel = caddy.NewContext(ctx)
	return late
}

// build is the [AppBuilder] that app sources get.
func (l *lateBuilder) build(app App) (*pusherhub.App, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ends == nil {
		return nil, errors.New("the config of this app source is no longer in use")
	}
	ctx, end := l.ctx, func() {}
	if len(app.PluginsRaw) > 0 {
		ctx, end = caddy.NewContext(l.ctx)
	}
	made, err := l.maker.fromSource(ctx, app)
	if err != nil {
		end()
		return nil, err
	}
	if before := l.ends[made.ID()]; before != nil {
		before()
	}
	l.ends[made.ID()] = end
	return made, nil
}

// close ends the guests that build loaded.
func (l *lateBuilder) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range l.ends {
		end()
	}
	l.ends = nil
	l.cancel()
}
