package webhooks

import (
	"sync/atomic"

	"github.com/onecharge/pusherhub/pusherhub"
)

// figures count what becomes of an app's events. They outlive changes of settings.
type figures struct {
	events, delivered, dropped, cancelled, requests, failures atomic.Uint64
	held                                                      atomic.Int64
}

// Measures returns the figures of the apps, see [pusherhub.Measurer].
func (p *plugin) Measures() (measures []pusherhub.Measure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for app, o := range p.outboxes {
		f := o.figures
		waiting, size := o.backlog()
		for _, m := range []pusherhub.Measure{
			{Name: "events_total", Help: "Events that at least one endpoint is told about.", Counter: true, Value: float64(f.events.Load())},
			{Name: "delivered_total", Help: "Events that an endpoint has taken, for each endpoint.", Counter: true, Value: float64(f.delivered.Load())},
			{Name: "dropped_total", Help: "Events that an endpoint will never get, for each endpoint: its queue was full, it failed for too long or is gone.", Counter: true, Value: float64(f.dropped.Load())},
			{Name: "cancelled_total", Help: "Ends of states that were not told because the state returned in time.", Counter: true, Value: float64(f.cancelled.Load())},
			{Name: "requests_total", Help: "Requests to endpoints, with each try.", Counter: true, Value: float64(f.requests.Load())},
			{Name: "failed_requests_total", Help: "Requests that were not answered with 2xx.", Counter: true, Value: float64(f.failures.Load())},
			{Name: "held_events", Help: "Events that wait for the state to return.", Value: float64(f.held.Load())},
			{Name: "waiting_events", Help: "Events that wait to be delivered, for each endpoint.", Value: float64(waiting)},
			{Name: "waiting_bytes", Help: "What waits to be delivered, in bytes of memory, or of the spool's file.", Value: float64(size)},
		} {
			m.App = app
			measures = append(measures, m)
		}
	}
	return measures
}

// backlog returns what waits in the queues: events and bytes.
func (o *outbox) backlog() (events int, bytes int64) {
	if !isClosed(o.opened) {
		return 0, 0
	}
	for _, url := range o.queues.urls() {
		events += o.queues.waiting(url)
	}
	return events, o.queues.size()
}
