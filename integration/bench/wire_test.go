//go:build linux

package main

import (
	"bytes"
	"testing"
	"time"
)

func TestFramesAreCountedHoweverTheyAreTorn(t *testing.T) {
	texts := [][]byte{[]byte("a"), bytes.Repeat([]byte("b"), 126), bytes.Repeat([]byte("c"), 70_000), {}}
	var wire []byte
	for _, text := range texts {
		wire = appendFrame(wire, opPing, nil)
		wire = appendFrame(wire, opText, text)
	}
	for _, piece := range []int{1, 2, 3, 7, 130, 69_999, len(wire)} {
		var got [][]byte
		pings := 0
		p := frameParser{keep: true}
		for at := 0; at < len(wire); at += piece {
			p.feed(wire[at:min(at+piece, len(wire))], func(op byte, payload []byte) {
				if op == opPing {
					pings++
					return
				}
				got = append(got, append([]byte(nil), payload...))
			})
		}
		if pings != len(texts) || len(got) != len(texts) {
			t.Fatalf("in pieces of %d bytes: %d pings and %d texts, expected %d of each", piece, pings, len(got), len(texts))
		}
		for i := range texts {
			if !bytes.Equal(got[i], texts[i]) {
				t.Errorf("in pieces of %d bytes: text %d has %d bytes, expected %d", piece, i, len(got[i]), len(texts[i]))
			}
		}
	}
}

func TestStampIsFoundAndRead(t *testing.T) {
	frame := eventFrame("room", 200)
	at := findStamp(frame)
	stamp(frame[at:], 7, 42, 1_700_000_000_123_456_789)
	s := frame[at:]
	if p, seq, when := digits(s[1:3]), digits(s[seqAt:timeAt-1]), digits(s[timeAt:len(stampForm)]); p != 7 || seq != 42 || when != 1_700_000_000_123_456_789 {
		t.Errorf("found publisher %d, event %d, time %d in %s", p, seq, when, s[:len(stampForm)])
	}
	if at := findStamp([]byte(`{"event":"x","data":"{}"}`)); at >= 0 {
		t.Errorf("found a stamp at %d where there is none", at)
	}
}

func TestHistogramKeepsQuantiles(t *testing.T) {
	var h histogram
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Microsecond)
	}
	for q, exact := range map[float64]time.Duration{.5: 501 * time.Microsecond, .99: 991 * time.Microsecond} {
		if got := h.quantile(q); got < exact || got > exact+exact/16 {
			t.Errorf("quantile %g is %v, expected %v or a little more", q, got, exact)
		}
	}
	for d := time.Duration(1); d < time.Hour; d *= 3 {
		if i := bucket(d); border(i) > d || border(i+1) <= d {
			t.Errorf("%v is in the bucket from %v to %v", d, border(i), border(i+1))
		}
	}
}

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

func TestRatioIsTheMedianOfNeighbours(t *testing.T) {
	f := figure{Ours: []float64{10, 40, 30}, Limits: []float64{10, 20, 10}}
	f.finish()
	if f.Median != 30 || f.LimitMedian != 10 || f.Ratio != 2 || f.RatioLeast != 1 || f.RatioMost != 3 {
		t.Errorf("got %+v", f)
	}
}
