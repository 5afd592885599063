package cluster

import (
	"sync/atomic"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
)

// counters count since the start.
type counters struct {
	sent, received, duplicates, ignored, reconnects, reaped atomic.Uint64
	lostLeases, lostMemories, differences, leftOut          atomic.Uint64
}

// reentered counts that this node entered again what it holds, and says so.
func (b *Broker) reentered(reason string) {
	switch reason {
	case reasonLease:
		b.counters.lostLeases.Add(1)
	case reasonMemory:
		b.counters.lostMemories.Add(1)
	case reasonDiffers:
		b.counters.differences.Add(1)
	}
	b.o.Logger.Warn("entering again what this node holds", zap.String("broker", b.o.Name), zap.String("reason", reason))
}

// Measures returns the figures of this moment, see [pusherhub.Measurer].
func (b *Broker) Measures() []pusherhub.Measure {
	waiting, size := b.spool.size()
	away, _ := b.away()
	c := &b.counters
	return []pusherhub.Measure{
		{Name: "connected", Help: "1 while the server is connected and answers.", Value: float64(one(!away))},
		{Name: "nodes", Help: "Nodes that have a lease, as far as this one knows.", Value: float64(b.nodes.Load())},
		{Name: "waiting_messages", Help: "Messages that wait to be sent to the server.", Value: float64(waiting)},
		{Name: "waiting_bytes", Help: "About how much memory they take.", Value: float64(size)},
		{Name: "pending_topics", Help: "Topics of which the register does not know yet what this node holds.", Value: float64(b.holdings.pending())},
		{Name: "sent_total", Help: "Messages that the server has accepted.", Counter: true, Value: float64(c.sent.Load())},
		{Name: "received_total", Help: "Messages of other nodes that were delivered here.", Counter: true, Value: float64(c.received.Load())},
		{Name: "dropped_total", Help: "Messages that other nodes did not get: they waited for too long, or too many did.", Counter: true, Value: float64(b.spool.dropped.Load())},
		{Name: "duplicates_total", Help: "Messages that came twice and were delivered once.", Counter: true, Value: float64(c.duplicates.Load())},
		{Name: "ignored_total", Help: "What came over the bus and was not understood: of another release, or of something else.", Counter: true, Value: float64(c.ignored.Load())},
		{Name: "reconnects_total", Help: "Connections that came about after there was none.", Counter: true, Value: float64(c.reconnects.Load())},
		{Name: "lost_leases_total", Help: "How often this node was taken for dead, and entered again what it holds.", Counter: true, Value: float64(c.lostLeases.Load())},
		{Name: "lost_memories_total", Help: "How often the register had lost its memory, and this node entered again what it holds.", Counter: true, Value: float64(c.lostMemories.Load())},
		{Name: "differences_total", Help: "How often the register had something else of this node than was entered.", Counter: true, Value: float64(c.differences.Load())},
		{Name: "left_out_total", Help: "Changes of members that the server can never take, because they are too large.", Counter: true, Value: float64(c.leftOut.Load())},
		{Name: "reaped_total", Help: "Transitions that this node has made by ending the leases of dead nodes.", Counter: true, Value: float64(c.reaped.Load())},
	}
}
