package pusherhub

import (
	"sync"
	"unicode/utf8"
)

// node is the hub as one of its brokers sees it.
type node struct {
	hub *Hub
	*tenure
}

// tenure says how long a broker is the one that says what other nodes have.
type tenure struct {
	mu   sync.RWMutex // held while something is taken over from the broker; before all other locks but a broker's
	over bool         // guarded by mu: another broker has come in this one's place
}

func newNode(h *Hub) node { return node{h, new(tenure)} }

// end waits for what is being taken over and has nothing taken over any more.
func (t *tenure) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
}

func (t *tenure) isOver() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.over
}

// Deliver queues m for the local subscribers of its channel.
func (n node) Deliver(m *Message) {
	if !n.hub.enter() {
		return
	}
	defer n.hub.leave()
	if o := n.hub.overlap.Load(); o != nil {
		o.deliver(n.hub, n.tenure, m)
		return
	}
	n.hub.deliver(m)
}

// Execute carries out a command on the local sockets.
func (n node) Execute(c Command) {
	if !n.hub.enter() {
		return
	}
	defer n.hub.leave()
	n.hub.execute(c)
}

// Roster takes over what the other nodes have of a topic.
func (n node) Roster(r Roster) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.over || !n.hub.enter() {
		return
	}
	defer n.hub.leave()
	r.Count = max(r.Count, 0) // of a broker that errs
	state := n.hub.state(r.App)
	if state == nil {
		return
	}
	switch {
	case r.Channel != "":
		if ch := state.channel(r.Channel); ch != nil {
			ch.takeRoster(r)
		}
	case r.UserID != "":
		state.users.takeRoster(r)
	default:
		state.elsewhere.connections.Store(int64(r.Count))
	}
}

// takeRoster takes over what the other nodes have of the channel and tells the subscribers here what is new to them. Observers hear of it
// from the one node that reports it (Report).
func (ch *channel) takeRoster(r Roster) {
	if r.Cached != nil && r.Cached.Cache != nil && ch.kind.Cache {
		ch.keepElsewhere(r.Cached)
	}
	ch.mu.Lock()
	if ch.members != nil {
		ch.takeMembers(r)
	}
	if ch.elsewhere != r.Count {
		ch.elsewhere = r.Count
		ch.countChanged(ch.state.app.Load(), false)
	}
	if ch.release() {
		ch.run()
	}
}

// takeMembers takes over which members other nodes have. The caller holds mu.
func (ch *channel) takeMembers(r Roster) {
	gone := r.Gone
	if r.Full {
		gone = ch.members.elsewhereBut(r.Members)
	}
	for _, id := range gone {
		if ch.members.leaveElsewhere(id) {
			ch.tell(memberRemovedPayload(ch.name, id))
		}
	}
	for _, who := range r.Members {
		if userIDProblem(who.UserID) != "" || !utf8.ValidString(who.UserID) {
			continue // of a node that knows other rules
		}
		if who.Info != nil && (!utf8.Valid(who.Info) || !validJSON(who.Info)) {
			who.Info = nil
		}
		if ch.members.joinElsewhere(&who) {
			ch.tell(memberAddedPayload(ch.name, who.UserID, who.Info))
		}
	}
}

// elsewhereBut returns the users whom other nodes have, those in list excepted.
func (m *members) elsewhereBut(list []Member) (ids []string) {
	listed := make(map[string]bool, len(list))
	for _, who := range list {
		listed[who.UserID] = true
	}
	for _, id := range m.ids {
		if m.byID[id].elsewhere != nil && !listed[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// forgetElsewhere forgets what other nodes have: with the last subscriber here, this node hears of it no more.
func (ch *channel) forgetElsewhere() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.elsewhere = 0
	if ch.members == nil {
		return
	}
	for _, id := range ch.members.elsewhereBut(nil) {
		ch.members.leaveElsewhere(id)
	}
}
