package pusherhub

import (
	"errors"
	"fmt"
	"runtime/debug"

	"go.uber.org/zap"
)

// hooks are an app's plugins, sorted by what they hook into. An app without plugins has nil slices and
// pays nothing.
type hooks struct {
	onConnect     []ConnectHook
	onSubscribe   []SubscribeHook
	onClientEvent []ClientEventHook
	onPublish     []PublishHook
	observers     []Observer
}

func resolveHooks(plugins []Plugin) (k hooks) {
	for _, p := range plugins {
		if hook, ok := p.(ConnectHook); ok {
			k.onConnect = append(k.onConnect, hook)
		}
		if hook, ok := p.(SubscribeHook); ok {
			k.onSubscribe = append(k.onSubscribe, hook)
		}
		if hook, ok := p.(ClientEventHook); ok {
			k.onClientEvent = append(k.onClientEvent, hook)
		}
		if hook, ok := p.(PublishHook); ok {
			k.onPublish = append(k.onPublish, hook)
		}
		if observer, ok := p.(Observer); ok {
			k.observers = append(k.observers, observer)
		}
	}
	return k
}

// errPanicked is what a hook that panicked answered.
var errPanicked = errors.New("plugin panicked")

// callHook runs one hook and survives its panic.
func (h *Hub) callHook(p Plugin, call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			h.logger().Error("plugin panicked", zap.String("plugin", p.Name()), zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			h.counters.pluginPanics.Add(1)
			err = errPanicked
		}
	}()
	return call()
}

// refusal turns a hook's error into what the client is told: the hook's own words if it chose
// them, otherwise fallback, because other errors may say what is nobody's business.
func (h *Hub) refusal(p Plugin, err error, fallback *CloseError) *CloseError {
	if chosen, ok := errors.AsType[*CloseError](err); ok {
		return chosen
	}
	if !errors.Is(err, errPanicked) {
		h.logger().Error("plugin failed", zap.String("plugin", p.Name()), zap.Error(err))
	}
	return fallback
}

// publishFailed logs an event that the broker did not take.
func (h *Hub) publishFailed(app, channel string, err error) {
	h.logger().Error("publishing", zap.String("app", app), zap.String("channel", channel), zap.Error(fmt.Errorf("broker: %w", err)))
}
