package caddymodule

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/onecharge/pusherhub/pusherhub"
)

// HubConfig says what a hub serves. Of the handlers that share a hub, one has to say it.
type HubConfig struct {
	// Apps are the apps of the hub. Default: one app from the environment, unless
	// `app_source` is set.
	Apps []*App `json:"apps,omitempty"`

	// Defaults hold wherever an app leaves an option unset. `id`, `key` and `secret`
	// belong to one app and have no default.
	Defaults pusherhub.AppConfig `json:"defaults,omitzero"`

	// AppSourceRaw finds apps that are not in `apps`. Default: none.
	AppSourceRaw json.RawMessage `json:"app_source,omitempty" caddy:"namespace=http.pusher_hub.apps inline_key=source"`

	// BrokerRaw spreads events to the other machines of a cluster. Default: `memory`, for
	// a single machine; `redis` if the environment variable `REVERB_SCALING_ENABLED` is true.
	BrokerRaw json.RawMessage `json:"broker,omitempty" caddy:"namespace=http.pusher_hub.brokers inline_key=broker"`

	// PluginsRaw are the plugins of every app, called in this order and before an app's own.
	PluginsRaw []json.RawMessage `json:"plugins,omitempty" caddy:"namespace=http.pusher_hub.plugins inline_key=plugin"`

	// Drain is the time over which the sockets are closed, slice by slice, when Caddy
	// exits, so that clients do not all come back at the same moment. Default: `6s`.
	Drain pusherhub.Duration `json:"drain,omitempty"`

	// MaxNodeConnections bounds the sockets of this machine over all apps; a socket above
	// it is refused with 4100. Default: unlimited (-1).
	MaxNodeConnections pusherhub.Limit `json:"max_node_connections,omitempty"`
}

// App is one app of a hub: its options, and the plugins that are for it alone.
type App struct {
	pusherhub.AppConfig

	// PluginsRaw are the plugins of this app, called in this order and after the hub's.
	PluginsRaw []json.RawMessage `json:"plugins,omitempty" caddy:"namespace=http.pusher_hub.plugins inline_key=plugin"`

	// environment is where all of the app comes from; nil for every other app.
	environment environment
}

// configures reports whether any option is set: a handler without one joins a hub.
func (c HubConfig) configures() bool { return !reflect.ValueOf(c).IsZero() }

// canonical returns a text that is equal for equal configs, however they were written. It may
// hold a secret: compare it, never show it.
func (c HubConfig) canonical() (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	// guests are raw JSON until they are loaded: sort their keys, too
	v, err := decodeAny(text)
	if err != nil {
		return "", err
	}
	text, err = json.Marshal(v)
	return string(text), err
}

// decodeAny decodes any JSON without changing its numbers.
func decodeAny(text []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}
