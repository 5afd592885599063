package pusherhub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// slowReader is a subscriber that reads when a test says so, beside one that always reads.
type slowReader struct {
	*rawClient
	s     *hubtest.Server
	other *rawClient
	frame int // bytes of an event's frame
}

const slowBound = 100 << 10

func newSlowReader(t *testing.T, bound pusherhub.Size) *slowReader {
	s := hubtest.NewPipeServer(t, pusherhub.AppConfig{MaxQueue: bound})
	r := &slowReader{s: s, rawClient: dialRaw(t, s, ""), other: dialRaw(t, s, "")}
	for _, c := range []*rawClient{r.rawClient, r.other} {
		c.send(hubtest.SubscribeFrame("news", "", ""))
		c.expect("pusher_internal:subscription_succeeded")
	}
	return r
}

// publish publishes an event of 40 KB, which the other subscriber reads.
func (r *slowReader) publish() {
	r.t.Helper()
	r.s.Publish("news", "e", strings.Repeat("x", 40<<10))
	r.frame = len(r.other.expect("e").Raw) + 4
	later(time.Millisecond)
}

// expectClosed expects to be cut off: at most one event that was being written is left, then the close frame.
func (r *slowReader) expectClosed() {
	r.t.Helper()
	if n := r.s.Hub.Stats().SlowReadersClosed; n != 1 {
		r.t.Fatalf("found %d slow readers closed, expected 1", n)
	}
	// all that was published but the one event that was being written
	if st := r.s.Hub.Stats(); st.FramesDropped != st.EventsPublished-1 {
		r.t.Errorf("found %d frames dropped of %d events, expected all but one", st.FramesDropped, st.EventsPublished)
	}
	r.expect("e")
	if reason := r.expectClose(4100); reason != "Too slow: events are not being read" {
		r.t.Errorf("found reason %q", reason)
	}
	later(time.Millisecond)
	if n := r.s.Hub.Stats().Connections; n != 1 {
		r.t.Errorf("found %d connections, expected the other subscriber's", n)
	}
	r.publish() // which is as well as ever
}

func TestSlowReader(t *testing.T) {
	t.Run("max_queue: over the bound, with nothing taken for 5 s, is closed 4100", bubble(func(t *testing.T) {
		r := newSlowReader(t, slowBound)
		for range 5 { // one is being written, four wait: over the bound
			r.publish()
		}
		later(4 * time.Second)
		r.publish()
		if n := r.s.Hub.Stats().SlowReadersClosed; n != 0 {
			t.Fatal("closed too early")
		}
		later(time.Second)
		r.publish()
		r.expectClosed()
	}))
	t.Run("max_queue: over 4 times the bound is closed 4100 at once", bubble(func(t *testing.T) {
		r := newSlowReader(t, slowBound)
		published := 0
		for r.s.Hub.Stats().SlowReadersClosed == 0 {
			r.publish()
			published++
		}
		if waiting := (published - 2) * r.frame; waiting > 4*slowBound || waiting < 4*slowBound-2*r.frame {
			t.Errorf("closed with %d bytes waiting, expected %d", waiting, 4*slowBound)
		}
		r.expectClosed()
	}))
	t.Run("max_queue: within the bound a reader may take its time", bubble(func(t *testing.T) {
		r := newSlowReader(t, slowBound)
		for range 3 { // one is being written, two wait: within the bound
			r.publish()
			later(10 * time.Second)
		}
		for range 3 {
			r.expect("e")
		}
		r.expectQuiet()
	}))
	t.Run("max_queue: over the bound a reader that reads something may stay", bubble(func(t *testing.T) {
		r := newSlowReader(t, slowBound)
		for range 5 {
			r.publish()
		}
		for range 10 {
			later(4 * time.Second)
			r.expect("e")
			r.publish()
		}
		for range 5 {
			r.expect("e")
		}
		r.expectQuiet()
	}))
	t.Run("max_queue: its default is 1 MiB", bubble(func(t *testing.T) {
		r := newSlowReader(t, 0)
		for range 26 { // 25 wait, which is just within the bound
			r.publish()
		}
		if waiting := 25 * r.frame; waiting > 1<<20 || waiting+r.frame < 1<<20 {
			t.Fatalf("%d bytes wait, which proves nothing", waiting)
		}
		later(10 * time.Second)
		if n := r.s.Hub.Stats().SlowReadersClosed; n != 0 {
			t.Fatal("closed within the bound")
		}
		r.publish()
		r.expectClosed()
	}))
	t.Run("a slow reader that never reads is gone after the close timeout", bubble(func(t *testing.T) {
		r := newSlowReader(t, slowBound)
		for r.s.Hub.Stats().SlowReadersClosed == 0 {
			r.publish()
		}
		later(5 * time.Second)
		if n := r.s.Hub.Stats().Connections; n != 1 {
			t.Errorf("found %d connections, expected the other subscriber's", n)
		}
	}))
}
