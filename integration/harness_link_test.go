package integration

import (
	"bytes"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// link passes TCP connections on to a server, or to any one of several. It can be cut, swallow everything, and be slow, and counts what it carries.
type link struct {
	listener net.Listener
	port     int
	running  sync.WaitGroup

	toServer, toClient atomic.Int64 // bytes that were passed on

	mu      sync.Mutex
	ports   []int                 // guarded by mu: where new connections go
	cut     bool                  // guarded by mu: connections are reset
	hole    bool                  // guarded by mu: nothing is passed on, and nobody is told
	delay   time.Duration         // guarded by mu: of what is passed on, either way
	closed  bool                  // guarded by mu
	changed chan struct{}         // guarded by mu: closed and replaced by every change
	conns   map[net.Conn]struct{} // guarded by mu
	keeping bool                  // guarded by mu
	kept    [2]bytes.Buffer       // guarded by mu: what was passed on to the server and to the client while keeping
}

// The directions of a link.
const (
	toServer = iota
	toClient
)

// newLink starts a link to ports of this machine. It is closed with the test.
func newLink(t testing.TB, ports ...int) *link {
	t.Helper()
	own := freePort(t)
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(own))
	if err != nil {
		t.Fatal(err)
	}
	k := &link{listener: l, port: own, ports: ports, changed: make(chan struct{}), conns: make(map[net.Conn]struct{})}
	k.running.Go(k.accept)
	t.Cleanup(k.close)
	return k
}

// change changes the link's state, and wakes those that wait for it.
func (k *link) change(how func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	how()
	if k.cut || k.closed {
		for c := range k.conns {
			reset(c)
		}
	}
	close(k.changed)
	k.changed = make(chan struct{})
}

// sever resets all connections, and each new one, until heal.
func (k *link) sever() { k.change(func() { k.cut = true }) }

// swallow lets nothing through until heal. Connections stay, new ones are accepted, and nobody is told.
func (k *link) swallow() { k.change(func() { k.hole = true }) }

// slow holds everything up by that much, either way.
func (k *link) slow(by time.Duration) { k.change(func() { k.delay = by }) }

// heal makes the link as it was in the beginning. What a hole has swallowed comes now, as from a network that has sent it again.
func (k *link) heal() { k.change(func() { k.cut, k.hole, k.delay = false, false, 0 }) }

// turnTo passes new connections on to other ports.
func (k *link) turnTo(ports ...int) { k.change(func() { k.ports = ports }) }

// keep begins to keep what is passed on.
func (k *link) keep() { k.change(func() { k.keeping = true }) }

// has reports whether what was kept in that direction holds text, and how many bytes there are.
func (k *link) has(direction int, text string) (found bool, size int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return bytes.Contains(k.kept[direction].Bytes(), []byte(text)), k.kept[direction].Len()
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (k *link) accept() {
	for {
		client, err := k.listener.Accept()
		if err != nil {
			return // closed
		}
		k.mu.Lock()
		port, cut := k.ports[rand.IntN(len(k.ports))], k.cut
		k.mu.Unlock()
		if cut {
			reset(client)
			continue
		}
		server, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			reset(client)
			continue
		}
		k.carry(client, server)
	}
}

// carry passes on what comes on a pair of connections.
func (k *link) carry(client, server net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.cut {
		reset(client)
		reset(server)
		return
	}
	k.conns[client], k.conns[server] = struct{}{}, struct{}{}
	k.running.Go(func() { k.pass(toServer, server, client, &k.toServer) })
	k.running.Go(func() { k.pass(toClient, client, server, &k.toClient) })
}

// piece is what was read at once.
type piece struct {
	data []byte
	due  time.Time // when it may be passed on
}

// pass passes on in one direction until one side ends, which then ends the other.
func (k *link) pass(direction int, to, from net.Conn, count *atomic.Int64) {
	pieces := make(chan piece, 256)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(pieces)
		for {
			data := make([]byte, 32<<10)
			n, err := from.Read(data)
			if err != nil {
				return
			}
			k.mu.Lock()
			due := time.Now().Add(k.delay)
			k.mu.Unlock()
			pieces <- piece{data[:n], due}
		}
	})
	for p := range pieces {
		k.await(direction, p)
		count.Add(int64(len(p.data)))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	for _, c := range []net.Conn{from, to} {
		_ = c.Close()
	}
	for range pieces {
		// what the reader still had in its hands
	}
	reader.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.conns, from)
}

// await returns when a piece may be passed on.
func (k *link) await(direction int, p piece) {
	for {
		k.mu.Lock()
		open, changed := !k.hole || k.closed || k.cut, k.changed
		if open && k.keeping {
			k.kept[direction].Write(p.data)
		}
		k.mu.Unlock()
		if open {
			break
		}
		<-changed
	}
	if wait := time.Until(p.due); wait > 0 {
		time.Sleep(wait)
	}
}

func (k *link) close() {
	_ = k.listener.Close()
	k.change(func() { k.closed = true })
	k.running.Wait()
}
