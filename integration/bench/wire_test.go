//go:build linux

package main

import (
	"bytes"
	"testing"
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
