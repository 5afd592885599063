package webhooks

import (
	"container/list"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// state is what channel_occupied or member_added begins, and channel_vacated or member_removed ends.
type state struct {
	Channel string `json:"channel"`
	UserID  string `json:"user_id,omitempty"` // empty: the channel as a whole
}

// stateOf returns the state that an event begins or ends. ok: it is one that does.
func stateOf(e event) (s state, begins, ok bool) {
	s = state{e.Channel, e.UserID}
	begins = e.Name == s.begin().Name
	return s, begins, begins || e.Name == s.end().Name
}

// begin and end return the events that tell of the state.
func (s state) begin() event { return s.event(pusherhub.ChannelOccupied, pusherhub.MemberAdded) }
func (s state) end() event   { return s.event(pusherhub.ChannelVacated, pusherhub.MemberRemoved) }

func (s state) event(channel, member pusherhub.ObservationType) event {
	name := channel
	if s.UserID != "" {
		name = member
	}
	return event{Name: string(name), Channel: s.Channel, UserID: s.UserID}
}

// holds are the states that have ended a moment ago and may come back, in the order in which they ended. That is the
// order in which they are told, whatever becomes of the time for which new ones are held.
type holds struct {
	order   list.List // of held
	byState map[state]*list.Element
}

type held struct {
	state
	due time.Time
}

// put holds the end of a state. One that is held already stays where it is.
func (h *holds) put(s state, due time.Time) {
	if h.byState == nil {
		h.byState = make(map[state]*list.Element)
	}
	if h.byState[s] == nil {
		h.byState[s] = h.order.PushBack(held{s, due})
	}
}

// cancel forgets the end of a state and reports whether it was held.
func (h *holds) cancel(s state) bool {
	e := h.byState[s]
	if e != nil {
		h.order.Remove(e)
		delete(h.byState, s)
	}
	return e != nil
}

// due returns the states whose time has come, at most n. They stay held.
func (h *holds) due(now time.Time, n int) (states []state) {
	for e := h.order.Front(); e != nil && len(states) < n; e = e.Next() {
		if found := e.Value.(held); found.due.After(now) {
			break
		} else {
			states = append(states, found.state)
		}
	}
	return states
}

// all returns what is held.
func (h *holds) all() (all []held) {
	for e := h.order.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(held))
	}
	return all
}

// next returns when the first held state is due.
func (h *holds) next() (due time.Time, found bool) {
	if e := h.order.Front(); e != nil {
		return e.Value.(held).due, true
	}
	return time.Time{}, false
}

// len returns how many are held.
func (h *holds) len() int { return h.order.Len() }
