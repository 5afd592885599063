package pusherhub_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestTakeOutOfParkedSocket(t *testing.T) {
	s := parkingServer(t, pusherhub.AppConfig{SubscriptionErrorFrames: "subscription_error"})
	c := park(t, s)
	list, _, err := s.Hub.Connections(t.Context(), hubtest.AppID, pusherhub.ConnectionQuery{Channel: "news"})
	if err != nil || len(list) != 1 {
		t.Fatalf("found %d sockets, %v, expected 1", len(list), err)
	}
	for range 3 {
		takeOut(t, s, pusherhub.Target{SocketID: list[0].SocketID}, "news", 1)
		c.expect("pusher:subscription_error")
		c.expectQuiet()
		c.send(hubtest.SubscribeFrame("news", "", ""))
		c.expect("pusher_internal:subscription_succeeded")
		expectParked(t, s, 1)
	}
	c.leave(s)
}

// A socket is called while it has sent only a part of a message.
func TestTakeOutInTheMiddleOfAMessage(t *testing.T) {
	s := parkingServer(t, pusherhub.AppConfig{SubscriptionErrorFrames: "subscription_error"})
	c := park(t, s)
	frame := hubtest.ClientFrame(hubtest.Fin|1, []byte(hubtest.SubscribeFrame(strings.Repeat("x", 100), "", "")))
	list, _, err := s.Hub.Connections(t.Context(), hubtest.AppID, pusherhub.ConnectionQuery{})
	if err != nil || len(list) != 1 {
		t.Fatalf("found %d sockets, %v, expected 1", len(list), err)
	}
	c.sendBytes(frame[:50])
	expectParked(t, s, 0)
	takeOut(t, s, pusherhub.Target{SocketID: list[0].SocketID}, "news", 1)
	c.expect("pusher:subscription_error")
	c.sendBytes(frame[50:])
	c.expect("pusher_internal:subscription_succeeded")
	c.leave(s)
}

// Calls meet sockets that are just parked, just woken or at work. None is lost.
func TestTakeOutWhileSocketsAreParked(t *testing.T) {
	s := parkingServer(t, pusherhub.AppConfig{SubscriptionErrorFrames: "subscription_error"})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			c := dialRaw(t, s, "protocol=7")
			channel := fmt.Sprintf("news-%d", i)
			for round := range 100 {
				c.send(hubtest.SubscribeFrame(channel, "", ""))
				c.expect("pusher_internal:subscription_succeeded")
				for range round % 20 * 100 {
					runtime.Gosched()
				}
				list, _, err := s.Hub.Connections(t.Context(), hubtest.AppID, pusherhub.ConnectionQuery{Channel: channel})
				if err != nil || len(list) != 1 {
					t.Errorf("found %d sockets, %v, expected 1", len(list), err)
					return
				}
				takeOut(t, s, pusherhub.Target{SocketID: list[0].SocketID}, channel, 1)
				c.expect("pusher:subscription_error")
			}
			_ = c.Close()
		})
	}
	clients.Wait()
}
