package pusherhub

import (
	"net"
	"testing"
	"time"
)

// calledConn is a socket at the moment at which its reader was called and has not looked yet.
func calledConn(t *testing.T) *conn {
	t.Helper()
	app, err := NewApp(AppConfig{ID: "i", Key: "k", Secret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	hub := New()
	state := &appState{hub: hub, id: app.ID()}
	state.app.Store(app)
	c := &conn{hub: hub, state: state, nc: nc, parkable: true, called: true, lastRead: time.Now(), spoke: time.Now()}
	c.queue.nc, c.queue.raw = nc, rawConn(nc)
	c.in = incoming{c: c, fin: true}
	t.Cleanup(func() {
		_ = nc.Close()
		_ = peer.Close()
		hub.parking.close()
	})
	return c
}

// Who called a moment before the socket was parked has found nobody to wake.
func TestCalledSocketIsNotParked(t *testing.T) {
	c := calledConn(t)
	c.takeBuffer()
	if c.park() {
		t.Error("the socket is parked and will not hear of the call")
	}
	c.called = false
	c.takeBuffer()
	if !c.park() {
		t.Error("the socket is not parked")
	}
	c.hub.parking.leave(c)
}

// A heartbeat that is due just then does not put off what the reader was called for.
func TestHeartbeatKeepsTheCall(t *testing.T) {
	c := calledConn(t)
	_ = c.nc.SetReadDeadline(time.Now())
	c.armHeartbeat(time.Now())
	read := make(chan error, 1)
	go func() {
		_, err := c.nc.Read(make([]byte, 1))
		read <- err
	}()
	select {
	case <-read:
	case <-time.After(5 * time.Second):
		t.Error("the read deadline is not over any more")
	}
}
