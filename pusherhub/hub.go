package pusherhub

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Hub holds the sockets, channels and users of any number of apps. Its settings come and go with
// [Hub.Apply]; what it holds stays.
type Hub struct {
	settings  atomic.Pointer[Settings] // nil before the first Apply
	draining  atomic.Bool
	finished  atomic.Bool   // plugins have ended their work, or are about to
	emptied   chan struct{} // holds a token after the last socket of a hub that drains was gone
	counters  hubCounters
	lookups   seldomLog // apps that could not be looked up
	elsewhere seldomLog // other nodes that could not be asked or told

	connections atomic.Int64 // open sockets, those being established included
	began       time.Time    // static
	socketIDs   socketIDs    // static
	foreign     foreignSockets

	mu     sync.Mutex // first in the lock order
	closed bool       // guarded by mu
	work   sync.WaitGroup

	parkAfter time.Duration // static after construction
	parking   parkingLot

	applyMu sync.Mutex              // one Apply at a time
	current atomic.Pointer[Broker]  // changed under applyMu
	node    node                    // guarded by applyMu: the current broker's
	overlap atomic.Pointer[overlap] // changed under applyMu; nil unless the hub changes from one broker of a cluster to another

	reports lateReports

	retracting sync.Mutex // held while live sides that are gone leave the register, and while new ones are made; before all other locks

	statesMu sync.RWMutex
	states   map[string]*appState // guarded by statesMu, by app id
	born     uint64               // guarded by statesMu: how many live sides were made
	leaving  []*appState          // guarded by statesMu: of apps that are gone, until it is found that their sockets are, too
	past     AppStats             // guarded by statesMu: what apps that are gone have counted

	feeding      sync.WaitGroup  // goroutines of feeds
	detaching    sync.WaitGroup  // plugins that finish what they have begun
	keepCtx      context.Context // ends when Close begins
	keepCancel   context.CancelFunc
	detachCtx    context.Context // ends detachAtClose after the last socket of a hub that closes
	detachCancel context.CancelFunc

	watching sync.WaitGroup     // the watch of the app source, and those before it that are about to end
	unwatch  context.CancelFunc // changed under applyMu; nil: nothing is watched
}

// New returns a hub without settings: until the first Apply nothing is served.
func New() *Hub {
	h := &Hub{began: time.Now(), socketIDs: newSocketIDs(), parkAfter: parkAfter, emptied: make(chan struct{}, 1), states: make(map[string]*appState)}
	h.keepCtx, h.keepCancel = context.WithCancel(context.Background())
	h.detachCtx, h.detachCancel = context.WithCancel(context.Background())
	return h
}

// Apply takes new settings. Open sockets stay, with the new limits and secrets; those of apps that are gone are
// closed with 4001, of apps that are disabled with 4003. The first Apply opens the broker, later ones exchange it
// if the settings bring another. With an error, the old settings stay.
func (h *Hub) Apply(s *Settings) error {
	h.applyMu.Lock()
	defer h.applyMu.Unlock()
	if !h.enter() {
		return ErrHubClosed
	}
	defer h.leave()
	if err := h.useBroker(s); err != nil {
		return err
	}
	h.statesMu.Lock() // so that who drops an app knows for which settings
	h.settings.Store(s)
	h.statesMu.Unlock()
	apps, all := s.listed()
	known := make(map[string]bool, len(apps))
	for _, app := range apps {
		known[app.ID()] = true
		if state := h.state(app.ID()); state != nil {
			state.use(s, app)
		} else if app.hooks.attaches() {
			h.stateOf(s, app)
		}
	}
	if all {
		h.dropStates(func(id string) bool { return !known[id] })
	}
	h.watch(s)
	return nil
}

// useBroker makes the settings' broker the hub's. The caller holds applyMu.
func (h *Hub) useBroker(s *Settings) error {
	old := h.current.Load()
	next := s.broker
	if next == nil {
		if old != nil {
			if _, isMemory := (*old).(*MemoryBroker); isMemory {
				return nil
			}
		}
		next = NewMemoryBroker()
	}
	if old != nil && *old == next {
		return nil
	}
	n := newNode(h)
	if err := next.Open(context.Background(), n); err != nil {
		return fmt.Errorf("opening the broker: %w", err)
	}
	if old == nil {
		h.node = n
		h.current.Store(&next)
		return nil
	}
	_, asked := (*old).(InterestBroker)
	if _, asks := next.(InterestBroker); asked && asks {
		h.overlap.Store(newOverlap(n))
		defer h.overlap.Store(nil)
	}
	h.node.end()
	h.node = n
	h.moveInterest(next, false)
	h.reports.beginChange(next)
	h.current.Store(&next)
	h.moveInterest(next, true)
	h.moveHoldings(*old, next)
	if err := (*old).Close(); err != nil {
		s.log.Error("closing the previous broker", zap.Error(err))
	}
	return nil
}

