package pusherhub

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// writersShare is how many sockets one goroutine writes to before it is worth to start another.
	writersShare = 128

	// paceLimit is how long a deliverer waits for the flushers of sockets that it cannot write to itself. When the
	// machine is short of CPU this slows the channel's publishers down instead of filling queues. A socket whose peer
	// does not read costs this once: it is not waited for again until it has caught up.
	paceLimit = 50 * time.Millisecond
)

// deliverer is the state of one run of channel.deliver.
type deliverer struct {
	batch []outgoing
	ready []*conn // sockets whose flusher's place the deliverer has claimed
}

var deliverers = sync.Pool{New: func() any { return new(deliverer) }}

// inlineSubscribers is up to how many subscribers a publisher delivers itself. Then its events to several channels
// arrive in its order, too. With more, it must not wait for them.
const inlineSubscribers = 64

// run delivers what is in the outbox: here if that is quick, in a goroutine of its own if not. The caller holds no lock.
func (ch *channel) run() {
	ch.state.hub.hold()
	if ch.pins.Load() <= inlineSubscribers {
		ch.deliver()
		return
	}
	go ch.deliver()
}

// deliver empties the outbox into the subscribers' queues and writes these, one batch after the
// other. What gathers meanwhile makes the next batch.
func (ch *channel) deliver() {
	defer ch.state.hub.leave()
	d := deliverers.Get().(*deliverer)
	defer deliverers.Put(d)
	for {
		ch.mu.Lock()
		d.batch = ch.takeOutbox(d.batch[:0])
		if len(d.batch) == 0 {
			ch.mu.Unlock()
			return
		}
		billed := d.fanOut(ch.subs)
		ch.state.hub.counters.framesQueued.Add(uint64(len(d.batch)) * uint64(len(ch.subs)))
		ch.mu.Unlock()
		d.write()
		ch.state.backlog.settle(billed)
		clear(d.batch)
		clear(d.ready)
	}
}

// fanOut queues the batch for each subscriber it is meant for. Subscribers that get all of it, which is nearly
// always all of them, share one joined frame. The channel is locked.
func (d *deliverer) fanOut(subs []*subscription) (billed int) {
	d.ready = d.ready[:0]
	whole := true
	for _, out := range d.batch {
		billed += out.billed
		whole = whole && out.except == nil && out.frame.replaces == ""
	}
	one := d.batch[0].frame
	if whole && len(d.batch) > 1 {
		frames := make([]*frame, len(d.batch)) // kept by the joined frame
		for i, out := range d.batch {
			frames[i] = out.frame
		}
		one = joinFrames(frames)
	}
	for _, sub := range subs {
		flush := false
		if whole && sub.after < d.batch[0].seq {
			flush = sub.conn.enqueue(one)
		} else {
			for _, out := range d.batch {
				if out.except != sub.conn && sub.after < out.seq {
					flush = sub.conn.enqueue(out.frame) || flush
				}
			}
		}
		if flush {
			d.ready = append(d.ready, sub.conn)
		}
	}
	return billed
}

// write writes what fanOut has queued: at once where that cannot block, through a flusher each where it can, on all cores
// if there are many. No lock is held.
func (d *deliverer) write() {
	if len(d.ready) == 0 {
		return
	}
	shares := min(runtime.GOMAXPROCS(0), 1+len(d.ready)/writersShare)
	if shares == 1 {
		writeAll(d.ready)
		return
	}
	var wg sync.WaitGroup
	for i := range shares {
		from, to := len(d.ready)*i/shares, len(d.ready)*(i+1)/shares
		wg.Go(func() { writeAll(d.ready[from:to]) })
	}
	wg.Wait()
}

func writeAll(conns []*conn) {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	var pace *pacer
	for _, c := range conns {
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
		c.queue.flush()
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
