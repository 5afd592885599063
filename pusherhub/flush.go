package pusherhub

import (
	"net"
	"sync"
	"sync/atomic"
)

// flush writes until the queue is empty, however long the peer takes, and counts the bytes. Who was told pushedIdle calls it, or flushNow.
func (q *sendQueue) flush(sent *atomic.Uint64) {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	for q.take(w) {
		if err := w.writeTo(q.nc); err != nil {
			q.fail()
			return
		}
		sent.Add(uint64(w.size))
	}
}

// flushNow writes what the kernel takes at once, counts the bytes in w.sent, and reports whether that was all. If not, the
// caller still has the flusher's place and must start flush.
func (q *sendQueue) flushNow(w *writer) (all bool) {
	for q.take(w) {
		chunk := w.join()
		n, err := w.tryWrite(q.raw, chunk)
		w.sent += n
		if err != nil {
			q.fail()
			return true
		}
		if n < len(chunk) {
			rest := chunk[n:]
			if len(w.parts) > 1 || len(w.control) > 0 {
				rest = append([]byte(nil), rest...) // the scratch space is not the queue's, a frame is
			}
			q.keepRest(rest)
			return false
		}
	}
	return true
}

// flushSmall is flushNow with scratch space of the pool's.
func (q *sendQueue) flushSmall(sent *atomic.Uint64) (all bool) {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	w.sent = 0
	all = q.flushNow(w)
	sent.Add(uint64(w.sent))
	return all
}

// writer holds a flusher's scratch space. Idle sockets have none.
type writer struct {
	parts   net.Buffers
	control []byte // a copy of what the queue held
	joined  []byte
	size    int
	sent    int // what flushNow has written; the caller begins at 0

	// For tryWrite, whose callback is made once so that a write allocates nothing.
	callback func(fd uintptr) bool
	pending  []byte
	written  int
	err      error
}

var writers = sync.Pool{New: func() any {
	w := new(writer)
	w.callback = w.writeOnce
	return w
}}

func (w *writer) reset() {
	clear(w.parts)
	w.parts, w.control, w.joined, w.size = w.parts[:0], w.control[:0], w.joined[:0], 0
}

func (w *writer) add(wire []byte) {
	if len(wire) > 0 {
		w.parts = append(w.parts, wire)
		w.size += len(wire)
	}
}

// join returns all parts as one slice.
func (w *writer) join() []byte {
	if len(w.parts) == 1 {
		return w.parts[0]
	}
	for _, p := range w.parts {
		w.joined = append(w.joined, p...)
	}
	return w.joined
}

// writeTo writes all parts in one go: one system call, and one record with TLS.
func (w *writer) writeTo(nc net.Conn) error {
	_, err := nc.Write(w.join())
	return err
}

// closeNow ends the connection without a word: a TLS close_notify would wait for a peer that does not read. The reader, which
// learns of it, closes the socket, so that nobody's descriptor is taken away from under the parking lot.
func closeNow(nc net.Conn) {
	nc = transportBelow(nc)
	if tcp, ok := nc.(*net.TCPConn); ok {
		_, _ = tcp.CloseRead(), tcp.CloseWrite()
		return
	}
	_ = nc.Close()
}

// transportBelow returns the connection that TLS runs on, or nc itself.
func transportBelow(nc net.Conn) net.Conn {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return nc
}
