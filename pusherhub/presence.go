package pusherhub

import (
	"slices"
	"strconv"
)

// members is who is on a presence channel. Guarded by the channel's mu.
type members struct {
	byID map[string]*presentUser
	ids  []string // in order of arrival, for stable snapshots
	last int      // size of the last snapshot, which the next will have more or less
}

// presentUser is one user with the sockets that brought them, oldest first: the oldest one's
// user_info is the one that counts.
type presentUser struct {
	seats []*seat
	place int // in members.ids
}

// seat is one socket's membership.
type seat struct {
	conn *conn
	member
}

func newMembers() *members { return &members{byID: make(map[string]*presentUser)} }

// join adds a seat and reports whether it is the user's first.
func (m *members) join(s *seat) (first bool) {
	u := m.byID[s.userID]
	if u == nil {
		u = &presentUser{place: len(m.ids)}
		m.byID[s.userID] = u
		m.ids = append(m.ids, s.userID)
	}
	u.seats = append(u.seats, s)
	return len(u.seats) == 1
}

// leave removes a seat and reports whether it was the user's last.
func (m *members) leave(s *seat) (last bool) {
	u := m.byID[s.userID]
	u.seats = slices.DeleteFunc(u.seats, func(other *seat) bool { return other == s })
	if len(u.seats) > 0 {
		return false
	}
	end := len(m.ids) - 1
	moved := m.ids[end]
	m.ids[u.place] = moved
	m.byID[moved].place = u.place
	m.ids = m.ids[:end]
	delete(m.byID, s.userID)
	return true
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
		data = append(data, m.byID[id].seats[0].infoOrEmpty()...)
	}
	data = append(data, "}}}"...)
	m.last = len(data)
	return string(data)
}
