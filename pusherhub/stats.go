package pusherhub

import "time"

// Stats is a snapshot of what a hub holds and has done since it was made. Reading it costs the hub a moment for each app, and nothing
// in between.
type Stats struct {
	// AppStats are the sums over all apps, those included that are gone, and NoApp.
	AppStats

	// NoApp is what concerns no app that is known, or one that nobody has used yet: refused sockets and requests.
	NoApp AppStats

	ObservationsDropped uint64 // observers whose queue was full
	PluginPanics        uint64

	// BrokerReady is whether what is published here reaches the other nodes, as a [ReadyBroker] says; always, with any other broker.
	BrokerReady bool

	ForeignSockets    uint64 // events that left out a socket which this hub never had, from two minutes after the start on; only with a [MemoryBroker]
	ReplicasSuspected bool   // there are signs of other replicas: [Hub.Replicas] is not nil

	// Apps are the figures of each app, by its id: of those that are listed, and of those that a source found and that have been used.
	Apps map[string]AppStats

	// Measures are the figures of plugins, the broker and the app source, if they have any ([Measurer]).
	Measures []Measurement
}

// AppStats is what [Stats] says of one app. Fields of type int64 rise and fall, all others only rise.
type AppStats struct {
	Connections        int64          // open sockets
	ConnectionsTotal   uint64         // established since the start
	ConnectionsRefused uint64         // refused with a close code
	Refusals           map[int]uint64 // the same by close code

	// Those that have ended, each once: by the code of the close frame with which the hub ended them; those that the client
	// closed; and those that were lost without a close frame from either side.
	Closes       map[int]uint64
	ClientCloses uint64
	LostSockets  uint64
	PongTimeouts uint64 // contained in Closes

	AuthFailures   AuthFailures
	APIErrors      map[int]uint64 // requests of the HTTP API that were refused, by status
	Channels       int64          // with a subscriber or a cached event
	ChannelsByKind map[ChannelKind]int64
	Subscriptions  int64

	MessagesReceived uint64 // from clients
	BytesReceived    uint64 // from sockets, after TLS
	EventsPublished  uint64 // channel events accepted from the HTTP API
	ClientEvents     uint64 // client events handed to the broker
	FramesQueued     uint64 // handed to sockets, the protocol's own frames included
	BytesSent        uint64 // to sockets, before TLS
	EventsConflated  uint64 // gave way to a newer one in a socket's queue

	SlowReadersClosed    uint64
	FramesDropped        uint64 // that a socket did not get because its reader was too slow
	PublishesOverBacklog uint64 // requests that got 503

	// PublishLatency is the time from when a publish request is read until its events are with the broker. On a single node they
	// stand in their channels' outboxes then. Requests that are refused are not in it.
	PublishLatency Histogram

	// DeliveryLatency is the time from when an event stands in a channel's outbox until the last subscriber of this node has it in its
	// queue, and, unless its socket was busy or has TLS, the kernel. One observation for each event that has subscribers here; the
	// protocol's own events are not in it.
	DeliveryLatency Histogram
}

// AuthFailures counts who was refused because a signature did not hold.
type AuthFailures struct {
	API           uint64 // requests of the HTTP API: key, timestamp, body or signature
	Subscriptions uint64
	SignIns       uint64
}

// LatencyBounds are the upper bounds of a [Histogram]'s buckets.
var LatencyBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts durations.
type Histogram struct {
	Count   uint64
	Sum     time.Duration
	Buckets [len(LatencyBounds)]uint64 // how many were at most the bound of that index and more than the one before
}

// Measurement is a [Measure] and who measured it.
type Measurement struct {
	Of string // the plugin's name, or "broker" or "apps"
	Measure
}

// Stats returns the hub's figures.
func (h *Hub) Stats() Stats {
	measures := h.measures() // first: one that panics is counted
	s := Stats{
		AppStats:            h.departed(),
		NoApp:               h.counters.snapshot(),
		ObservationsDropped: h.counters.observationsDropped.Load(),
		PluginPanics:        h.counters.pluginPanics.Load(),
		BrokerReady:         h.brokerReady() == nil,
		ForeignSockets:      h.foreign.total.Load(),
		ReplicasSuspected:   h.Replicas() != nil,
		Apps:                make(map[string]AppStats),
		Measures:            measures,
	}
	s.Add(s.NoApp)
	h.eachState(func(state *appState) {
		of := state.stats()
		s.Apps[state.id] = of
		s.Add(of)
	})
	if settings := h.settings.Load(); settings != nil {
		apps, _ := settings.listed()
		for _, app := range apps {
			if _, used := s.Apps[app.ID()]; !used {
				s.Apps[app.ID()] = new(counters).snapshot()
			}
		}
	}
	return s
}

// stats returns the app's figures.
func (s *appState) stats() AppStats {
	open := s.connections.Load() // first: without any, the rest is complete
	of := s.counters.snapshot()
	of.Connections = open
	return of
}

// departed returns the sums of apps that are gone. Their last sockets may still be closing.
func (h *Hub) departed() AppStats {
	h.statesMu.Lock()
	defer h.statesMu.Unlock()
	sum := h.settleLeaving()
	sum.Add(h.past)
	return sum
}

// settleLeaving adds apps whose last socket and channel are gone to the past, forgets them, and returns the figures of the others. The
// caller holds statesMu.
func (h *Hub) settleLeaving() AppStats {
	sum := new(counters).snapshot()
	leaving := h.leaving[:0]
	for _, state := range h.leaving {
		of := state.stats()
		if of.Connections == 0 && of.Channels == 0 {
			h.past.Add(of)
			continue
		}
		sum.Add(of)
		leaving = append(leaving, state)
	}
	clear(h.leaving[len(leaving):])
	h.leaving = leaving
	return sum
}
