package pusherhub

import (
	"sync"
	"sync/atomic"
	"time"
)

// paceLimit is how long a deliverer waits for the flushers of sockets that it cannot write to itself. When the
// machine is short of CPU this slows the channel's publishers down instead of filling queues. A socket whose peer
// does not read costs this once: it is not waited for again until it has caught up.
const paceLimit = 50 * time.Millisecond

// deliverer serves one group of subscribers after the other (channel.visit).
type deliverer struct {
	events []outgoing // the channel's outbox
	ready  []*conn    // sockets whose flusher's place the deliverer has claimed

	// Subscribers have nearly always got the same events already, so what they still lack is put together once.
	first, last uint64 // numbers of the events put together
	newest      uint64 // number of the newest event at that time
	count       int    // how many were put together
	joined      *frame // all of them; nil if they differ from socket to socket
}

var deliverers = sync.Pool{New: func() any { return new(deliverer) }}

// reset lets go of everything.
func (d *deliverer) reset() {
	clear(d.ready)
	*d = deliverer{ready: d.ready[:0]}
}

// fanOut queues for each subscriber of a group the events that it lacks, and returns how many frames that were.
// The channel is locked.
func (d *deliverer) fanOut(group []*subscription) (queued int) {
	clear(d.ready)
	d.ready = d.ready[:0]
	if len(d.events) == 0 {
		return 0
	}
	last := d.events[len(d.events)-1].seq
	for _, sub := range group {
		if sub.after >= last {
			continue
		}
		lacks := d.lackedAfter(sub.after, last)
		sub.after = d.last
		flush := false
		if d.joined != nil {
			flush = sub.conn.enqueue(d.joined)
			queued += d.count
		} else {
			for _, out := range lacks {
				if out.except != sub.conn {
					flush = sub.conn.enqueue(out.frame) || flush
					queued++
				}
			}
		}
		if flush {
			d.ready = append(d.ready, sub.conn)
		}
	}
	return queued
}

// lackedAfter returns the events behind number after that a subscriber is to get now, up to d.last, and puts them together
// in d.joined if all subscribers get them all.
func (d *deliverer) lackedAfter(after, newest uint64) []outgoing {
	oldest := d.events[0].seq
	lacks := d.events[max(after+1, oldest)-oldest:]
	if d.first == lacks[0].seq && d.newest == newest {
		return lacks[:d.count]
	}
	d.count = countUpTo(lacks, maxBatch)
	lacks = lacks[:d.count]
	d.first, d.last, d.newest = lacks[0].seq, lacks[d.count-1].seq, newest
	d.joined = joinAll(lacks)
	return lacks
}

// joinAll returns one frame for all the events, nil if they are not for everybody or may give way to newer ones.
func joinAll(events []outgoing) *frame {
	for _, out := range events {
		if out.except != nil || out.frame.replaces != "" {
			return nil
		}
	}
	if len(events) == 1 {
		return events[0].frame
	}
	frames := make([]*frame, len(events)) // kept by the joined frame
	for i, out := range events {
		frames[i] = out.frame
	}
	return joinFrames(frames)
}

// write writes what fanOut has queued: at once where that cannot block, through a flusher each where it can. No lock is held.
func (d *deliverer) write() {
	if len(d.ready) == 0 {
		return
	}
	w := writers.Get().(*writer)
	defer writers.Put(w)
	w.sent = 0
	sent := &d.ready[0].counters().bytesSent // all are of one channel
	var pace *pacer
	for _, c := range d.ready {
		if c.queue.raw == nil {
			if pace == nil {
				pace = newPacer()
			}
			pace.flush(c)
		} else if !c.queue.flushNow(w) {
			c.startFlush()
		}
	}
	w.reset()
	if w.sent > 0 {
		sent.Add(uint64(w.sent))
	}
	if pace != nil {
		pace.wait()
	}
}

// pacer waits for flushers, but not for long.
type pacer struct {
	running atomic.Int32 // flushers, and wait itself
	done    chan struct{}
}

func newPacer() *pacer {
	p := &pacer{done: make(chan struct{})}
	p.running.Store(1)
	return p
}

// flush starts a flusher for a socket that cannot be written to without the risk of blocking.
func (p *pacer) flush(c *conn) {
	p.running.Add(1)
	go func() {
		c.queue.flush(&c.counters().bytesSent)
		p.end()
	}()
}

func (p *pacer) end() {
	if p.running.Add(-1) == 0 {
		close(p.done)
	}
}

func (p *pacer) wait() {
	p.end()
	timer := time.NewTimer(paceLimit)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	}
}
