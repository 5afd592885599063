package caddymodule

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
)

// The namespaces of guest modules. A guest is a factory: a hub and its sockets outlive the config that
// the guest was written in, so what a guest returns may still be in use after the guest's Cleanup. It must
// not need the guest's caddy.Context; a logger or a client it takes along. The methods below are called once a
// config, after the guest's own Provision and Validate, also for configs that are only checked
// (`caddy validate`) or fail later: they must not dial, start goroutines or write anything.
const (
	// brokersNamespace holds modules that are a [BrokerModule].
	brokersNamespace = "http.pusher_hub.brokers"

	// appsNamespace holds modules that are an [AppSourceModule].
	appsNamespace = "http.pusher_hub.apps"

	// pluginsNamespace holds modules that are a [PluginModule]. Their names are words of
	// the Caddyfile, so a plugin cannot have the name of an option.
	pluginsNamespace = "http.pusher_hub.plugins"
)

// BrokerModule is a guest in the namespace `http.pusher_hub.brokers`.
type BrokerModule interface {
	caddy.Module

	// Broker returns a broker that is not open yet. A reload that leaves the module's JSON as it
	// is keeps the broker that is in use.
	Broker() (pusherhub.Broker, error)
}

// AppSourceModule is a guest in the namespace `http.pusher_hub.apps`.
type AppSourceModule interface {
	caddy.Module

	// AppSource returns the source. It makes every app that it finds with build, which gives
	// the app the defaults and plugins of the hub. It may ask nobody yet, with the exception of files. A source that is an
	// [io.Closer] is closed when its config is gone: the place to let go of connections.
	AppSource(build AppBuilder) (pusherhub.AppSource, error)
}

// AppBuilder makes an app of its JSON form: fills in the hub's defaults, loads the app's own plugins
// and puts the hub's before them. Placeholders are taken literally, since they could have been
// written by somebody who may not read the environment. It may be called
// concurrently, and fails once the config is gone. The guests of an app end when an app of that id is made again.
type AppBuilder func(App) (*pusherhub.App, error)

// fromSourceKey marks the context of guests of apps that a source found.
type fromSourceKey struct{}

// FromAppSource reports whether ctx, which a guest gets in its Provision, is that of an app which an app source found: its
// settings were perhaps written by somebody who may not read this machine's environment and files or reach its private network.
func FromAppSource(ctx caddy.Context) bool { return ctx.Value(fromSourceKey{}) != nil }

// PluginModule is a guest in the namespace `http.pusher_hub.plugins`.
type PluginModule interface {
	caddy.Module

	// Plugin returns the plugin: a value with any of the hooks of package pusherhub, often the module itself.
	Plugin() (pusherhub.Plugin, error)
}

// loadPlugins loads the plugins of a HubConfig or an App, whose field is always PluginsRaw.
func loadPlugins(ctx caddy.Context, of any) ([]pusherhub.Plugin, error) {
	loaded, err := ctx.LoadModule(of, "PluginsRaw")
	if err != nil {
		return nil, fmt.Errorf("loading plugins: %w", err)
	}
	modules, _ := loaded.([]any) // nil if there is none
	plugins := make([]pusherhub.Plugin, 0, len(modules))
	for _, mod := range modules {
		guest, ok := mod.(PluginModule)
		if !ok {
			return nil, notA[PluginModule](mod)
		}
		plugin, err := guest.Plugin()
		if err != nil {
			return nil, fmt.Errorf("making plugin %s: %w", guest.CaddyModule().ID.Name(), err)
		}
		plugins = append(plugins, plugin)
	}
	return plugins, nil
}

// loadAppSource loads the app source, if there is one.
func loadAppSource(ctx caddy.Context, c *HubConfig, build AppBuilder) (pusherhub.AppSource, error) {
	if c.AppSourceRaw == nil {
		return nil, nil
	}
	var named struct {
		Source string `json:"source"`
	}
	if err := json.Unmarshal(c.AppSourceRaw, &named); err == nil && isMissing(appsNamespace+"."+named.Source) {
		return nil, fmt.Errorf("app source '%s' is not in this Caddy: %s", named.Source, howToAdd(appsNamespace+"."+named.Source))
	}
	mod, err := ctx.LoadModule(c, "AppSourceRaw")
	if err != nil {
		return nil, fmt.Errorf("loading app source: %w", err)
	}
	guest, ok := mod.(AppSourceModule)
	if !ok {
		return nil, notA[AppSourceModule](mod)
	}
	source, err := guest.AppSource(build)
	if err != nil {
		return nil, fmt.Errorf("making app source %s: %w", guest.CaddyModule().ID.Name(), err)
	}
	return source, nil
}

// loadBroker loads the broker that the config asks for. The id is the same for two guests that
// would make the same broker; make makes it.
func loadBroker(ctx caddy.Context, c *HubConfig) (id brokerID, make func() (pusherhub.Broker, error), err error) {
	mod, err := ctx.LoadModule(c, "BrokerRaw")
	if err != nil {
		return id, nil, fmt.Errorf("loading broker: %w", err)
	}
	guest, ok := mod.(BrokerModule)
	if !ok {
		return id, nil, notA[BrokerModule](mod)
	}
	// encoded after Provision, so that a new password behind a placeholder counts as a change
	config, err := json.Marshal(mod)
	if err != nil {
		return id, nil, fmt.Errorf("encoding broker: %w", err)
	}
	module := guest.CaddyModule().ID
	return brokerID{module: module, config: sha256.Sum256(config)}, func() (pusherhub.Broker, error) {
		broker, err := guest.Broker()
		if err != nil {
			return nil, fmt.Errorf("making broker %s: %w", module.Name(), err)
		}
		return broker, nil
	}, nil
}

// brokerID identifies what a broker was made of. The config is hashed because it may hold a password.
type brokerID struct {
	module caddy.ModuleID
	config [sha256.Size]byte
}

// notA says that a module in one of our namespaces lacks the namespace's method.
func notA[T any](mod any) error {
	return fmt.Errorf("module %T is in the wrong namespace: it is not a %s", mod, reflect.TypeFor[T]())
}
