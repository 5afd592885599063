package pusherhub_test

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// parkingServer parks its sockets as soon as they are quiet.
func parkingServer(t *testing.T, config pusherhub.AppConfig) *hubtest.Server {
	t.Helper()
	hubtest.CheckGoroutines(t)
	s := hubtest.NewServer(t, config)
	s.Hub.ParkAfter(time.Millisecond)
	t.Cleanup(s.Client.CloseIdleConnections)
	return s
}

func expectParked(t *testing.T, s *hubtest.Server, n int64) {
	t.Helper()
	hubtest.Eventually(t, fmt.Sprintf("%d sockets are parked", n), func() bool { return s.Hub.Parked() == n })
}

// expectAllParked waits until every socket that is there is parked.
func expectAllParked(t *testing.T, s *hubtest.Server) {
	t.Helper()
	hubtest.Eventually(t, "all sockets are parked", func() bool { return s.Hub.Parked() == s.Hub.Stats().Connections })
}

// park connects a socket, subscribes it, and waits until it is parked.
func park(t *testing.T, s *hubtest.Server) *rawClient {
	t.Helper()
	c := dialRaw(t, s, "protocol=7")
	c.send(hubtest.SubscribeFrame("news", "", ""))
	c.expect("pusher_internal:subscription_succeeded")
	expectAllParked(t, s)
	return c
}

// leave closes the connection and waits until the server has noticed.
func (c *rawClient) leave(s *hubtest.Server) {
	c.t.Helper()
	before := s.Hub.Stats().Connections
	_ = c.Close()
	hubtest.Eventually(c.t, "the socket is gone", func() bool { return s.Hub.Stats().Connections == before-1 })
}

func TestParkedSocket(t *testing.T) {
	s := parkingServer(t, pusherhub.AppConfig{})
	t.Run("gets events and stays parked", func(t *testing.T) {
		c := park(t, s)
		for range 3 {
			s.Publish("news", "e", "x")
			c.expectRaw(`{"event":"e","channel":"news","data":"x"}`)
		}
		expectParked(t, s, 1)
		c.leave(s)
	})
	t.Run("is woken by whatever arrives, again and again", func(t *testing.T) {
		c := park(t, s)
		for range 3 {
			c.expectQuiet()
			expectParked(t, s, 1)
			c.sendFrame(hubtest.Fin|opPing, "hello")
			c.expectControl(opPong, "hello")
			expectParked(t, s, 1)
		}
		c.leave(s)
	})
	t.Run("is not parked in the middle of a frame or a message", func(t *testing.T) {
		c := park(t, s)
		frame := hubtest.ClientFrame(hubtest.Fin|opText, []byte(`{"event":"pusher:ping"}`))
		for _, b := range frame[:len(frame)-1] {
			c.sendBytes([]byte{b})
			<-time.After(5 * time.Millisecond) // quiet enough, were it not in the middle
		}
		c.sendBytes(frame[len(frame)-1:])
		c.expect("pusher:pong")
		expectParked(t, s, 1)
		c.sendFrame(opText, `{"event":`)
		c.sendFrame(hubtest.Fin|opPing, "between")
		c.expectControl(opPong, "between")
		<-time.After(5 * time.Millisecond)
		if n := s.Hub.Parked(); n != 0 {
			t.Errorf("found %d parked sockets, expected none", n)
		}
		c.sendFrame(hubtest.Fin|opContinuation, `"pusher:ping"}`)
		c.expect("pusher:pong")
		c.leave(s)
	})
	t.Run("is closed by the peer", func(t *testing.T) {
		c := park(t, s)
		c.sendFrame(hubtest.Fin|opClose, "\x03\xe8")
		c.expectControl(opClose, "\x03\xe8")
		c.expectEnd()
		hubtest.Eventually(t, "it is gone", func() bool { return s.Hub.Stats().Connections == 0 })
	})
	t.Run("is terminated", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		expectParked(t, s, 1)
		terminate(t, s, "7")
		expectTerminated(t, c, 4009)
	})
	t.Run("is drained, and does not wait for an answer for ever", func(t *testing.T) {
		c := park(t, s)
		if err := s.Hub.Drain(context.Background()); err != nil {
			t.Fatal(err)
		}
		c.expect("pusher:error")
		if opcode, _ := c.next(); opcode != opClose {
			t.Fatalf("found opcode %d, expected a close frame", opcode)
		}
		c.expectEnd()
	})
}

