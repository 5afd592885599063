package pusherhub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Disconnect closes sockets on every node, with the app's terminate_code, as the HTTP API's terminate_connections does; by
// default clients then stay away until somebody connects them again. With reconnect it is 4200, and they come back at once. It returns how
// many of this node's sockets it concerned. The error is [ErrAppNotFound], a [*RequestError] or the broker's.
func (h *Hub) Disconnect(ctx context.Context, app string, t Target, reconnect bool) (here int, err error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	err = h.with(ctx, app, func(_ *App, state *appState) error {
		if state != nil {
			for _, c := range state.sockets(t) {
				if !c.isClosing() {
					here++
				}
			}
		}
		return h.broker().Broadcast(ctx, Command{
			Name: CommandDisconnect, App: app, SocketID: t.SocketID, UserID: t.UserID, IP: t.IP, Reconnect: reconnect,
		})
	})
	return here, err
}

// Unsubscribe takes a user's sockets, or one socket, out of one channel on every node. Other members hear of it as if the client
// had left; the client gets pusher:subscription_error with status 403 and nothing more of the channel. It may subscribe again: who is not to come back has to be refused
// by the app's authorization. It returns how many of this node's subscriptions end. Errors are those of [Hub.Disconnect].
func (h *Hub) Unsubscribe(ctx context.Context, app string, t Target, channel string) (here int, err error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	if t.IP != "" {
		return 0, badRequest("found ip, expected socket_id or user: an address cannot be taken out of a channel")
	}
	err = h.with(ctx, app, func(app *App, state *appState) error {
		if problem := app.channelNameProblem(channel); problem != "" {
			return badRequest("channel: found %q: %s", channel, problem)
		}
		if state != nil {
			for _, c := range state.subscribers(t, channel) {
				if c.isOn(channel) {
					here++
				}
			}
		}
		return h.broker().Broadcast(ctx, Command{
			Name: CommandUnsubscribe, App: app.ID(), SocketID: t.SocketID, UserID: t.UserID, Channel: channel,
		})
	})
	return here, err
}

// Event is what [Hub.Publish] publishes.
type Event struct {
	// Name is the event's name, 200 bytes at most.
	Name string

	// Data is what clients get as the event's data.
	Data string

	// Channels are where the event goes, one at least.
	Channels []string

	// SocketID is the one socket that does not get the event. Empty: none.
	SocketID string

	// ClientIP is where the event comes from, for the app's plugins. Empty: not known.
	ClientIP string
}

// Publish publishes an event as the HTTP API does: with the app's limits, plugins and backlog. The error is [ErrAppNotFound] or a
// [*RequestError] with the status that the HTTP API answers.
func (h *Hub) Publish(ctx context.Context, app string, e Event) error {
	if !h.enter() {
		return ErrHubClosed
	}
	defer h.leave()
	s := h.settings.Load()
	found, err := s.appFor(ctx, app)
	if err != nil {
		return err
	}
	if !found.enabled() {
		return &RequestError{Status: http.StatusForbidden, Reason: errAppDisabled.Reason}
	}
	p := problems{app: found}
	checked := p.eventOf(e.members(), "")
	if bad := p.answer(); bad != nil {
		return bad.request()
	}
	if bad := publishRefusal(h.publish(ctx, h.stateOf(s, found), found, e.ClientIP, []event{checked})); bad != nil {
		return bad.request()
	}
	return nil
}

// members gives an event the form of a request's body.
func (e Event) members() map[string][]byte {
	channels := []byte{'['}
	for i, name := range e.Channels {
		if i > 0 {
			channels = append(channels, ',')
		}
		channels = appendString(channels, name)
	}
	m := map[string][]byte{"name": appendString(nil, e.Name), "data": appendString(nil, e.Data), "channels": append(channels, ']')}
	if e.SocketID != "" {
		m["socket_id"] = appendString(nil, e.SocketID)
	}
	return m
}

// request gives an answer of the HTTP API the form of an error.
func (e *apiError) request() *RequestError {
	return &RequestError{Status: e.status, Reason: e.text, RetryAfter: time.Duration(e.retryAfter) * time.Second}
}

// with calls do with an app, and with its live side unless it has none, while the hub cannot close.
func (h *Hub) with(ctx context.Context, appID string, do func(*App, *appState) error) error {
	if !h.enter() {
		return ErrHubClosed
	}
	defer h.leave()
	if state := h.state(appID); state != nil {
		return do(state.app.Load(), state)
	}
	app, err := h.settings.Load().appFor(ctx, appID)
	if err != nil {
		return err
	}
	return do(app, nil)
}

// appFor finds an app for whoever runs the hub. Without settings there is none.
func (s *Settings) appFor(ctx context.Context, id string) (*App, error) {
	if s == nil {
		return nil, ErrAppNotFound
	}
	app, err := s.appByID(ctx, id, false)
	if err != nil && !errors.Is(err, ErrAppNotFound) {
		err = fmt.Errorf("looking up app %q: %w", id, err)
	}
	return app, err
}

// execute carries out a command on this node's sockets.
func (h *Hub) execute(c Command) {
	state := h.state(c.App)
	if state == nil {
		return
	}
	t := Target{SocketID: c.SocketID, UserID: c.UserID, IP: c.IP}
	switch c.Name {
	case CommandTerminate:
		state.disconnect(Target{UserID: c.UserID}, false)
	case CommandDisconnect:
		state.disconnect(t, c.Reconnect)
	case CommandUnsubscribe:
		for _, target := range state.subscribers(t, c.Channel) {
			target.oust(c.Channel)
		}
	}
}

// disconnect closes the target's sockets.
func (s *appState) disconnect(t Target, reconnect bool) {
	app := s.app.Load()
	for _, c := range s.sockets(t) {
		if reconnect {
			c.close(errAskedBack)
		} else {
			c.close(&CloseError{app.cfg.TerminateCode, textTerminated})
		}
	}
}

// subscribers returns the sockets that are to leave a channel if they are on it. On a presence channel, what it knows counts, too.
func (s *appState) subscribers(t Target, channel string) []*conn {
	list := s.sockets(t)
	if ch := s.channel(channel); ch != nil && t.UserID != "" {
		for _, c := range ch.socketsOf(t.UserID) {
			if !slices.Contains(list, c) {
				list = append(list, c)
			}
		}
	}
	return list
}

// isOn reports whether the socket is subscribed to a channel and not on its way out. Anybody may ask.
func (c *conn) isOn(channel string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closing && c.subs.get(channel) != nil
}
