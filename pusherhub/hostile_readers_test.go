package pusherhub_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A subscriber that never reads is closed when its queue is full. Until then and after it the others get every
// event in order, and memory stays within the queue's bound although far more goes by.
func TestSubscriberThatNeverReads(t *testing.T) {
	const batches, perBatch, size = 40, 50, 10_000 // 20 MB in all
	s := hostileServer(t, pusherhub.AppConfig{MaxQueue: 256 << 10})
	stuck := attack(t, s)
	stuck.SendText(hubtest.SubscribeFrame("flood", "", ""))
	stuck.Expect("pusher_internal:subscription_succeeded")

	received := make(chan error, 2)
	for range 2 {
		c := s.Dial(t)
		c.Subscribe("flood")
		go func() {
			for n := range batches * perBatch {
				_, text, err := c.WS.Read(t.Context())
				if prefix := fmt.Sprintf(`{"event":"e%d",`, n); err == nil && !strings.HasPrefix(string(text), prefix) {
					err = fmt.Errorf("found %.40s, expected %s", text, prefix)
				}
				if err != nil || (n+1)%perBatch == 0 {
					received <- err
				}
				if err != nil {
					return
				}
			}
		}()
	}
	before := heap()
	for batch := range batches {
		publishBatch(t, s, "flood", batch*perBatch, perBatch, size)
		for range 2 {
			if err := <-received; err != nil {
				t.Fatal(err)
			}
		}
		if batch%20 == 19 {
			expectHeap(t, before, 4<<20)
		}
	}
	if n := s.Hub.Stats().SlowReadersClosed; n != 1 {
		t.Errorf("found %d slow readers closed, expected 1", n)
	}
}

// publishBatch publishes n events called e{from} and so on with size bytes of data each.
func publishBatch(t *testing.T, s *hubtest.Server, channel string, from, n, size int) {
	t.Helper()
	data := strings.Repeat("x", size)
	var events []string
	for i := from; i < from+n; i++ {
		events = append(events, fmt.Sprintf(`{"name":"e%d","channel":%q,"data":%q}`, i, channel, data))
	}
	status, answer, _ := s.Do(http.MethodPost, "/batch_events", `{"batch":[`+strings.Join(events, ",")+`]}`, nil)
	if status != http.StatusOK {
		t.Fatalf("publishing: found %d %s", status, answer)
	}
}

// Pongs to a peer that pings and never reads are dropped when there are too many. The network is a pipe that keeps nothing: a
// kernel would keep megabytes.
func TestWebSocketPingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		bystander := dialRaw(t, s, "")
		r := dialRaw(t, s, "")
		ping := hubtest.ClientFrame(pingOp, []byte(strings.Repeat("p", 125)))
		before := heap()
		for range 20_000 {
			r.sendBytes(ping)
		}
		expectHeap(t, before, 1<<20) // of 2.5 MB
		bystander.expectQuiet()
		if n := s.Hub.Stats().SlowReadersClosed; n != 0 {
			t.Errorf("found %d slow readers closed, expected none: pings are free", n)
		}
	})
}

// A peer that sends pusher:ping and never reads is a slow reader like any other.
func TestPusherPingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{MaxQueue: 64 << 10})
		bystander := dialRaw(t, s, "")
		r := dialRaw(t, s, "")
		ping := hubtest.ClientFrame(textOp, []byte(`{"event":"pusher:ping"}`))
		before := heap()
		for n := 0; s.Hub.Stats().SlowReadersClosed == 0; n++ {
			if n == 10_000 {
				t.Fatal("10 000 answers that nobody has read are waiting")
			}
			r.sendBytes(ping)
			synctest.Wait()
		}
		expectHeap(t, before, 1<<20)
		for r.TrySend(ping) == nil { // until the time for last words is over
			<-time.After(time.Second)
		}
		bystander.expectQuiet()
	})
}

// A client that resets its connection in the middle of a frame leaves its channels like one that says goodbye.
func TestClientThatVanishes(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	watcher := s.Join(t, "presence-room", `{"user_id":"watcher"}`)
	for i := range 100 {
		r := s.DialRaw(t, "/app/"+s.App.Key)
		c := &hubtest.Client{SocketID: socketID(t, r.Expect("pusher:connection_established"))}
		member := fmt.Sprintf(`{"user_id":"guest %d"}`, i)
		r.SendText(hubtest.SubscribeFrame("presence-room", s.Auth(c, "presence-room", member), member))
		r.Expect("pusher_internal:subscription_succeeded")
		whisper := hubtest.ClientFrame(textOp, []byte(`{"event":"client-last-words","channel":"presence-room","data":"`+strings.Repeat("x", i)+`"}`))
		r.Send(string(whisper) + string(whisper[:len(whisper)*i/100]))
		_ = r.Conn.(*net.TCPConn).SetLinger(0)
		_ = r.Close()

		if f := watcher.Expect("pusher_internal:member_added"); !strings.Contains(f.Text(), member[:len(member)-1]) {
			t.Fatalf("found %s, expected %s", f.Raw, member)
		}
		f := watcher.Next()
		if f.Event == "client-last-words" { // unless the reset overtook it
			f = watcher.Next()
		}
		if f.Event != "pusher_internal:member_removed" {
			t.Fatalf("found %s, expected that the guest has left", f.Raw)
		}
	}
	watcher.ExpectQuiet()
	watcher.Close()
}
