package pusherhub

import "time"

// observe tells the app's observers what happened, without waiting for any. App and time are filled in.
func (s *appState) observe(o Observation) {
	feeds := s.observers()
	if feeds == nil {
		return
	}
	o.App, o.Time = s.id, time.Now()
	for _, f := range feeds.list {
		f.add(o)
	}
}

func (c *conn) observe(o Observation) { c.state.observe(o) }

// observers returns the feeds of those who observe the app, nil if nobody does.
func (s *appState) observers() *feeds {
	feeds := s.feeds.Load()
	if feeds == nil {
		return nil
	}
	return s.last().feeds.Load()
}

// observed reports whether anybody observes the app.
func (s *appState) observed() bool { return s.observers() != nil }

// awaitRoom waits until every observer that keeps what it is told has room for more. The caller is about to do something that is
// observed and holds no lock.
func (s *appState) awaitRoom() {
	if feeds := s.observers(); feeds != nil {
		for _, f := range feeds.keeping {
			f.awaitRoom()
		}
	}
}

// awaitKept waits until what was observed so far is kept by those who keep it. The caller is about to let somebody know and holds no lock.
func (s *appState) awaitKept() {
	if feeds := s.observers(); feeds != nil {
		for _, f := range feeds.keeping {
			f.awaitKept()
		}
	}
}

// feeds are the feeds of an app's observers. Immutable.
type feeds struct {
	list    []*feed // in the order of the plugins
	keeping []*feed // those of them whose observer keeps what it is told
}

// at returns the feed of the observer at a place, nil if there is none.
func (fs *feeds) at(p place) *feed {
	if fs != nil {
		for _, f := range fs.list {
			if f.place == p {
				return f
			}
		}
	}
	return nil
}

// newFeeds returns nil for no feed, so that an app without observers pays one comparison.
func newFeeds(list []*feed) *feeds {
	if len(list) == 0 {
		return nil
	}
	fs := &feeds{list: list}
	for _, f := range list {
		if f.keeps() {
			fs.keeping = append(fs.keeping, f)
		}
	}
	return fs
}
