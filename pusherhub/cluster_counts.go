package pusherhub

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// elsewhere is what an app's live side knows of other nodes, its channels and users aside.
type elsewhere struct {
	mu       sync.Mutex   // orders what the register is told; taken before the broker's own locks
	followed RosterBroker // guarded by mu: who says how many sockets the other nodes have

	connections atomic.Int64 // sockets on other nodes
}

func (s *appState) topic() Topic { return Topic{App: s.id} }

// holdConnections enters how many sockets the app has here.
func (s *appState) holdConnections() {
	if s.hub.roster() == nil {
		return
	}
	s.elsewhere.mu.Lock()
	defer s.elsewhere.mu.Unlock()
	if b, _ := s.register(); b != nil {
		b.Hold(s.topic(), int(s.connections.Load()))
	}
}

// unfollowConnections ends what followConnections began.
func (s *appState) unfollowConnections() {
	s.elsewhere.mu.Lock()
	defer s.elsewhere.mu.Unlock()
	if s.elsewhere.followed != nil {
		s.elsewhere.followed.Unfollow(s.topic())
		s.elsewhere.followed = nil
	}
}

// connectionsElsewhere returns how many sockets the app has on other nodes. The first call waits until that is known, but not for long.
func (s *appState) connectionsElsewhere() int {
	b, _ := s.register()
	if b == nil {
		return 0
	}
	s.elsewhere.mu.Lock()
	defer s.elsewhere.mu.Unlock()
	s.followConnections(b)
	return int(s.elsewhere.connections.Load())
}

// followConnections has b say how many sockets other nodes have. The caller holds elsewhere.mu.
func (s *appState) followConnections(b RosterBroker) {
	if s.elsewhere.followed != b && s.gone.Load() == nil {
		s.elsewhere.followed = b
		b.Follow(s.topic())
	}
}

// moveFollowed has a broker that comes new say what the one before it said.
func (s *appState) moveFollowed(b RosterBroker) {
	s.elsewhere.mu.Lock()
	if s.elsewhere.followed != nil {
		s.followConnections(b)
	}
	s.elsewhere.mu.Unlock()
	s.users.moveFollowed(s, b)
}

// forgetElsewhere forgets what other nodes have, because there are none any more.
func (s *appState) forgetElsewhere() {
	s.elsewhere.mu.Lock()
	s.elsewhere.followed = nil
	s.elsewhere.connections.Store(0)
	s.elsewhere.mu.Unlock()
	s.eachChannel(func(ch *channel) { ch.takeRoster(Roster{Topic: ch.topic(), Full: true}) })
	s.users.forgetElsewhere()
}

// holding returns how much of a channel there is in the whole cluster. A node that has subscribers of it knows; others ask the register.
func (s *appState) holding(ctx context.Context, channel string) (Holding, error) {
	var known Holding
	if ch := s.channel(channel); ch != nil {
		var here bool
		if known, here = ch.holding(); here {
			return known, nil
		}
	}
	b, _ := s.register()
	if b == nil {
		return known, nil
	}
	return b.Lookup(ctx, Topic{App: s.id, Channel: channel})
}

// memberIDs returns the users on a presence channel in the whole cluster.
func (s *appState) memberIDs(ctx context.Context, channel string) ([]string, error) {
	var known []string
	if ch := s.channel(channel); ch != nil && ch.members != nil {
		ch.mu.Lock()
		known = slices.Clone(ch.members.ids)
		here := len(ch.subs) > 0
		ch.mu.Unlock()
		if here {
			return known, nil
		}
	}
	b, _ := s.register()
	if b == nil {
		return known, nil
	}
	return b.LookupMembers(ctx, Topic{App: s.id, Channel: channel})
}

// occupiedChannels returns the channels that have subscribers anywhere in the cluster, users' own ones left out.
func (s *appState) occupiedChannels(ctx context.Context, prefix string) (map[string]Holding, error) {
	all := make(map[string]Holding)
	if b, _ := s.register(); b != nil {
		found, err := b.LookupChannels(ctx, s.id, prefix)
		if err != nil {
			return nil, err
		}
		for name, total := range found {
			if total.Count > 0 && KindOf(name).Access != AccessUser {
				all[name] = total
			}
		}
	}
	s.eachChannel(func(ch *channel) {
		if total, here := ch.holding(); here && ch.kind.Access != AccessUser && strings.HasPrefix(ch.name, prefix) {
			all[ch.name] = total
		}
	})
	return all, nil
}
