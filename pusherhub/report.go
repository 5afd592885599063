package pusherhub

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lateReports are transitions that wait for an app to be found, and those that are not to be reported again.
type lateReports struct {
	mu      sync.Mutex
	queue   []Transition   // guarded by mu
	waiting map[string]int // guarded by mu: how many there are of an app, with the one that is being reported
	running bool           // guarded by mu: reportLate is at work
	ended   bool           // guarded by mu: nobody is told any more

	changing atomic.Bool         // the hub changes its broker
	broker   Broker              // guarded by mu: that it changes to
	known    map[Transition]bool // guarded by mu: gains that are entered there, and whether observers have heard of them before
}

// beginChange says that the hub is about to change to a broker.
func (late *lateReports) beginChange(next Broker) {
	late.mu.Lock()
	defer late.mu.Unlock()
	late.broker, late.known = next, make(map[Transition]bool)
	late.changing.Store(true)
}

// entered notes that a topic or a member is entered at a broker. If that is the one that the hub changes to, what was held here before is news to its register,
// but not to observers. fresh says that it was not.
func (late *lateReports) entered(b Broker, t Topic, member string, fresh bool) {
	if !late.changing.Load() {
		return
	}
	late.mu.Lock()
	defer late.mu.Unlock()
	gain := Transition{Topic: t, Member: member, Gained: true}
	if _, noted := late.known[gain]; !noted && b == late.broker {
		late.known[gain] = !fresh
	}
}

// endChange ends what beginChange began.
func (late *lateReports) endChange() {
	late.mu.Lock()
	defer late.mu.Unlock()
	late.changing.Store(false)
	late.broker, late.known = nil, nil
}

// Reports is false as soon as plugins end their work.
func (n node) Reports() bool { return !n.hub.finished.Load() }

// Report observes a transition. It may be one that another node made, before it died, of an app that nobody has used here yet.
func (n node) Report(t Transition) {
	h := n.hub
	if n.isOver() && !t.Gained && h.has(t) {
		return // lost to the cluster that this node has left, but it is still here
	}
	late := &h.reports
	late.mu.Lock()
	defer late.mu.Unlock()
	if late.known[t] {
		late.known[t] = false // the next gain is another one
		return
	}
	if late.ended {
		return
	}
	if state := h.reporter(t.App); state != nil && late.waiting[t.App] == 0 {
		state.report(t)
		return
	}
	if len(late.queue) == observationQueue {
		h.counters.observationsDropped.Add(1)
		return
	}
	if !late.running {
		if !h.enter() {
			return
		}
		late.running, late.waiting = true, make(map[string]int)
		go h.reportLate()
	}
	late.queue = append(late.queue, t)
	late.waiting[t.App]++
}

// end has nobody told any more: the feeds are about to be waited for.
func (late *lateReports) end() {
	late.mu.Lock()
	defer late.mu.Unlock()
	late.ended = true
}

// reportTimeout bounds how long an app is looked up for a transition.
const reportTimeout = 5 * time.Second

// reportLate observes the transitions that wait for an app to be found, one after the other. It takes part in the hub's work.
func (h *Hub) reportLate() {
	defer h.leave()
	for t, more := h.reports.next(""); more; t, more = h.reports.next(t.App) {
		state := h.reporter(t.App)
		if state == nil {
			state = h.revive(t.App)
		}
		if state != nil {
			state.report(t)
		}
	}
}

// next returns the next transition after one of that app was reported; empty: there was none. With nothing left the goroutine ends.
func (late *lateReports) next(reported string) (t Transition, more bool) {
	late.mu.Lock()
	defer late.mu.Unlock()
	if late.waiting[reported]--; late.waiting[reported] <= 0 {
		delete(late.waiting, reported)
	}
	if len(late.queue) == 0 {
		late.queue, late.waiting, late.running = nil, nil, false
		return t, false
	}
	t, late.queue = late.queue[0], late.queue[1:]
	return t, true
}

// reporter returns the live side whose observers are told what happened to an app; nil if there is none.
func (h *Hub) reporter(app string) *appState {
	if state := h.state(app); state != nil {
		return state
	}
	h.statesMu.RLock()
	defer h.statesMu.RUnlock()
	for _, state := range slices.Backward(h.leaving) {
		if state.id == app {
			return state
		}
	}
	return nil
}

// revive makes the live side of an app that has observers; nil if there is no such app, or if it cannot be found now.
func (h *Hub) revive(app string) *appState {
	ctx, cancel := context.WithTimeout(h.keepCtx, reportTimeout)
	defer cancel()
	s := h.settings.Load()
	found, err := s.appFor(ctx, app)
	if err != nil || !found.hooks.observes() {
		return nil
	}
	return h.stateOf(s, found)
}

// observes reports whether any of the app's plugins is an observer.
func (k hooks) observes() bool {
	for _, slot := range k.slots {
		if _, observes := slot.plugin.(Observer); observes {
			return true
		}
	}
	return false
}

// report tells the app's observers of a transition. It waits for nobody, as what other nodes are sent would wait with it: who comes and goes has waited for
// room before.
func (s *appState) report(t Transition) {
	o := Observation{Channel: t.Channel, UserID: t.Member}
	switch {
	case t.Channel == "" && t.UserID == "":
		return // an app's sockets
	case t.UserID != "":
		o.Type, o.UserID = UserOffline, t.UserID
		if t.Gained {
			o.Type = UserOnline
		}
	case KindOf(t.Channel).Access == AccessUser:
		return
	case t.Member != "":
		o.Type = MemberRemoved
		if t.Gained {
			o.Type = MemberAdded
		}
	default:
		o.Type = ChannelVacated
		if t.Gained {
			o.Type = ChannelOccupied
		}
	}
	s.observe(o)
}
