package pusherhub

import (
	"bufio"
	"net"
	"net/http"
	"strings"

	"github.com/coder/websocket"
)

// readBuffer is what a socket keeps for reading; frames of clients are small.
const readBuffer = 256

// shakeHands lets coder/websocket answer the handshake. What it returns is let go: the conn itself reads and writes frames.
func (c *conn) shakeHands(w http.ResponseWriter, r *http.Request, options *websocket.AcceptOptions) error {
	ws, err := websocket.Accept(hijacker{w, c}, r, options)
	if err != nil {
		return err
	}
	c.queue.deflate = strings.HasPrefix(w.Header().Get("Sec-WebSocket-Extensions"), "permessage-deflate")
	return ws.CloseNow()
}

// hijacker takes the connection for the conn. It takes it from the innermost writer: the
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
	h.c.in = incoming{c: h.c, fin: true}
	h.c.parkable = canPark && h.c.queue.raw != nil
	return kept{nc}, brw, nil
}

// kept is a connection that the library cannot close.
type kept struct{ net.Conn }

// Close does nothing.
func (kept) Close() error { return nil }

func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = wrapper.Unwrap()
	}
}
