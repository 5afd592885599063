package pusherhub

import "time"

// detachAtClose is what plugins get to finish what they have begun when the hub closes. Docker kills 10 s after it asked to
// stop, and a drain may have taken most of that.
const detachAtClose = 2 * time.Second

// slot is a plugin at its place in an app. Settings that change bring another plugin to the same place.
type slot struct {
	place  place
	plugin Plugin
}

type place struct {
	name string
	nth  int // of the app's plugins of that name
}

// slotsOf gives plugins their places.
func slotsOf(plugins []Plugin) []slot {
	slots := make([]slot, 0, len(plugins))
	count := make(map[string]int, len(plugins))
	for _, p := range plugins {
		name := p.Name()
		slots = append(slots, slot{place{name, count[name]}, p})
		count[name]++
	}
	return slots
}

// at returns the plugin at a place, nil if there is none.
func (k hooks) at(p place) Plugin {
	for _, s := range k.slots {
		if s.place == p {
			return s.plugin
		}
	}
	return nil
}

// attach puts the app's plugins to work in place of those of before. The caller holds useMu.
func (s *appState) attach(before, app *App) {
	var old hooks
	if before != nil {
		old = before.hooks
	}
	feeds := s.feeds.Load()
	var list []*feed
	for _, slot := range app.hooks.slots {
		was := old.at(slot.place)
		hook, attaches := slot.plugin.(AttachHook)
		if attaches {
			_ = s.hub.callHook(hook, func() error { hook.OnAttach(app, was); return nil })
		}
		if observer, observes := slot.plugin.(Observer); observes {
			f := feeds.at(slot.place)
			if f != nil && (attaches || was == slot.plugin) {
				f.hand(observer) // with what it is still to be told
			} else {
				f = newFeed(s.hub, slot.place, observer)
			}
			list = append(list, f)
		}
	}
	s.feeds.Store(newFeeds(list))
	for _, slot := range old.slots {
		now := app.hooks.at(slot.place)
		if _, succeeds := now.(AttachHook); !succeeds && now != slot.plugin {
			s.detach(before, slot, feeds.at(slot.place))
		}
	}
}

// inherit takes the plugins over, and what they are still to be told, from the live side that the app had before it was gone, if sockets of
// that one are still closing. It returns the app whose plugins they are, nil if there are none. The caller holds useMu.
func (s *appState) inherit() *App {
	for _, old := range s.hub.before(s) {
		if app := old.bequeath(s); app != nil {
			return app
		}
	}
	return nil
}

// bequeath leaves the plugins, if they are still at work, to the live side that has come in this one's place.
func (s *appState) bequeath(heir *appState) *App {
	s.useMu.Lock()
	defer s.useMu.Unlock()
	app := s.attached.Load()
	if app != nil {
		heir.feeds.Store(s.feeds.Load())
		s.heir.Store(heir)
		s.attached.Store(nil)
	}
	return app
}

// last is the live side that has this one's plugins, which is mostly this one.
func (s *appState) last() *appState {
	for heir := s.heir.Load(); heir != nil; heir = s.heir.Load() {
		s = heir
	}
	return s
}

// detach ends a plugin's work for the app, after it was told everything. done is closed then. Close waits for it.
func (s *appState) detach(app *App, slot slot, f *feed) <-chan struct{} {
	done := make(chan struct{})
	hook, attaches := slot.plugin.(AttachHook)
	if !attaches {
		close(done)
		return done
	}
	s.hub.detaching.Go(func() {
		defer close(done)
		if f != nil {
			f.awaitEnd()
		}
		_ = s.hub.callHook(hook, func() error { hook.OnDetach(s.hub.detachCtx, app); return nil })
	})
	return done
}

// detachAll ends the work of all plugins for the app; each of working is closed when one of them is done. What happens to the app from now on is
// not observed.
func (s *appState) detachAll() (working []<-chan struct{}) {
	s.useMu.Lock()
	defer s.useMu.Unlock()
	app := s.attached.Load()
	if app == nil {
		return nil
	}
	s.attached.Store(nil)
	feeds := s.feeds.Load()
	s.feeds.Store(nil)
	for _, slot := range app.hooks.slots {
		working = append(working, s.detach(app, slot, feeds.at(slot.place)))
	}
	return working
}

// retire detaches the plugins of an app that is gone when its last socket is.
func (s *appState) retire() {
	if s.connections.Load() == 0 {
		s.detachAll()
	}
}
