package pusherhub

import (
	"context"
	"errors"
	"time"
)

// event is one event of the HTTP API, checked, on its way to its channels.
type event struct {
	name     string
	data     string
	channels []string // without repetition
	except   string   // socket id; empty: none
	info     string   // attributes asked for, comma-separated
}

// errBacklog says that the app's backlog stayed full.
var errBacklog = errors.New("the app's backlog is full")

// publish sends events of a server at clientIP in order. Hooks are asked about all of them before the first is sent.
func (h *Hub) publish(ctx context.Context, state *appState, app *App, clientIP string, events []event) error {
	messages := make([]*Message, 0, len(events))
	observed := state.observed()
	var data []string // of each message, if somebody may ask for it
	bytes := 0
	for _, e := range events {
		for _, channel := range e.channels {
			r, refused := app.hooks.publish(ctx, h, PublishRequest{App: app.ID(), Channel: channel, SocketID: e.except, ClientIP: clientIP, Event: e.name, Data: e.data})
			if refused != nil {
				return refused
			}
			m := &Message{own: true, App: app.ID(), Channel: channel, Event: r.Event, Except: e.except, Payload: eventPayload(r.Event, channel, r.Data)}
			if KindOf(channel).Cache {
				m.Cache, m.CacheUntil = new(r.Data), time.Now().Add(time.Duration(app.cfg.CacheTTL)).UnixMilli()
			}
			messages = append(messages, m)
			if observed {
				data = append(data, r.Data)
			}
			bytes += len(m.Payload)
		}
	}
	if !state.backlog.charge(ctx, bytes) {
		state.counters.publishesOverBacklog.Add(1)
		return errBacklog
	}
	defer state.backlog.settle(bytes) // deliver has charged its own by then
	if err := h.send(ctx, state, messages); err != nil {
		return err
	}
	state.counters.eventsPublished.Add(uint64(len(messages)))
	if observed {
		state.observeUndelivered(ctx, messages, data) // not while a burst waits to be delivered: who observes may take long
	}
	return nil
}

// send hands messages to the broker in order.
func (h *Hub) send(ctx context.Context, state *appState, messages []*Message) error {
	if ch := state.burstChannel(messages); ch != nil && ch.claim() {
		defer ch.run()
	}
	for _, m := range messages {
		if err := h.broker().Publish(ctx, m); err != nil {
			h.publishFailed(m.App, m.Channel, err)
			return err
		}
	}
	return nil
}

// publish asks the publish hooks, each of which sees what the one before made of the event.
func (k hooks) publish(ctx context.Context, h *Hub, r PublishRequest) (PublishRequest, error) {
	if len(k.onPublish) == 0 {
		return r, nil
	}
	asked := new(r) // on the heap only if there is somebody to ask
	for _, hook := range k.onPublish {
		if err := h.callHook(hook, func() error { return hook.OnPublish(ctx, asked) }); err != nil {
			if limit, ok := errors.AsType[*LimitError](err); ok {
				return r, limit
			}
			return r, h.refusal(hook, err, 0, &CloseError{CodeUnauthorized, "The event was refused."})
		}
	}
	r.Event, r.Data = asked.Event, asked.Data
	return r, nil
}

// burstChannel returns the channel that all of several messages go to, if it exists. Such a burst is delivered at once when
// all of it is in the outbox. Messages to different channels are delivered in their order instead.
func (s *appState) burstChannel(messages []*Message) *channel {
	if len(messages) < 2 {
		return nil
	}
	for _, m := range messages[1:] {
		if m.Channel != messages[0].Channel {
			return nil
		}
	}
	return s.channel(messages[0].Channel)
}

// deliver queues a message for the channel's local subscribers.
func (h *Hub) deliver(m *Message) {
	state := h.state(m.App)
	if state == nil {
		return
	}
	var ch *channel
	if m.Cache != nil {
		ch = state.openChannel(m.Channel) // it may have no subscriber yet
		defer state.unpin(ch)
	} else if ch = state.channel(m.Channel); ch == nil {
		return
	}
	billed := len(m.Payload)
	state.backlog.add(billed)
	if ch.accept(state.eventFrame(m), state.conns.find(m.Except), billed, m) {
		ch.run()
	}
}

// eventFrame builds the frame that all subscribers on this node share.
func (s *appState) eventFrame(m *Message) *frame {
	f := newFrame(m.Payload)
	app := s.app.Load()
	if isOn(app.cfg.Compression) {
		f.deflateFrom = max(int(app.cfg.CompressionThreshold), 1)
	}
	if app.conflates(m.Channel) {
		f.replaces = conflationName(m.Channel, m.Event)
	}
	return f
}
