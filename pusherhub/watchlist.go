package pusherhub

import "slices"

// watchlist is whom a socket watches. Guarded by users.mu, the ids aside.
type watchlist struct {
	ids []string
	at  RosterBroker // says who of them is online on other nodes; nil: there are none
}

// watch replaces a socket's watchlist and tells it who of these is online and who is not.
func (us *users) watch(c *conn, ids []string) {
	next := us.follow(c.state, ids)
	at := next.at
	us.mu.Lock()
	before := us.unwatch(c)
	var online, offline []string
	for _, id := range ids {
		u := us.byID[id]
		u.watchers = append(u.watchers, c)
		if u.online() {
			online = append(online, id)
		} else {
			offline = append(offline, id)
		}
	}
	c.watchlist = next
	if payload := watchlistPayload(online, offline); payload != nil {
		c.replyPayload(payload)
	}
	us.mu.Unlock()
	us.unfollow(c.state, before)
	if b, _ := c.state.register(); b != nil && b != at {
		us.moveFollowed(c.state, b) // the hub has changed its broker meanwhile
	}
}

// unwatch drops a socket's watchlist and returns it. The caller holds mu and unfollows afterwards.
func (us *users) unwatch(c *conn) *watchlist {
	list := c.watchlist
	c.watchlist = nil
	if list == nil {
		return nil
	}
	for _, id := range list.ids {
		u := us.byID[id]
		u.watchers = slices.DeleteFunc(u.watchers, func(other *conn) bool { return other == c })
	}
	return list
}

// tellWatchers sends one frame to everybody who watches the user. The caller holds mu.
func (u *user) tellWatchers(payload []byte) {
	f := newFrame(payload)
	for _, c := range u.watchers {
		c.send(f)
	}
}

// decodeWatchlist reads the watchlist of user_data: strings or numbers, without repetition. Ids beyond
// the first 100 are cut off.
func decodeWatchlist(userData []byte) (ids []string, cut bool) {
	var list []byte
	if err := scanObject(userData, func(name, value []byte) error {
		if string(name) == "watchlist" {
			list = value
		}
		return nil
	}); err != nil || isNull(list) {
		return nil, false
	}
	seen := make(map[string]bool)
	_ = scanArray(list, func(value []byte) error {
		id, ok := stringValue(value)
		if isNumber(value) {
			id, ok = value, true
		}
		switch {
		case !ok || len(id) == 0 || seen[string(id)]:
		case len(ids) == maxWatchlist:
			cut = true
		default:
			seen[string(id)] = true
			ids = append(ids, string(id))
		}
		return nil
	})
	return ids, cut
}
