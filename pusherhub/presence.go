package pusherhub

import (
	"slices"
	"strconv"
)

// members is who is on a presence channel, here and on other nodes. Guarded by the channel's mu.
type members struct {
	byID map[string]*presentUser
	ids  []string // in order of arrival, for stable snapshots
	last int      // size of the last snapshot, which the next will have more or less
}

// presentUser is one user with the sockets that brought them, oldest first: the oldest one's
// user_info is the one that counts.
type presentUser struct {
	seats     []*seat // on this node
	elsewhere *Member // as other nodes have the user; nil: they do not
	place     int     // in members.ids
}

// seat is one socket's membership.
type seat struct {
	conn *conn
	member
	since int64 // when the socket joined, Unix nanoseconds
}

// info is the user_info that counts.
func (u *presentUser) info() []byte {
	if u.elsewhere != nil && (len(u.seats) == 0 || u.elsewhere.Since < u.seats[0].since) {
		return orEmpty(u.elsewhere.Info)
	}
	return orEmpty(u.seats[0].info)
}

// here is the user as this node has them, which it must.
func (u *presentUser) here() Member {
	oldest := u.seats[0]
	return Member{UserID: oldest.userID, Info: oldest.info, Since: oldest.since}
}

func newMembers() *members { return &members{byID: make(map[string]*presentUser)} }

// join adds a seat and reports whether the user was not on the channel before.
func (m *members) join(s *seat) (added bool) {
	u := m.byID[s.userID]
	if u == nil {
		u = m.add(s.userID)
		added = true
	}
	u.seats = append(u.seats, s)
	return added
}

// leave removes a seat and reports whether the user is not on the channel any more.
func (m *members) leave(s *seat) (removed bool) {
	u := m.byID[s.userID]
	u.seats = slices.DeleteFunc(u.seats, func(other *seat) bool { return other == s })
	return m.removeUnused(s.userID, u)
}

// joinElsewhere notes a user whom other nodes have and reports whether the user was not on the channel before.
func (m *members) joinElsewhere(who *Member) (added bool) {
	u := m.byID[who.UserID]
	if u == nil {
		u = m.add(who.UserID)
		added = true
	}
	u.elsewhere = who
	return added
}

// leaveElsewhere notes that no other node has the user and reports whether the user is not on the channel any more.
func (m *members) leaveElsewhere(userID string) (removed bool) {
	u := m.byID[userID]
	if u == nil || u.elsewhere == nil {
		return false
	}
	u.elsewhere = nil
	return m.removeUnused(userID, u)
}

func (m *members) add(userID string) *presentUser {
	u := &presentUser{place: len(m.ids)}
	m.byID[userID] = u
	m.ids = append(m.ids, userID)
	return u
}

// removeUnused removes a user whom nobody has, and reports whether it did.
func (m *members) removeUnused(userID string, u *presentUser) bool {
	if len(u.seats) > 0 || u.elsewhere != nil {
		return false
	}
	end := len(m.ids) - 1
	moved := m.ids[end]
	m.ids[u.place] = moved
	m.byID[moved].place = u.place
	m.ids = m.ids[:end]
	delete(m.byID, userID)
	return true
}

// here returns the ids of the users whom this node has, in order of arrival.
func (m *members) here() (ids []string) {
	for _, id := range m.ids {
		if len(m.byID[id].seats) > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// snapshot is the data of a presence channel's subscription_succeeded.
func (m *members) snapshot() string {
	data := append(make([]byte, 0, m.last+m.last/8+64), `{"presence":{"count":`...)
	data = strconv.AppendInt(data, int64(len(m.ids)), 10)
	data = append(data, `,"ids":[`...)
	for i, id := range m.ids {
		if i > 0 {
			data = append(data, ',')
		}
		data = appendString(data, id)
	}
	data = append(data, `],"hash":{`...)
	for i, id := range m.ids {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(appendString(data, id), ':')
		data = append(data, m.byID[id].info()...)
	}
	data = append(data, "}}}"...)
	m.last = len(data)
	return string(data)
}