// broker returns the hub's broker. Before the first Apply it is one that is closed.
func (h *Hub) broker() Broker {
	if b := h.current.Load(); b != nil {
		return *b
	}
	return closedBroker
}

var closedBroker = NewMemoryBroker()

// logger returns the log of the current settings.
func (h *Hub) logger() *zap.Logger {
	if s := h.settings.Load(); s != nil {
		return s.log
	}
	return zap.NewNop()
}

// stateOf returns the live side of an app, made if need be. An app that its source has changed brings
// its new settings along, unless it comes from a configuration that is not, or no longer, applied. Settings that others have replaced
// bring no app back: its live side is then one that is gone already.
func (h *Hub) stateOf(s *Settings, app *App) *appState {
	state := h.state(app.ID())
	if state == nil {
		h.retracting.Lock()
		h.statesMu.Lock()
		if state = h.states[app.ID()]; state == nil {
			h.born++
			state = &appState{hub: h, id: app.ID(), born: h.born}
			state.app.Store(app)
			if now := h.settings.Load(); now != nil && s.number < now.number {
				h.forget(errRestarting, state) // whoever comes back meets the settings of now
			} else {
				h.states[app.ID()] = state
			}
		}
		h.statesMu.Unlock()
		h.retracting.Unlock()
	}
	if state.attached.Load() != app {
		state.use(s, app)
	}
	return state
}

// state returns the live side of an app if it has one.
func (h *Hub) state(id string) *appState {
	h.statesMu.RLock()
	defer h.statesMu.RUnlock()
	return h.states[id]
}

// before returns the live sides that an app had before this one and whose sockets or channels may not be gone yet.
func (h *Hub) before(s *appState) (list []*appState) {
	h.statesMu.RLock()
	defer h.statesMu.RUnlock()
	for _, state := range h.leaving {
		if state.id == s.id && state.born < s.born { // a later one may be gone already, too
			list = append(list, state)
		}
	}
	return list
}

// eachState calls visit for every app that has a live side, without a lock held.
func (h *Hub) eachState(visit func(*appState)) {
	h.statesMu.RLock()
	list := make([]*appState, 0, len(h.states))
	for _, state := range h.states {
		list = append(list, state)
	}
	h.statesMu.RUnlock()
	for _, state := range list {
		visit(state)
	}
}

// use makes app the current settings of the live side, puts its plugins to work, and closes the sockets if the app is
// disabled. s are the settings that app belongs to; if they are not the hub's, only a new live side takes it.
func (s *appState) use(settings *Settings, app *App) {
	s.useMu.Lock()
	defer s.useMu.Unlock()
	before := s.attached.Load()
	if s.gone.Load() != nil || s.hub.finished.Load() || before == app || before != nil && settings != s.hub.settings.Load() {
		return
	}
	if before == nil {
		before = s.inherit()
	}
	if before != app {
		s.attach(before, app)
	}
	s.attached.Store(app)
	s.app.Store(app)
	if !app.enabled() {
		s.closeAll(errAppDisabled)
	}
}

// dropStates closes the sockets of apps that are gone and forgets the apps.
func (h *Hub) dropStates(isGone func(id string) bool) {
	h.retracting.Lock()
	h.statesMu.Lock()
	var gone []*appState
	for id, state := range h.states {
		if isGone(id) {
			gone = append(gone, state)
			delete(h.states, id)
		}
	}
	h.forget(errNoSuchApp, gone...)
	h.statesMu.Unlock()
	for _, state := range gone {
		state.retract()
	}
	h.retracting.Unlock()
	for _, state := range gone {
		state.closeAll(errNoSuchApp)
		state.retire()
	}
}

// forget makes live sides ones that are gone, for that reason. The caller holds statesMu.
func (h *Hub) forget(e *CloseError, gone ...*appState) {
	h.settleLeaving()
	for _, state := range gone {
		state.gone.Store(e)
	}
	h.leaving = append(h.leaving, gone...)
}

// refusal is why the app's sockets must go; nil while it is served.
func (s *appState) refusal() *CloseError {
	if e := s.gone.Load(); e != nil {
		return e
	}
	if !s.app.Load().enabled() {
		return errAppDisabled
	}
	return nil
}

// closeAll closes every socket that the app has. Those that are just being established see its refusal.
func (s *appState) closeAll(e *CloseError) {
	for _, c := range s.conns.all() {
		c.close(e)
	}
}

// closeIfLate closes a socket that became known while the others were being closed.
func (c *conn) closeIfLate() {
	if e := c.state.refusal(); e != nil {
		c.close(e)
	} else if c.hub.draining.Load() {
		c.close(errDraining)
	}
}

// clock is the time since the hub was made.
func (h *Hub) clock() time.Duration { return time.Since(h.began) }

// enter takes part in the hub's work, which Close waits for, and reports false when the hub is closed. leave ends it.
func (h *Hub) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.work.Add(1)
	return true
}

// hold takes part for a goroutine of somebody who has entered.
func (h *Hub) hold() { h.work.Add(1) }

func (h *Hub) leave() { h.work.Done() }
