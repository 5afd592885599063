//go:build linux

package main

import "time"

// pace says when events are due. It does not wait for anybody: who is late has to catch up, and the delay counts.
type pace struct {
	began  time.Time
	length time.Duration
	rate   float64 // per second; 0: as fast as it goes
	shift  float64 // how much later than the others that keep the same pace, as a share of the time between two events
	count  int64
}

func newPace(rate float64, length time.Duration) *pace {
	return &pace{began: time.Now(), length: length, rate: rate}
}

// wait waits for the moment at which the next event is due. more is false when the time is over.
func (p *pace) wait() (due time.Time, more bool) {
	if p.rate == 0 {
		now := time.Now()
		return now, now.Sub(p.began) < p.length
	}
	after := time.Duration((float64(p.count) + p.shift) / p.rate * float64(time.Second))
	if after >= p.length {
		return due, false
	}
	p.count++
	due = p.began.Add(after)
	time.Sleep(time.Until(due))
	return due, true
}
