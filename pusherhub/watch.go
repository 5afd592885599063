package pusherhub

import (
	"context"
	"errors"
	"sync"
)

// refreshers is how many live apps are looked up at a time when a source goes live.
const refreshers = 8

// watch has the live apps follow the app source of new settings, instead of the one before. The caller holds applyMu.
func (h *Hub) watch(s *Settings) {
	if h.unwatch != nil {
		h.unwatch()
		h.unwatch = nil
	}
	if s.source == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.unwatch = cancel
	h.watching.Go(func() {
		live := liveApps{h, s}
		if _, lists := s.source.(AppLister); !lists { // what the new source says of the apps that the old one found
			h.watching.Go(func() { live.refreshAll(ctx) })
		}
		if watcher, watches := s.source.(AppWatcher); watches {
			watcher.Watch(ctx, live)
		}
	})
}

// stopWatching ends the watch and waits for it. The hub is closed: no other begins.
func (h *Hub) stopWatching() {
	h.applyMu.Lock()
	if h.unwatch != nil {
		h.unwatch()
	}
	h.applyMu.Unlock()
	h.watching.Wait()
}

// liveApps is the hub as the app source of some settings sees it.
type liveApps struct {
	hub      *Hub
	settings *Settings
}

// IDs returns the ids of the apps that are not written in the config and have a live side.
func (l liveApps) IDs() []string {
	var ids []string
	l.hub.eachState(func(s *appState) {
		if l.settings.apps.byID[s.id] == nil {
			ids = append(ids, s.id)
		}
	})
	return ids
}

// Refresh has the live side of an app follow what the source says now.
func (l liveApps) Refresh(ctx context.Context, id string) {
	if l.settings.apps.byID[id] != nil || !l.hub.enter() {
		return
	}
	defer l.hub.leave()
	app, err := l.settings.source.AppByID(ctx, id)
	if l.hub.settings.Load() != l.settings {
		return
	}
	state := l.hub.state(id)
	switch {
	case errors.Is(err, ErrAppNotFound):
		l.hub.dropStates(func(other string) bool { return other == id && l.hub.settings.Load() == l.settings })
	case err != nil:
		l.hub.logLookup(ctx, "id", id, err)
	case state != nil:
		state.use(l.settings, app)
	case app.hooks.attaches():
		l.hub.stateOf(l.settings, app)
	}
}

// refreshAll has every live app follow the source, some at a time: a store that does not answer takes its time for each.
func (l liveApps) refreshAll(ctx context.Context) {
	ids := make(chan string)
	var workers sync.WaitGroup
	for range refreshers {
		workers.Go(func() {
			for id := range ids {
				if ctx.Err() == nil {
					l.Refresh(ctx, id)
				}
			}
		})
	}
	for _, id := range l.IDs() {
		ids <- id
	}
	close(ids)
	workers.Wait()
}
