package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onecharge/pusherhub/caddymodule/replicas"
	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

// defaultDrain leaves room for php-fpm within the 10 s after which Docker kills.
const defaultDrain = 6 * time.Second

// build makes the settings of a hub of its config. It loads guests and reads placeholders and
// the environment, but dials nobody: the hub opens its broker when the settings go live.
func (c *configuredHub) build(ctx caddy.Context, cfg HubConfig, env environment, log *zap.Logger) error {
	settings, err := c.settingsOf(ctx, cfg, env, log.With(zap.String("hub", c.name)))
	if err != nil {
		return fmt.Errorf("hub %q: %w", c.name, err)
	}
	c.settings = settings
	return nil
}

func (c *configuredHub) settingsOf(ctx caddy.Context, cfg HubConfig, env environment, log *zap.Logger) (*pusherhub.Settings, error) {
	if d := cfg.Defaults; d.ID != "" || d.Key != "" || d.Secret != "" || d.PreviousSecrets != nil {
		return nil, errors.New("defaults: found id, key or secret, which belong to one app: move them into apps")
	}
	defaults, err := resolve(cfg.Defaults)
	if err != nil {
		return nil, fmt.Errorf("defaults: %w", err)
	}
	plugins, err := loadPlugins(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	maker := appMaker{defaults: defaults, plugins: plugins}

	for _, app := range cfg.Apps {
		made, err := maker.fromConfig(ctx, *app)
		if err != nil {
			return nil, err
		}
		c.apps = append(c.apps, made)
	}
	if len(c.apps) == 0 && cfg.AppSourceRaw == nil {
		made, err := maker.fromEnvironment(env)
		if err != nil {
			return nil, err
		}
		c.apps = append(c.apps, made)
	}
	listed := slices.Clip(c.apps)

	if cfg.AppSourceRaw != nil {
		c.late = newLateBuilder(ctx, maker)
	}
	source, err := loadAppSource(ctx, &cfg, c.late.build)
	if err != nil {
		return nil, err
	}
	c.source = source
	if lister, ok := source.(pusherhub.AppLister); ok {
		if c.apps, err = withSource(c.apps, lister); err != nil {
			return nil, err
		}
	}

	if cfg.BrokerRaw, err = brokerConfig(cfg.BrokerRaw, env); err != nil {
		return nil, err
	}
	id, makeBroker, err := loadBroker(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	c.brokerID = id
	if c.broker = c.pooled.brokerInUse(id); c.broker == nil {
		if c.broker, err = makeBroker(); err != nil {
			return nil, err
		}
	}

	c.platform = replicas.On(env.value)
	c.drain = time.Duration(cfg.Drain)
	if c.drain == 0 {
		c.drain = defaultDrain
	}
	return pusherhub.NewSettings(pusherhub.Config{
		Apps:           listed,
		AppSource:      source,
		Broker:         c.broker,
		Drain:          pusherhub.Duration(c.drain),
		MaxConnections: cfg.MaxNodeConnections,
		Logger:         log,
	})
}

// withSource returns the apps that are known without asking. In one config, no two can have the same id or key; a source that
// finds other apps later on comes second.
func withSource(apps []*pusherhub.App, source pusherhub.AppLister) ([]*pusherhub.App, error) {
	all := slices.Concat(apps, source.Apps())
	if _, err := pusherhub.NewStaticApps(all...); err != nil {
		return nil, err
	}
	if _, static := source.(*pusherhub.StaticApps); static && len(all) == 0 {
		return nil, errors.New("apps static: found no app, expected app <id> { ... } in its block or beside it")
	}
	return all, nil
}

// brokerConfig returns the JSON of the broker to load if the config names none.
func brokerConfig(configured json.RawMessage, env environment) (json.RawMessage, error) {
	if configured != nil {
		return configured, nil
	}
	scaling, err := env.boolean("REVERB_SCALING_ENABLED")
	if err != nil {
		return nil, err
	}
	if scaling == nil || !*scaling {
		return json.RawMessage(`{"broker":"memory"}`), nil
	}
	if redis := brokersNamespace + ".redis"; isMissing(redis) {
		return nil, fmt.Errorf("REVERB_SCALING_ENABLED is true, but this Caddy is built without the redis broker: %s; "+
			"or, for a single machine, unset REVERB_SCALING_ENABLED or write 'broker memory'", howToAdd(redis))
	}
	return json.RawMessage(`{"broker":"redis"}`), nil
}

// ownGuests are the packages of this repository that bring guests which are not in every build, by the guests' module IDs.
var ownGuests = map[string]string{
	brokersNamespace + ".redis": "redis",
	brokersNamespace + ".nats":  "nats",
	appsNamespace + ".http":     "httpapps",
	appsNamespace + ".sql":      "sqlapps",
}

// howToAdd says how a guest of this repository gets into the build.
func howToAdd(id string) string {
	return "add it with xcaddy build --with github.com/onecharge/pusherhub/caddymodule/" + ownGuests[id]
}

// isMissing reports whether a guest is one of this repository that this build lacks.
func isMissing(id string) bool {
	_, err := caddy.GetModule(id)
	return err != nil && ownGuests[id] != ""
}

// appMaker makes the apps of one hub. Immutable.
type appMaker struct {
	defaults pusherhub.AppConfig
	plugins  []pusherhub.Plugin
}

// fromConfig makes an app that is written in the config, placeholders and all.
func (m appMaker) fromConfig(ctx caddy.Context, app App) (*pusherhub.App, error) {
	cfg, err := resolve(app.AppConfig)
	if err != nil {
		return nil, fmt.Errorf("app %q: %w", app.ID, err)
	}
	app.AppConfig = cfg
	return m.fromSource(ctx, app)
}

// fromSource makes an app that a source found.
func (m appMaker) fromSource(ctx caddy.Context, app App) (*pusherhub.App, error) {
	if app.environment != nil {
		return m.fromEnvironment(app.environment)
	}
	own, err := loadPlugins(ctx, &app)
	if err != nil {
		return nil, fmt.Errorf("app %q: %w", app.ID, err)
	}
	cfg := app.WithDefaults(m.defaults)
	cfg.Plugins = slices.Concat(m.plugins, own)
	return pusherhub.NewApp(cfg)
}

// fromEnvironment makes the app of the environment.
func (m appMaker) fromEnvironment(env environment) (*pusherhub.App, error) {
	cfg, err := env.app(m.defaults)
	if err != nil {
		return nil, err
	}
	cfg.Plugins = m.plugins
	return pusherhub.NewApp(cfg)
}
