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
	id        string
	conns     []*conn
	watchers  []*conn     // sockets whose watchlist names the user
	hold      *time.Timer // runs while the last socket is gone and nobody was told yet
	elsewhere bool        // another node has the user; known while follows is above 0
	follows   int         // sockets whose watchlist names the user, or is about to
	holds     int         // counts holds, so that one that was cut short at its very end does not act for the next
}

func (u *user) online() bool { return u.here() || u.elsewhere }

// here reports whether this node has the user.
func (u *user) here() bool { return len(u.conns) > 0 || u.hold != nil }

func (u *user) topic(s *appState) Topic { return Topic{App: s.id, UserID: u.id} }

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
	if !u.here() && len(u.watchers) == 0 && u.follows == 0 {
		delete(us.byID, u.id)
	}
}

// enter signs a socket in as id and tells the watchers if that brings the user online. Observers are told under the
// lock, so that they hear of comings and goings in their order.
func (us *users) enter(c *conn, id string) *user {
	us.mu.Lock()
	defer us.mu.Unlock()
	u := us.get(id)
	wasHere, wasOnline := u.here(), u.online()
	if u.hold != nil {
		u.hold.Stop()
		u.hold = nil
	}
	u.conns = append(u.conns, c)
	c.observe(Observation{Type: SignedIn, SocketID: c.id, UserID: id})
	if !wasOnline {
		u.tellWatchers(watchlistPayload([]string{id}, nil))
	}
	if !wasHere {
		c.state.userCame(u)
	}
	return u
}

// userCame makes a user of this node known: to the register, which finds out who is new to the cluster (node.Report), or to observers. The
// caller holds users.mu.
func (s *appState) userCame(u *user) {
	b, alone := s.register()
	if b != nil {
		s.hub.reports.entered(b, u.topic(s), "", true)
		b.Hold(u.topic(s), 1)
	} else if alone {
		s.observe(Observation{Type: UserOnline, UserID: u.id})
	}
}

// userWent is userCame for one who has gone.
func (s *appState) userWent(u *user) {
	b, alone := s.register()
	if b != nil {
		b.Hold(u.topic(s), 0)
	} else if alone {
		s.observe(Observation{Type: UserOffline, UserID: u.id})
	}
}

// leave signs a socket out and drops its watchlist.
func (us *users) leave(c *conn) {
	us.mu.Lock()
	before := us.unwatch(c)
	u := c.user
	u.conns = slices.DeleteFunc(u.conns, func(other *conn) bool { return other == c })
	if len(u.conns) == 0 {
		state := c.state
		u.holds++
		n := u.holds
		u.hold = time.AfterFunc(offlineHold, func() { us.goOffline(state, u, n) })
	}
	us.mu.Unlock()
	us.unfollow(c.state, before)
}

// goOffline tells the watchers of a user who did not come back within the hold. When the observers here are told nothing any more, the user is left to the
// other nodes, one of which tells its own when this node's lease has ended.
func (us *users) goOffline(state *appState, u *user, hold int) {
	if !state.hub.enter() {
		return
	}
	defer state.hub.leave()
	us.mu.Lock()
	if u.hold == nil || u.holds != hold || state.hub.finished.Load() {
		us.mu.Unlock()
		return
	}
	u.hold = nil
	if !u.online() {
		u.tellWatchers(watchlistPayload(nil, []string{u.id}))
	}
	state.userWent(u)
	us.tidy(u)
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
