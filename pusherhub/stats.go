package pusherhub

import "sync/atomic"

// Stats is a snapshot of what a hub holds and has done since it was made.
type Stats struct {
	Connections          int64  // open sockets
	ConnectionsTotal     uint64 // established since the start
	ConnectionsRefused   uint64 // refused with a close code
	Channels             int64  // with a subscriber or a cached event
	Subscriptions        int64
	MessagesReceived     uint64 // from clients
	EventsPublished      uint64 // channel events accepted from the HTTP API
	FramesQueued         uint64 // handed to sockets, the protocol's own frames included
	SlowReadersClosed    uint64
	EventsConflated      uint64 // gave way to a newer one in a socket's queue
	PongTimeouts         uint64
	ObservationsDropped  uint64 // observers whose queue was full
	PluginPanics         uint64
	PublishesOverBacklog uint64 // requests that got 503
}

// counters are the live form of [Stats].
type counters struct {
	connections, channels, subscriptions                                     atomic.Int64
	connectionsTotal, connectionsRefused, messagesReceived                   atomic.Uint64
	eventsPublished, framesQueued, slowReaders, pongTimeouts                 atomic.Uint64
	observationsDropped, pluginPanics, publishesOverBacklog, eventsConflated atomic.Uint64
}

// Stats returns the hub's counters.
func (h *Hub) Stats() Stats {
	c := &h.counters
	return Stats{
		Connections:          c.connections.Load(),
		ConnectionsTotal:     c.connectionsTotal.Load(),
		ConnectionsRefused:   c.connectionsRefused.Load(),
		Channels:             c.channels.Load(),
		Subscriptions:        c.subscriptions.Load(),
		MessagesReceived:     c.messagesReceived.Load(),
		EventsPublished:      c.eventsPublished.Load(),
		FramesQueued:         c.framesQueued.Load(),
		EventsConflated:      c.eventsConflated.Load(),
		SlowReadersClosed:    c.slowReaders.Load(),
		PongTimeouts:         c.pongTimeouts.Load(),
		ObservationsDropped:  c.observationsDropped.Load(),
		PluginPanics:         c.pluginPanics.Load(),
		PublishesOverBacklog: c.publishesOverBacklog.Load(),
	}
}
