package pusherhub

// follow has the broker say who of these is online on other nodes, and waits for that, but not for long. The users stay known until unfollow.
func (us *users) follow(s *appState, ids []string) *watchlist {
	us.mu.Lock()
	for _, id := range ids {
		us.get(id).follows++
	}
	us.mu.Unlock()
	b, _ := s.register()
	if b != nil {
		b.Follow(userTopics(s, ids)...)
	}
	return &watchlist{ids: ids, at: b}
}

// unfollow ends what follow began. list may be nil.
func (us *users) unfollow(s *appState, list *watchlist) {
	if list == nil {
		return
	}
	us.mu.Lock()
	at := list.at
	list.at = nil
	us.mu.Unlock()
	if at != nil {
		at.Unfollow(userTopics(s, list.ids)...)
	}
	us.mu.Lock() // only now: who follows a user from here on is told anew, who did before has what is known
	defer us.mu.Unlock()
	for _, id := range list.ids {
		u := us.byID[id]
		if u.follows--; u.follows == 0 {
			u.elsewhere = false // nobody says so from here on
		}
		us.tidy(u)
	}
}

func userTopics(s *appState, ids []string) []Topic {
	topics := make([]Topic, 0, len(ids))
	for _, id := range ids {
		topics = append(topics, Topic{App: s.id, UserID: id})
	}
	return topics
}

// takeRoster takes over whether other nodes have a user.
func (us *users) takeRoster(r Roster) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if u := us.byID[r.UserID]; u != nil {
		u.setElsewhere(r.Count > 0)
	}
}

// setElsewhere notes whether other nodes have the user, and tells the watchers if that matters. The caller holds users.mu.
func (u *user) setElsewhere(elsewhere bool) {
	wasOnline := u.online()
	u.elsewhere = elsewhere
	switch isOnline := u.online(); {
	case isOnline && !wasOnline:
		u.tellWatchers(watchlistPayload([]string{u.id}, nil))
	case wasOnline && !isOnline:
		u.tellWatchers(watchlistPayload(nil, []string{u.id}))
	}
}

// holdAll enters the users of this node at a broker that comes new.
func (us *users) holdAll(s *appState, b RosterBroker) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if s.gone.Load() != nil {
		return
	}
	for _, u := range us.byID {
		if u.here() {
			s.hub.reports.entered(b, u.topic(s), "", false)
			b.Hold(u.topic(s), 1)
		}
	}
}

// moveFollowed has a broker that comes new say what the one before it said.
func (us *users) moveFollowed(s *appState, b RosterBroker) {
	us.mu.Lock()
	var ids []string
	for _, list := range us.watchlists() {
		if list.at != b {
			list.at = b
			ids = append(ids, list.ids...)
		}
	}
	us.mu.Unlock()
	if len(ids) > 0 {
		b.Follow(userTopics(s, ids)...)
	}
}

// watchlists returns every watchlist once. The caller holds mu.
func (us *users) watchlists() (all []*watchlist) {
	known := make(map[*watchlist]bool)
	for _, u := range us.byID {
		for _, c := range u.watchers {
			if !known[c.watchlist] {
				known[c.watchlist] = true
				all = append(all, c.watchlist)
			}
		}
	}
	return all
}

// forgetElsewhere forgets whom other nodes have, because there are none any more.
func (us *users) forgetElsewhere() {
	us.mu.Lock()
	defer us.mu.Unlock()
	for _, list := range us.watchlists() {
		list.at = nil
	}
	for _, u := range us.byID {
		u.setElsewhere(false)
	}
}

// have reports whether this node has a user.
func (us *users) have(id string) bool {
	us.mu.Lock()
	defer us.mu.Unlock()
	u := us.byID[id]
	return u != nil && u.here()
}

// giveUp takes the users of this node out of a broker's register.
func (us *users) giveUp(s *appState, b RosterBroker) {
	us.mu.Lock()
	defer us.mu.Unlock()
	for _, u := range us.byID {
		if u.here() {
			b.Hold(u.topic(s), 0)
		}
	}
}

// unfollowAll ends what follow began, for all who follow, because the app is gone.
func (us *users) unfollowAll(s *appState, b RosterBroker) {
	us.mu.Lock()
	var followed []*watchlist
	for _, list := range us.watchlists() {
		if list.at == b {
			followed = append(followed, list)
			list.at = nil
		}
	}
	us.mu.Unlock()
	for _, list := range followed {
		b.Unfollow(userTopics(s, list.ids)...)
	}
}
