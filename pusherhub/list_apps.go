package pusherhub

import "context"

// AppInfo is what can be told of an app to anybody who runs the hub: no secrets.
type AppInfo struct {
	ID          string `json:"id"`
	Key         string `json:"key"`
	Enabled     bool   `json:"enabled"`
	Connections int64  `json:"connections"` // on this node, those being established included
	Channels    int    `json:"channels"`    // on this node, with a subscriber or a cached event
}

// Apps lists, by id, the apps that are configured and those of a source that were used on this node. next is the
// After of the next page, empty if there is none. The error is a [*RequestError].
func (h *Hub) Apps(p Page) (list []AppInfo, next string, err error) {
	page, err := newPage[*App](p)
	if err != nil {
		return nil, "", err
	}
	live := make(map[string]bool)
	h.eachState(func(s *appState) {
		live[s.id] = true
		page.offer(s.id, s.app.Load())
	})
	if s := h.settings.Load(); s != nil {
		apps, _ := s.listed()
		for _, app := range apps {
			if !live[app.ID()] {
				page.offer(app.ID(), app)
			}
		}
	}
	apps, next := page.entries()
	list = make([]AppInfo, len(apps))
	for i, app := range apps {
		list[i] = app.info(h.state(app.ID()))
	}
	return list, next, nil
}

// App tells of one app. The error is [ErrAppNotFound] or that of the app's source.
func (h *Hub) App(ctx context.Context, id string) (info AppInfo, err error) {
	err = h.with(ctx, id, func(app *App, state *appState) error {
		info = app.info(state)
		return nil
	})
	return info, err
}

// info tells of the app and its live side, which is nil if it has none.
func (a *App) info(s *appState) AppInfo {
	info := AppInfo{ID: a.ID(), Key: a.Key(), Enabled: a.enabled()}
	if s == nil {
		return info
	}
	info.Connections = s.connections.Load()
	for i := range s.channels {
		sh := &s.channels[i]
		sh.mu.RLock()
		info.Channels += len(sh.channels)
		sh.mu.RUnlock()
	}
	return info
}
