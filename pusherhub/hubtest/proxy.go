package hubtest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy is a link between one node's broker and its server that a test can break, for [Cluster].
type Proxy struct {
	target   string
	listener net.Listener
	done     sync.WaitGroup // the goroutines of the listener and of the connections

	mu      sync.Mutex
	healed  sync.Cond             // of mu; stalled or conns have changed
	cut     bool                  // guarded by mu
	stalled bool                  // guarded by mu
	conns   map[net.Conn]struct{} // guarded by mu: both ends of those that are open
}

// NewProxy starts a proxy for the TCP server at target, which need not listen yet. It lasts until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("starting a proxy: %v", err)
	}
	p := &Proxy{target: target, listener: listener, conns: make(map[net.Conn]struct{})}
	p.healed.L = &p.mu
	p.done.Go(p.accept)
	t.Cleanup(func() {
		p.Cut()
		_ = listener.Close()
		p.done.Wait()
	})
	return p
}

// Address is where the proxy listens, as HOST:PORT.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Cut ends all connections, and new ones at once.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for conn := range p.conns {
		p.end(conn)
	}
}

// Stall keeps what is sent in either direction, without a word to either end.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = true
}

// Restore ends Cut and Stall.
func (p *Proxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.stalled = false, false
	p.healed.Broadcast()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.add(client, server) {
			_ = client.Close()
			_ = server.Close()
			continue
		}
		p.done.Go(func() { p.copy(server, client) })
		p.done.Go(func() { p.copy(client, server) })
	}
}

// add notes the ends of a connection, unless the link is cut.
func (p *Proxy) add(client, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	return true
}

// end closes one end of a connection. The lock must be held.
func (p *Proxy) end(conn net.Conn) {
	_ = conn.Close()
	delete(p.conns, conn)
	p.healed.Broadcast()
}

// copy hands on what one end sends to the other, until one of them is closed.
func (p *Proxy) copy(to, from net.Conn) {
	_, _ = io.Copy(to, held{p, from})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(to)
	p.end(from)
}

// held keeps what was read while the link is stalled.
type held struct {
	p    *Proxy
	conn net.Conn
}

// Read implements [io.Reader].
func (h held) Read(data []byte) (int, error) {
	n, err := h.conn.Read(data)
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	for h.p.stalled {
		if _, open := h.p.conns[h.conn]; !open {
			return 0, net.ErrClosed
		}
		h.p.healed.Wait()
	}
	return n, err
}
