package pusherhub

import (
	"context"
	"time"
)

// roster returns the hub's broker if it keeps a register for a cluster; nil if this node is all there is.
func (h *Hub) roster() RosterBroker {
	b, _ := h.broker().(RosterBroker)
	return b
}

// register returns where the app's live side enters what it holds: nil in a cluster of one, and once the app is gone. alone says
// that this node is all there is, so that what happens here is what happens.
func (s *appState) register() (b RosterBroker, alone bool) {
	b = s.hub.roster()
	if b == nil {
		return nil, true
	}
	if s.gone.Load() != nil {
		return nil, false
	}
	return b, false
}

func (ch *channel) topic() Topic { return Topic{App: ch.state.id, Channel: ch.name} }

// came makes a new subscription known: to the register, which finds out what is new to the cluster (node.Report), or to observers. added says that it brought a user
// who was not on the channel. The caller holds mu, so that comings and goings are known in their order.
func (ch *channel) came(sub *subscription, added bool) {
	b, alone := ch.state.register()
	if b != nil {
		if sub.seat != nil {
			ch.state.hub.reports.entered(b, ch.topic(), sub.seat.userID, added)
			ch.describe(sub.seat)
		}
		ch.state.hub.reports.entered(b, ch.topic(), "", len(ch.subs) == 1)
		b.Hold(ch.topic(), len(ch.subs))
	}
	if !alone {
		return
	}
	if len(ch.subs) == 1 {
		ch.observe(Observation{Type: ChannelOccupied})
	}
	if added {
		ch.observe(Observation{Type: MemberAdded, UserID: sub.seat.userID})
	}
}

// went is came for a subscription that has ended. removed says that it took a user along.
func (ch *channel) went(sub *subscription, removed bool) {
	b, alone := ch.state.register()
	if b != nil {
		if sub.seat != nil {
			ch.undescribe(b, sub.seat)
		}
		b.Hold(ch.topic(), len(ch.subs))
	}
	if !alone {
		return
	}
	if removed {
		ch.observe(Observation{Type: MemberRemoved, UserID: sub.seat.userID})
	}
	if len(ch.subs) == 0 {
		ch.observe(Observation{Type: ChannelVacated})
	}
}

// describe enters a seat's user with the data of the seat, if it is the one that counts. The caller holds mu.
func (ch *channel) describe(s *seat) {
	if b, _ := ch.state.register(); b != nil {
		if u := ch.members.byID[s.userID]; u.seats[0] == s {
			b.Join(ch.topic(), u.here())
		}
	}
}

// undescribe enters what is left of a user after a seat was given up. The caller holds mu.
func (ch *channel) undescribe(b RosterBroker, s *seat) {
	u := ch.members.byID[s.userID]
	switch {
	case u == nil || len(u.seats) == 0:
		b.Leave(ch.topic(), s.userID)
	case s.since <= u.seats[0].since: // it may have been the oldest
		b.Join(ch.topic(), u.here())
	}
}

// holdAll enters everything that the live side has, for a broker that comes new. Observers have heard of what has not come in between.
func (s *appState) holdAll(b RosterBroker) {
	s.holdConnections()
	s.eachChannel(func(ch *channel) {
		ch.mu.Lock()
		defer ch.mu.Unlock()
		if len(ch.subs) == 0 || s.gone.Load() != nil {
			return
		}
		if ch.members != nil {
			for _, id := range ch.members.here() {
				s.hub.reports.entered(b, ch.topic(), id, false)
				b.Join(ch.topic(), ch.members.byID[id].here())
			}
		}
		s.hub.reports.entered(b, ch.topic(), "", false)
		b.Hold(ch.topic(), len(ch.subs))
	})
	s.users.holdAll(s, b)
}

// moveHoldings enters at the broker that the hub has changed to what this node holds, asks it for what others do, and gives up at the one before
// what it holds there. The next one has entered everything by then, unless its register is away, so at a register that both know nothing is lost.
func (h *Hub) moveHoldings(before, b Broker) {
	next, keeps := b.(RosterBroker)
	h.eachState(func(s *appState) {
		if keeps {
			s.holdAll(next)
			s.moveFollowed(next)
		} else {
			s.forgetElsewhere()
		}
	})
	if keeps {
		h.settleNext(next)
	}
	h.reports.endChange()
	if old, kept := before.(RosterBroker); kept {
		h.eachState(func(s *appState) { s.giveUp(old) })
		h.settle(context.Background(), old)
	}
}

// settleAtMove is how long a hub that changes its broker waits for a register that is slow.
const settleAtMove = 10 * time.Second

// settleNext waits until the register of the broker that the hub changes to knows what is held here: what it does not know when the one before gives it up
// is lost and gained again. One that cannot be reached is not waited for as long as a slow one.
func (h *Hub) settleNext(b RosterBroker) {
	ctx, cancel := context.WithTimeout(context.Background(), settleAtMove)
	defer cancel()
	first, cancelFirst := context.WithTimeout(ctx, settleAtClose)
	defer cancelFirst()
	if b.Settle(first) == nil {
		return
	}
	if _, err := b.LookupChannels(ctx, "", ""); err == nil { // of no app: only whether there is an answer
		_ = b.Settle(ctx)
	}
}

// retract takes everything that the live side has out of the register, and ends its interest, because the app is gone: another live side of the
// app may come before the last socket of this one has closed.
func (s *appState) retract() {
	s.eachChannel(func(ch *channel) { ch.interest.retract(ch) })
	if b := s.hub.roster(); b != nil {
		s.giveUp(b)
		s.users.unfollowAll(s, b)
		s.unfollowConnections()
	}
}

// giveUp takes everything that the live side has out of a broker's register.
func (s *appState) giveUp(b RosterBroker) {
	s.eachChannel(func(ch *channel) {
		ch.mu.Lock()
		defer ch.mu.Unlock()
		if len(ch.subs) == 0 {
			return
		}
		if ch.members != nil {
			for _, id := range ch.members.here() {
				b.Leave(ch.topic(), id)
			}
		}
		b.Hold(ch.topic(), 0)
	})
	s.users.giveUp(s, b)
	s.elsewhere.mu.Lock()
	defer s.elsewhere.mu.Unlock()
	b.Hold(s.topic(), 0)
}

// has reports whether this node holds what a transition is about.
func (h *Hub) has(t Transition) bool {
	s := h.state(t.App)
	if s == nil {
		return false
	}
	if t.Channel == "" {
		return s.users.have(t.UserID)
	}
	ch := s.channel(t.Channel)
	if ch == nil {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if t.Member == "" || ch.members == nil {
		return len(ch.subs) > 0
	}
	u := ch.members.byID[t.Member]
	return u != nil && len(u.seats) > 0
}
