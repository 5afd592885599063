package pusherhub

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

func conflated(channel, event, data string) *frame {
	f := newFrame(eventPayload(event, channel, data))
	f.replaces = conflationName(channel, event)
	return f
}

// behindQueue returns a queue whose flusher's place is taken, as that of a socket whose peer does not read.
func behindQueue() *sendQueue { return &sendQueue{writing: true} }

func queued(q *sendQueue) string {
	var all [][]byte
	for _, f := range q.frames {
		all = append(all, f.payload())
	}
	return string(bytes.Join(all, []byte("\n")))
}

func TestConflation(t *testing.T) {
	q := behindQueue()
	other := newFrame(eventPayload("note", "drivers", "keep"))
	for _, f := range []*frame{
		conflated("drivers", "moved", "1"), other, conflated("drivers", "stopped", "1"),
		conflated("riders", "moved", "1"), conflated("drivers", "moved", "2"), conflated("drivers", "moved", "3"),
	} {
		if result := q.push(f, 1<<20); result != pushed && result != pushedInstead {
			t.Fatalf("push answered %d", result)
		}
	}
	want := strings.Join([]string{
		`{"event":"note","channel":"drivers","data":"keep"}`,
		`{"event":"stopped","channel":"drivers","data":"1"}`,
		`{"event":"moved","channel":"riders","data":"1"}`,
		`{"event":"moved","channel":"drivers","data":"3"}`,
	}, "\n")
	if got := queued(q); got != want {
		t.Errorf("found\n%s\nexpected\n%s", got, want)
	}
	size := 0
	for _, f := range q.frames {
		size += len(f.wire)
	}
	if q.size != size {
		t.Errorf("the queue counts %d bytes and holds %d", q.size, size)
	}
}

func TestConflationBoundsTheQueue(t *testing.T) {
	q := behindQueue()
	for i := range 100_000 {
		if result := q.push(conflated("drivers", "moved", strconv.Itoa(i)), 4096); result == pushSlow {
			t.Fatalf("event %d: a reader on a conflated channel was found too slow", i)
		}
	}
	if len(q.frames) != 1 {
		t.Errorf("%d events wait, expected the newest only", len(q.frames))
	}
}

func TestSlowReadersOption(t *testing.T) {
	config := AppConfig{ID: "id", Key: "key", Secret: "secret"}
	for _, tc := range []struct {
		set   *SlowReaders
		wrong string // part of the error; empty: none
	}{
		{nil, ""},
		{&SlowReaders{}, ""},
		{&SlowReaders{Policy: "close"}, ""},
		{&SlowReaders{Policy: "conflate", Channels: []string{"drivers-*"}}, ""},
		{&SlowReaders{Policy: "conflate"}, "expected at least one"},
		{&SlowReaders{Policy: "close", Channels: []string{"x"}}, "belong to conflate"},
		{&SlowReaders{Policy: "drop"}, `found "drop"`},
	} {
		config.SlowReaders = tc.set
		app, err := NewApp(config)
		switch {
		case tc.wrong == "" && err != nil:
			t.Errorf("%+v: %v", tc.set, err)
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
			t.Errorf("%+v: found %v, expected an error with %q", tc.set, err, tc.wrong)
		case tc.wrong == "" && app.conflates("drivers-7") != (len(config.SlowReaders.channels()) > 0):
			t.Errorf("%+v: conflates drivers-7: %v", tc.set, app.conflates("drivers-7"))
		}
	}
}

func (s *SlowReaders) channels() []string {
	if s == nil {
		return nil
	}
	return s.Channels
}
