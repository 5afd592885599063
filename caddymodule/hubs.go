package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/caddymodule/replicas"
	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

func init() {
	caddy.RegisterModule(Hubs{})
}

const hubsID = "pusher_hub"

// drainMargin is what a drain may take beyond its time before the exit goes on without it.
const drainMargin = 2 * time.Second

// Hubs is what the `pusher_hub` handlers of one config share. It has no options, and Caddy makes it when
// the first handler asks for it.
//
// Handlers are provisioned in no particular order, so one that joins a hub may come before the
// one that configures it. Therefore the first of them surveys the whole HTTP config, which is still
// there as JSON: from then on it is known which hubs are configured, and where. Each hub is built in the
// Provision of the handler that configures it, so that its guests see that handler's
// server and site; a hub that nobody configures is built by the first handler that asks for it.
// So everything that can be wrong is an error of provisioning, and `caddy validate` finds it.
type Hubs struct {
	// Owned by the goroutine that provisions the config; static once it is started.
	ctx      caddy.Context
	log      *zap.Logger
	surveyed bool
	sites    []site                    // where the handlers of the config are
	hubs     map[string]*configuredHub // by name
	spools   map[string]bool           // see takeSpool
}

// configuredHub is a hub as one config wants it.
type configuredHub struct {
	name   string
	pooled *pooledHub

	// Set when the hub is built; static after the config is provisioned.
	settings *pusherhub.Settings
	declared string           // canonical form of the config
	apps     []*pusherhub.App // the apps that are known without asking
	broker   pusherhub.Broker
	brokerID brokerID
	drain    time.Duration
	platform replicas.Platform   // which may run several replicas
	late     *lateBuilder        // nil without an app source
	source   pusherhub.AppSource // nil if there is none

	once     sync.Once // the settings go live once
	applyErr error     // of that
}

// CaddyModule returns the Caddy module information.
func (Hubs) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  hubsID,
		New: func() caddy.Module { return new(Hubs) },
	}
}

// Provision subscribes to the two events that decide what happens to hubs.
func (h *Hubs) Provision(ctx caddy.Context) error {
	h.ctx, h.log = ctx, ctx.Logger()
	h.hubs = make(map[string]*configuredHub)
	h.spools = make(map[string]bool)
	if err := registerMetrics(ctx); err != nil {
		return fmt.Errorf("registering the metrics: %w", err)
	}
	// php_fpm, if there is one, is to hear of the exit first: its queue workers can finish a job while sockets are drained
	if _, err := ctx.AppIfConfigured("php_fpm"); err != nil && !errors.Is(err, caddy.ErrNotConfigured) {
		return err
	}
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("finding the events app: %w", err)
	}
	for _, name := range []string{"started", "stopping"} {
		if err := events.(*caddyevents.App).On(name, h); err != nil {
			return fmt.Errorf("subscribing to %s: %w", name, err)
		}
	}
	return nil
}

// join returns the hub that handler wants, built if it is this handler's turn to build it.
func (h *Hubs) join(ctx caddy.Context, handler *Handler) (*configuredHub, error) {
	if !h.surveyed {
		sites, err := survey(ctx)
		if err != nil {
			return nil, err
		}
		h.sites, h.surveyed = sites, true
	}
	name := handler.hubName()
	hub := h.hubs[name]
	if hub == nil {
		pooled, err := acquire(name)
		if err != nil {
			return nil, err
		}
		hub = &configuredHub{name: name, pooled: pooled}
		h.hubs[name] = hub
	}

	if !handler.configures() {
		if hub.settings != nil || h.configured(name) {
			return hub, nil
		}
		if name != defaultHub {
			return nil, fmt.Errorf("hub %q is not configured: no pusher_hub block of this config has that name%s", name, h.others())
		}
	}
	declared, err := handler.canonical()
	if err != nil {
		return nil, fmt.Errorf("encoding the config of hub %q: %w", name, err)
	}
	switch {
	case hub.settings == nil:
		hub.declared = declared
		return hub, hub.build(h.forGuests(ctx, name), handler.HubConfig, os.Getenv, h.log)
	case hub.declared != declared:
		// only for a handler that the survey could not see; see conflicts
		return nil, errConflict(name, "", "")
	}
	return hub, nil
}

