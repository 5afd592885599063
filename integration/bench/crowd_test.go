//go:build linux

package main

import (
	"testing"
	"time"
)

func TestCrowdNoticesWhatIsMissing(t *testing.T) {
	c := newCrowd()
	m := &member{socket: &socket{parser: frameParser{keep: true}}, sampled: true}
	event := func(seq int64) []byte {
		frame := eventFrame("room", 100)
		stamp(frame[findStamp(frame):], 0, seq, time.Now().UnixNano())
		return frame
	}
	c.received(m, append(event(1), event(2)...))
	if c.total != 2 || c.broken != "" {
		t.Fatalf("after two events in order: %d frames, %q", c.total, c.broken)
	}
	c.received(m, event(4))
	if c.broken == "" {
		t.Error("nobody noticed that event 3 is missing")
	}
}
