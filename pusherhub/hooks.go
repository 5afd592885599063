package pusherhub

import (
	"errors"
	"fmt"
	"runtime/debug"

	"go.uber.org/zap"
)

// hooks are an app's plugins, sorted by what they hook into. An app without plugins has nil slices and
// pays nothing. Observers are reached through the feeds of the app's live side.
type hooks struct {
	slots         []slot
	onConnect     []connectHook
	onDisconnect  []disconnectHook
	onMessage     []MessageHook
	onSubscribe   []SubscribeHook
	onClientEvent []ClientEventHook
	onPublish     []PublishHook
}

// connectHook and disconnectHook know the place in the order of plugins, so that a refusal is told to those
// who had agreed before it.
type connectHook struct {
	ConnectHook
	index int
}

type disconnectHook struct {
	DisconnectHook
	index int
}

func resolveHooks(plugins []Plugin) (k hooks) {
	if len(plugins) == 0 {
		return k
	}
	k.slots = slotsOf(plugins)
	for i, p := range plugins {
		if hook, ok := p.(ConnectHook); ok {
			k.onConnect = append(k.onConnect, connectHook{hook, i})
		}
		if hook, ok := p.(DisconnectHook); ok {
			k.onDisconnect = append(k.onDisconnect, disconnectHook{hook, i})
		}
		if hook, ok := p.(MessageHook); ok {
			k.onMessage = append(k.onMessage, hook)
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
	}
	return k
}

// attaches reports whether any of the plugins wants to know that the app goes live.
func (k hooks) attaches() bool {
	for _, s := range k.slots {
		if _, ok := s.plugin.(AttachHook); ok {
			return true
		}
	}
	return false
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

// refusal turns a hook's error into what the client is told: limitCode and the reason if there is too much of something, the
// hook's own words if it chose them, otherwise fallback, because other errors may say what is nobody's business.
func (h *Hub) refusal(p Plugin, err error, limitCode int, fallback *CloseError) *CloseError {
	if limit, ok := errors.AsType[*LimitError](err); ok {
		return &CloseError{limitCode, limit.Error()}
	}
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
