package hubtest

import (
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Recorder is an observer that keeps what it is told until a test asks for it.
type Recorder struct {
	mu    sync.Mutex
	queue []pusherhub.Observation // guarded by mu: not asked for yet
	more  chan struct{}           // holds a token after the queue grew
}

// NewRecorder returns a recorder for the plugins of an app.
func NewRecorder() *Recorder { return &Recorder{more: make(chan struct{}, 1)} }

// Name is "recorder".
func (r *Recorder) Name() string { return "recorder" }

// Observe keeps o.
func (r *Recorder) Observe(o pusherhub.Observation) {
	r.mu.Lock()
	r.queue = append(r.queue, o)
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// Next waits for the next observation.
func (r *Recorder) Next(t testing.TB) pusherhub.Observation {
	t.Helper()
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	for {
		if o, found := r.take(); found {
			return o
		}
		select {
		case <-r.more:
		case <-patience.C:
			t.Fatal("waiting for an observation in vain")
		}
	}
}

// Expect waits for the next observation, which must be want in all but its time.
func (r *Recorder) Expect(t testing.TB, want pusherhub.Observation) {
	t.Helper()
	o := r.Next(t)
	if o.Time.IsZero() {
		t.Errorf("%s has no time", o.Type)
	}
	if o.Time = want.Time; o != want {
		t.Fatalf("observed %+v, expected %+v", o, want)
	}
}

// Rest returns what was observed and not asked for.
func (r *Recorder) Rest() []pusherhub.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.queue
	r.queue = nil
	return rest
}

func (r *Recorder) take() (o pusherhub.Observation, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return o, false
	}
	o, r.queue = r.queue[0], r.queue[1:]
	return o, true
}
