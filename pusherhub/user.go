package pusherhub

import (
	"slices"
	"sync"
	"time"
)

// offlineHold is how long a user who lost the last socket still counts as online, so that a page
// reload does not flap.
const offlineHold = 3 * time.Second

// users knows who is signed in to an app, and who watches whom. Its lock comes after a channel's and before a
// socket queue's.
type users struct {
	mu   sync.Mutex
	byID map[string]*user // guarded by mu: users with a socket, in the hold, or watched
}

// user is one user id. Guarded by users.mu, the id aside.
type user struct {
	id       string
	conns    []*conn
	watchers []*conn     // sockets whose watchlist names the user
	hold     *time.Timer // runs while the last socket is gone and nobody was told yet
	holds    int         // counts holds, so that one that was cut short at its very end does not act for the next
}

func (u *user) online() bool { return len(u.conns) > 0 || u.hold != nil }

// get returns the user, made if need be. The caller holds mu.
func (us *users) get(id string) *user {
	u := us.byID[id]
	if u == nil {
		if us.byID == nil {
			us.byID = make(map[string]*user)
		}
		u = &user{id: id}
		us.byID[id] = u
	}
	return u
}

// tidy forgets a user that nothing holds. The caller holds mu.
func (us *users) tidy(u *user) {
	if len(u.conns) == 0 && len(u.watchers) == 0 && u.hold == nil {
		delete(us.byID, u.id)
	}
}

// enter signs a socket in as id and tells the watchers if that brings the user online. Observers are told under the
// lock, so that they hear of comings and goings in their order.
func (us *users) enter(c *conn, id string) *user {
	us.mu.Lock()
	defer us.mu.Unlock()
	u := us.get(id)
	cameOnline := !u.online()
	if u.hold != nil {
		u.hold.Stop()
		u.hold = nil
	}
	u.conns = append(u.conns, c)
	c.observe(Observation{Type: SignedIn, SocketID: c.id, UserID: id})
	if cameOnline {
		u.tellWatchers(watchlistPayload([]string{id}, nil))
		c.observe(Observation{Type: UserOnline, UserID: id})
	}
	return u
}

// leave signs a socket out and drops its watchlist.
func (us *users) leave(c *conn) {
	us.mu.Lock()
	defer us.mu.Unlock()
	us.unwatch(c)
	u := c.user
	u.conns = slices.DeleteFunc(u.conns, func(other *conn) bool { return other == c })
	if len(u.conns) == 0 {
		state := c.state
		u.holds++
		n := u.holds
		u.hold = time.AfterFunc(offlineHold, func() { us.goOffline(state, u, n) })
	}
}

// goOffline tells the watchers of a user who did not come back within the hold.
func (us *users) goOffline(state *appState, u *user, hold int) {
	if !state.hub.enter() {
		return
	}
	defer state.hub.leave()
	us.mu.Lock()
	if u.hold == nil || u.holds != hold {
		us.mu.Unlock()
		return
	}
	u.hold = nil
	u.tellWatchers(watchlistPayload(nil, []string{u.id}))
	us.tidy(u)
	state.observe(Observation{Type: UserOffline, UserID: u.id})
	us.mu.Unlock()
}

// connsOf returns the sockets that are signed in as id.
func (us *users) connsOf(id string) []*conn {
	us.mu.Lock()
	defer us.mu.Unlock()
	if u := us.byID[id]; u != nil {
		return slices.Clone(u.conns)
	}
	return nil
}
