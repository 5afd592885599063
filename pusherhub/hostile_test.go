package pusherhub_test

import (
	"encoding/json"
	"runtime"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// hostileServer is a server that is about to be attacked, and a bystander who must not notice. At the
// end of the test the bystander is served as before, every attacker is gone, and no goroutine is left.
func hostileServer(t *testing.T, config pusherhub.AppConfig) *hubtest.Server {
	t.Helper()
	hubtest.CheckGoroutines(t)
	s := hubtest.NewServer(t, config)
	bystander := s.Dial(t)
	bystander.Subscribe("bystander")
	quietly := func() {
		t.Helper()
		s.Publish("bystander", "still", "here")
		bystander.ExpectRaw(`{"event":"still","channel":"bystander","data":"here"}`)
		bystander.ExpectQuiet()
	}
	quietly()
	t.Cleanup(func() {
		quietly()
		hubtest.Eventually(t, "nothing is left but the bystander", func() bool {
			stats := s.Hub.Stats()
			return stats.Connections == 1 && stats.Channels == 1 && stats.Subscriptions == 1
		})
	})
	return s
}

// attack connects a raw client that has read its greeting. The client is closed before the server looks at what is left.
func attack(t *testing.T, s *hubtest.Server) *hubtest.Raw {
	t.Helper()
	r := s.DialRaw(t, "/app/"+s.App.Key+"?protocol=7")
	r.Expect("pusher:connection_established")
	return r
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // the first empties the pools into their victims, the second frees these
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// expectHeap fails if more than limit bytes have been taken since before.
func expectHeap(t *testing.T, before, limit int64) {
	t.Helper()
	if grown := heap() - before; grown > limit {
		t.Errorf("the heap has grown by %d KB, expected at most %d KB", grown>>10, limit>>10)
	}
}

// socketID reads connection_established.
func socketID(t *testing.T, f hubtest.Frame) string {
	t.Helper()
	var data struct {
		SocketID string `json:"socket_id"`
	}
	if err := json.Unmarshal([]byte(f.Text()), &data); err != nil || data.SocketID == "" {
		t.Fatalf("found %s, expected a socket_id", f.Raw)
	}
	return data.SocketID
}
