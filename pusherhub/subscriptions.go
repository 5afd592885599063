package pusherhub

import "slices"

// subscriptions are those of one socket, by channel name. Most sockets have a handful: a list takes a fraction of a map's memory.
type subscriptions struct {
	list   []*subscription
	byName map[string]*subscription // instead of list once there are more than listedSubscriptions
}

const listedSubscriptions = 8

func (s *subscriptions) len() int { return len(s.list) + len(s.byName) }

// get returns the subscription to a channel, nil if there is none.
func (s *subscriptions) get(channel string) *subscription {
	for _, sub := range s.list {
		if sub.channel.name == channel {
			return sub
		}
	}
	return s.byName[channel]
}

// add adds the subscription to a channel that has none.
func (s *subscriptions) add(sub *subscription) {
	switch {
	case s.byName != nil:
		s.byName[sub.channel.name] = sub
	case len(s.list) < listedSubscriptions:
		s.list = append(s.list, sub)
	default:
		s.byName = make(map[string]*subscription, 2*listedSubscriptions)
		for _, listed := range append(s.list, sub) {
			s.byName[listed.channel.name] = listed
		}
		s.list = nil
	}
}

func (s *subscriptions) remove(sub *subscription) {
	s.list = slices.DeleteFunc(s.list, func(listed *subscription) bool { return listed == sub })
	delete(s.byName, sub.channel.name)
}

// all returns every subscription, in a slice of its own.
func (s *subscriptions) all() []*subscription {
	all := slices.Clone(s.list)
	for _, sub := range s.byName {
		all = append(all, sub)
	}
	return all
}
