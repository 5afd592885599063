package integration

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// tap passes TCP connections on to a server and keeps what the server sends. It sees what is on the wire, whatever a client makes of it.
type tap struct {
	t        testing.TB
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	server string          // guarded by mu: where new connections go
	closed bool            // guarded by mu
	conns  []net.Conn      // guarded by mu
	sent   []*bytes.Buffer // by the server, on one connection each: guarded by mu, and what they hold is read after close only
}

// newTap starts a tap in front of a port of this machine. It is closed with the test.
func newTap(t testing.TB, port int) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{t: t, listener: l}
	p.turnTo(port)
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// turnTo passes new connections on to another port.
func (p *tap) turnTo(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = "127.0.0.1:" + strconv.Itoa(port)
}

func (p *tap) url() string { return "http://" + p.listener.Addr().String() }

func (p *tap) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.mu.Lock()
		address := p.server
		p.mu.Unlock()
		server, err := net.Dial("tcp", address)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.keep(client, server)
	}
}

// keep passes on what comes on a pair of connections, unless the tap has been closed meanwhile.
func (p *tap) keep(client, server net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_, _ = client.Close(), server.Close()
		return
	}
	sent := new(bytes.Buffer)
	p.conns, p.sent = append(p.conns, client, server), append(p.sent, sent)
	p.running.Go(func() { pass(server, client) })
	p.running.Go(func() { pass(client, io.TeeReader(server, sent)) })
}

// pass copies until one side ends, which then ends the other.
func pass(to net.Conn, from io.Reader) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}

// close ends all connections.
func (p *tap) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// webSocket returns what the one WebSocket's handshake agreed on, and the frames that the server sent. The tap is closed.
func (p *tap) webSocket() (extensions string, frames []hubtest.RawFrame) {
	p.t.Helper()
	found := 0
	for _, sent := range p.sent {
		in := bufio.NewReader(sent)
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			continue // a connection for pages
		}
		found++
		extensions = res.Header.Get("Sec-WebSocket-Extensions")
		raw := hubtest.NewRaw(p.t, recording{in: in})
		for f, err := raw.ReadFrame(); err == nil; f, err = raw.ReadFrame() {
			frames = append(frames, f)
		}
	}
	if found != 1 {
		p.t.Errorf("found %d WebSockets, expected one", found)
	}
	return extensions, frames
}

// recording is a connection from which what was sent can be read once more, and nothing else.
type recording struct {
	net.Conn

	in io.Reader
}

func (r recording) Read(b []byte) (int, error) { return r.in.Read(b) }