// configured reports whether some handler of the config configures the hub of that name.
func (h *Hubs) configured(name string) bool {
	return slices.ContainsFunc(h.sites, func(s site) bool { return s.hub == name && s.configures })
}

// others names the hubs that are configured, for the end of an error.
func (h *Hubs) others() string {
	names := make(map[string]bool)
	for _, s := range h.sites {
		if s.configures {
			names[s.hub] = true
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; configured: " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

// Start refuses a config in which a hub was joined and never built.
func (h *Hubs) Start() error {
	for name, hub := range h.hubs {
		if hub.settings == nil {
			return fmt.Errorf("hub %q is joined, but the handler that configures it is not in use", name)
		}
	}
	return nil
}

// Stop does nothing: sockets end in the stopping event if Caddy exits, and with the hub if a
// reload removed it.
func (h *Hubs) Stop() error { return nil }

// Handle reacts to Caddy's own events. Only `started` says that a config is live.
func (h *Hubs) Handle(ctx context.Context, e caddy.Event) error {
	switch e.Name() {
	case "started":
		return h.goLive()
	case "stopping":
		// the last moment at which listeners still accept, so that servers can publish and
		// early clients hear why they have to wait. After it Caddy waits for no hijacked socket.
		if caddy.Exiting() {
			h.boundExit()
			return h.drain(ctx)
		}
	}
	return nil
}

// goLive applies the settings of this config and says in the log what is served.
func (h *Hubs) goLive() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(h.hubs)) {
		hub := h.hubs[name]
		if err := hub.goLive(); err != nil {
			errs = append(errs, err)
			continue
		}
		announce(h.log, hub, h.sites)
	}
	return errors.Join(errs...)
}

// drain closes the sockets of all hubs, has their plugins finish, and returns when that is done or time is up. Listeners, and php-fpm,
// still work: a webhook is answered, and can publish.
func (h *Hubs) drain(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make(chan error, len(h.hubs))
	for name, hub := range h.hubs {
		if !hub.pooled.live.Load() {
			continue
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, hub.drain+drainMargin)
			defer cancel()
			if err := hub.pooled.Drain(ctx); err != nil {
				errs <- fmt.Errorf("draining hub %q: %w", name, err)
			}
			hub.pooled.Finish(ctx)
		})
	}
	all.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

// Cleanup gives back what the config's handlers took. It also runs for configs that failed half way.
func (h *Hubs) Cleanup() error {
	var err error
	for name, hub := range h.hubs {
		if source, ok := hub.source.(io.Closer); ok { // first: what it looks up may still be built
			err = errors.Join(err, source.Close())
		}
		if hub.late != nil {
			hub.late.close()
		}
		err = errors.Join(err, release(name))
	}
	h.hubs = nil
	return err
}

// ready makes a new hub work from its first request on: listeners accept a moment before Caddy says
// `started`. A hub that serves already keeps its settings until then.
func (c *configuredHub) ready() error {
	if c.pooled.live.Load() {
		return nil
	}
	return c.goLive()
}

// goLive applies the settings, once.
func (c *configuredHub) goLive() error {
	c.once.Do(func() {
		if err := c.pooled.apply(c); err != nil {
			c.applyErr = fmt.Errorf("applying the settings of hub %q: %w", c.name, err)
		}
	})
	return c.applyErr
}

// Interface guards
var (
	_ caddy.App           = (*Hubs)(nil)
	_ caddy.Provisioner   = (*Hubs)(nil)
	_ caddy.CleanerUpper  = (*Hubs)(nil)
	_ caddyevents.Handler = (*Hubs)(nil)
)