func TestParkedHeartbeat(t *testing.T) {
	t.Run("comes when it is due", func(t *testing.T) {
		c := park(t, parkingServer(t, pusherhub.AppConfig{PingInterval: pusherhub.Duration(time.Second)}))
		c.expectControl(opPing, "")
	})
	t.Run("ends the silent", func(t *testing.T) {
		s := parkingServer(t, pusherhub.AppConfig{})
		c := park(t, s)
		s.Hub.AgeParked(2 * time.Minute)
		c.expectControl(opPing, "")
		expectParked(t, s, 1)
		c.sendFrame(hubtest.Fin|opPong, "")
		c.expectQuiet()
		expectParked(t, s, 1)
		s.Hub.AgeParked(probeTimeout) // which nothing has followed
		expectParked(t, s, 1)
		s.Hub.AgeParked(2 * time.Minute)
		c.expectControl(opPing, "")
		expectParked(t, s, 1)
		s.Hub.AgeParked(probeTimeout)
		c.expect("pusher:error")
		c.expectClose(4201)
	})
}

func TestParkedCompression(t *testing.T) {
	s := parkingServer(t, pusherhub.AppConfig{Compression: new(true)})
	c := s.DialRaw(t, "/app/"+s.App.Key, "Sec-WebSocket-Extensions: permessage-deflate")
	c.Expect("pusher:connection_established")
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestSpeed)
	_, _ = w.Write([]byte(`{"event":"pusher:ping"}`))
	_ = w.Flush()
	const rsv1 = 0x40
	for range 3 {
		expectParked(t, s, 1)
		c.SendFrame(hubtest.Fin|rsv1|opText, strings.TrimSuffix(packed.String(), "\x00\x00\xff\xff"))
		c.Expect("pusher:pong")
	}
}

// Parked sockets cost no goroutine, whoever closes the hub reaches them, and nothing is left then.
func TestParkedCrowd(t *testing.T) {
	const sockets = 500
	s := parkingServer(t, pusherhub.AppConfig{})
	first := park(t, s)
	crowd := []*rawClient{first}
	s.Client.CloseIdleConnections()
	before := runtime.NumGoroutine()
	for range sockets {
		crowd = append(crowd, park(t, s))
	}
	hubtest.Eventually(t, "only the parking lot's goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	s.Publish("news", "e", "x")
	for _, c := range crowd {
		c.expect("e")
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Hub.Close() }()
	for _, c := range crowd {
		c.expect("pusher:error")
		c.expectClose(4200)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// Descriptors are used again as soon as a socket is closed. Nobody's bytes, alarm or close may reach the next one.
func TestParkedDescriptorsAreUsedAgain(t *testing.T) {
	s := parkingServer(t, pusherhub.AppConfig{})
	stop := make(chan struct{})
	var waking, visitors sync.WaitGroup
	waking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.Hub.WakeParked()
				runtime.Gosched()
			}
		}
	})
	for range 8 {
		visitors.Go(func() {
			for i := range 60 {
				c := s.DialRaw(t, "/app/"+s.App.Key)
				c.Expect("pusher:connection_established")
				id := fmt.Sprint(i)
				c.SendFrame(hubtest.Fin|opPing, id)
				if f := c.NextFrame(); f.First != hubtest.Fin|opPong || string(f.Payload) != id {
					t.Errorf("found %v, expected the pong %s", f, id)
				}
				c.SendText(`{"event":"pusher:ping"}`)
				c.Expect("pusher:pong")
				if i%2 == 0 {
					c.SendFrame(hubtest.Fin|opClose, "\x03\xe8")
					c.ExpectClose(1000)
				}
				_ = c.Close()
			}
		})
	}
	visitors.Wait()
	close(stop)
	waking.Wait()
	hubtest.Eventually(t, "all are gone", func() bool { return s.Hub.Stats().Connections == 0 })
	expectParked(t, s, 0)
}
