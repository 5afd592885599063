package pusherhub

import (
	"context"
	"strings"
)

// observeUndelivered tells observers of the events that nobody was there to get, so that a backend can reach the user in another
// way. data is that of each message. With a broker that has other nodes but does not know what is subscribed there, nothing is told.
func (s *appState) observeUndelivered(ctx context.Context, messages []*Message, data []string) {
	b := s.hub.broker()
	others, _ := b.(RosterBroker)
	if _, alone := b.(*MemoryBroker); !alone && others == nil {
		return
	}
	told := false
	for i, m := range messages {
		if s.reaches(m) {
			continue
		}
		if others != nil {
			there, err := s.reachesElsewhere(ctx, m)
			if err != nil {
				break // not known, and not asked again for each: the publisher waits
			}
			if there {
				continue
			}
		}
		s.awaitRoom()
		o := Observation{Type: Undelivered, Channel: m.Channel, Event: m.Event, Data: data[i]}
		if user, found := strings.CutPrefix(m.Channel, userChannelPrefix); found {
			o.UserID = user
		}
		s.observe(o)
		told = true
	}
	if told {
		s.awaitKept()
	}
}

// reaches reports whether a message has a subscriber other than the socket that it is not for.
func (s *appState) reaches(m *Message) bool {
	ch := s.channel(m.Channel)
	if ch == nil {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	switch len(ch.subs) {
	case 0:
		return false
	case 1:
		return ch.subs[0].conn.id != m.Except
	}
	return true
}

// reachesElsewhere reports whether a message that nobody here gets may have a subscriber on another node: the socket that it is not for counts there,
// as this node does not know it.
func (s *appState) reachesElsewhere(ctx context.Context, m *Message) (bool, error) {
	total, err := s.holding(ctx, m.Channel)
	if err != nil {
		return false, err
	}
	if ch := s.channel(m.Channel); ch != nil {
		if _, here := ch.holding(); here { // this socket is the one that it is not for
			return total.Count > 1, nil
		}
	}
	return total.Count > 0, nil
}
