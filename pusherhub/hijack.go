package pusherhub

import (
	"bufio"
	"net"
	"net/http"
)

const (
	// readBuffer is what a socket keeps for reading; frames of clients are small.
	readBuffer = 256

	// controlBuffer holds the longest control frame, so that the library hands over each in one Write.
	controlBuffer = 128
)

// hijacker gives coder/websocket a transport instead of the raw connection. It takes the connection from the innermost writer: the
// recorders that a server wraps around it count bytes without a lock and are read when the handler returns.
type hijacker struct {
	http.ResponseWriter
	c *conn
}

// Hijack takes the connection over.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, brw, err := http.NewResponseController(innermost(h.ResponseWriter)).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if n := brw.Reader.Buffered(); n > 0 {
		early, _ := brw.Reader.Peek(n)
		h.c.early = append([]byte(nil), early...)
	}
	h.c.nc, h.c.queue.nc, h.c.queue.raw = nc, nc, rawConn(nc)
	t := transport{h.c}
	return t, bufio.NewReadWriter(bufio.NewReaderSize(t, readBuffer), bufio.NewWriterSize(t, controlBuffer)), nil
}

func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = wrapper.Unwrap()
	}
}
