package pusherhub

import "strings"

// observeUndelivered tells observers of the events that nobody was there to get, so that a backend can reach the user in another
// way. data is that of each message. With a broker that knows more nodes than this one it is not known who got an event, and nothing is told.
func (s *appState) observeUndelivered(messages []*Message, data []string) {
	if _, alone := s.hub.broker().(*MemoryBroker); !alone {
		return
	}
	told := false
	for i, m := range messages {
		if s.reaches(m) {
			continue
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
