package pusherhub

import (
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// writeChunk bounds one write, so that a slow peer's progress shows.
	writeChunk = 64 << 10

	// slowAfter is how long a peer may take nothing while its queue is over the bound.
	slowAfter = 5 * time.Second

	// hardBound times the bound a queue is closed whatever the peer does.
	hardBound = 4

	// keptControl bounds the buffer for control frames that a socket keeps, so that an answer to a ping costs no allocation.
	keptControl = 32

	// closeTimeout is how long a closing socket may take to read what is left for it and to answer the close frame.
	closeTimeout = 2 * time.Second
)

// sendQueue holds what waits to be written to one socket. Nothing in it runs while it is empty: the
// first frame starts a flusher, which ends when it has written the last. Its lock is the last in the
// lock order and never held during a write.
type sendQueue struct {
	// Static.
	nc      net.Conn
	raw     syscall.RawConn // for writes that do not block; nil if nc has none
	deflate bool            // compression was negotiated

	mu       sync.Mutex
	one      [1]*frame     // guarded by mu: holds frames while there is one, so that an event costs no allocation
	frames   []*frame      // guarded by mu: in order, waiting
	size     int           // guarded by mu: bytes of frames
	control  []byte        // guarded by mu: pings and pongs; they overtake frames
	rest     []byte        // guarded by mu: the end of a chunk that the kernel took in part
	last     []byte        // guarded by mu: the close frame, written after all else
	writing  bool          // guarded by mu: a flusher runs, or somebody is about to start one
	ended    bool          // guarded by mu: nothing is accepted any more
	progress time.Time     // guarded by mu: when the flusher last got something written, or started
	idle     chan struct{} // guarded by mu: closed when the flusher ends; nil if nobody waits
}

// pushResult says what follows from a push.
type pushResult uint8

const (
	pushed        pushResult = iota // queued behind others; a flusher is at work
	pushedIdle                      // queued; the caller must start the flusher
	pushedInstead                   // queued in place of an older one; a flusher is at work
	pushEnded                       // not queued: the socket is closing
	pushSlow                        // not queued: the reader is too slow
)

// push queues one frame.
func (q *sendQueue) push(f *frame, bound Size) pushResult {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return pushEnded
	}
	result := pushed
	if f.replaces != "" && len(q.frames) > 0 && q.giveWay(f) {
		result = pushedInstead
	}
	size := q.size + len(f.wireFor(q.deflate))
	if q.size > 0 && q.writing && bound.exceeded(size) &&
		((bound * hardBound).exceeded(size) || time.Since(q.progress) >= slowAfter) {
		return pushSlow
	}
	if q.frames == nil {
		q.frames = q.one[:0]
	}
	q.frames = append(q.frames, f)
	q.size = size
	if q.wake() == pushedIdle {
		return pushedIdle
	}
	return result
}

// pushControl queues a ping or pong, which data never holds up.
func (q *sendQueue) pushControl(wire []byte) pushResult {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return pushEnded
	}
	if len(q.control) > writeChunk {
		return pushed // a peer that pings and does not read gets no more pongs
	}
	q.control = append(q.control, wire...)
	return q.wake()
}

// end queues what the peer is told last and refuses everything after. discard drops what waits. It reports whether
// this call ended the queue, and whether the caller must start the flusher.
func (q *sendQueue) end(farewell []*frame, closing []byte, discard bool) (first, start bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return false, false
	}
	q.ended = true
	if discard {
		q.frames, q.control = nil, nil
	}
	q.frames = append(q.frames, farewell...)
	q.last = closing
	if len(q.frames)+len(q.control)+len(q.last) == 0 {
		return true, false
	}
	return true, q.wake() == pushedIdle
}

// wake claims the flusher's place if it is free. The caller holds mu.
func (q *sendQueue) wake() pushResult {
	if q.writing {
		return pushed
	}
	q.writing = true
	q.progress = time.Now()
	return pushedIdle
}

// take moves the next chunk into w. It reports false, and frees the flusher's place, when nothing is left.
func (q *sendQueue) take(w *writer) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.reset()
	q.progress = time.Now()
	if len(q.rest) > 0 {
		w.add(q.rest) // alone: it ends in the middle of a chunk, behind which anything may come
		q.rest = nil
		return true
	}
	w.control = append(w.control, q.control...)
	w.add(w.control)
	if q.control = q.control[:0]; cap(q.control) > keptControl {
		q.control = nil
	}
	n, control := 0, w.size
	for n < len(q.frames) {
		wire := q.frames[n].wireFor(q.deflate)
		if n > 0 && (w.size+len(wire) > writeChunk || q.frames[n].replaces != "") {
			break // what may give way stays where it can
		}
		w.add(wire)
		n++
	}
	q.size -= w.size - control
	if n == len(q.frames) {
		q.frames, q.one[0] = nil, nil
		w.add(q.last)
		q.last = nil
	} else {
		q.frames = q.frames[n:]
	}
	if w.size > 0 {
		return true
	}
	q.release()
	return false
}

// keepRest puts back what the kernel did not take. It goes out before all else.
func (q *sendQueue) keepRest(rest []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rest = rest
}

// fail drops everything after a failed write: what the peer got may end in the middle of a frame.
func (q *sendQueue) fail() {
	closeNow(q.nc)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.frames, q.control, q.last, q.rest, q.size = nil, nil, nil, nil, 0
	q.release()
}

// release frees the flusher's place. The caller holds mu.
func (q *sendQueue) release() {
	q.writing = false
	if q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
}

// waiting returns how many events wait, those not counted that are being written.
func (q *sendQueue) waiting() (events int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range q.frames {
		events += f.events()
	}
	return events
}

// isEnded reports whether the queue accepts nothing any more.
func (q *sendQueue) isEnded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended
}

// wait returns when no flusher runs.
func (q *sendQueue) wait() {
	q.mu.Lock()
	if !q.writing {
		q.mu.Unlock()
		return
	}
	if q.idle == nil {
		q.idle = make(chan struct{})
	}
	idle := q.idle
	q.mu.Unlock()
	<-idle
}
