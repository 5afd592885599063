//go:build linux

package main

import (
	"fmt"
	"time"
)

// Names of the limits.
const (
	bareLoop   = "bare loop"
	bareJoined = "bare loop, joined writes"
	bareCoder  = "coder/websocket"

	caddyRespond = "respond"
)

// sample is what one round of a load has shown.
type sample struct {
	events int64
	frames int64
	rate   float64 // frames per second that arrived
	cpu    float64 // microseconds of the server per frame that arrived
	delays histogram
}

// sampled reads a server's CPU clock around a load, waits until all of it has arrived, and divides. send returns the number of events that
// every socket of the fleet must get, and when the first was sent.
func (f *fleet) sampled(p *process, send func() (events, started int64, err error)) (s sample, err error) {
	if err := f.reset(); err != nil {
		return s, err
	}
	before, err := p.cpu()
	if err != nil {
		return s, err
	}
	events, started, err := send()
	if err != nil {
		return s, err
	}
	t, err := f.await(events)
	if err != nil {
		return s, err
	}
	after, err := p.cpu()
	if err != nil {
		return s, err
	}
	if t.Frames == 0 {
		return s, fmt.Errorf("%w: nothing was sent", errLost)
	}
	return sample{
		events: events, frames: t.Frames, delays: t.Delays,
		rate: float64(t.Frames) / time.Duration(t.Last-started).Seconds(),
		cpu:  micros(after-before) / float64(t.Frames),
	}, p.died()
}

// limit is a bare loop with its sockets.
type limit struct {
	bare  *role
	fleet *fleet
}

// startLimit starts a bare loop and connects sockets to it.
func (b *bench) startLimit(sockets int) (*limit, error) {
	bare, err := b.startRole("bare")
	if err != nil {
		return nil, err
	}
	l := &limit{bare: bare}
	var addr string
	if err := bare.call("Listen", None{}, &addr); err != nil {
		return nil, err
	}
	if l.fleet, err = b.gather(JoinArgs{Target: Target{Addr: addr}, Sockets: sockets}); err != nil {
		return nil, err
	}
	for until := time.Now().Add(dialPatience); ; time.Sleep(10 * time.Millisecond) {
		var n int
		if err := bare.call("Sockets", None{}, &n); err != nil || n == sockets {
			return l, err
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("the bare loop has %d of %d sockets", n, sockets)
		}
	}
}

// write runs the loop.
func (l *limit) write(w WriteArgs) (sample, error) {
	w.StampAt = findStamp(w.Frame)
	return l.fleet.sampled(l.bare.process, func() (int64, int64, error) {
		var done Writes
		err := l.bare.call("Write", w, &done)
		return done.Events, done.Started, err
	})
}

func (l *limit) stop() {
	l.fleet.disperse()
	l.bare.stop()
}

// publish publishes to a fleet that is subscribed to one channel.
func (s *server) publish(publisher *role, f *fleet, p PublishArgs) (sample, error) {
	p.Addr = s.site.Addr
	return f.sampled(s.process, func() (int64, int64, error) {
		var done Published
		err := publisher.call("Publish", p, &done)
		return done.Events, done.Started, err
	})
}

// bursts publishes 100 events at once, waits until all of them have arrived, and begins again.
func (s *server) bursts(publisher *role, f *fleet, p PublishArgs, length time.Duration) (sample, error) {
	p.Addr = s.site.Addr
	return f.sampled(s.process, func() (events, started int64, err error) {
		for began := time.Now(); time.Since(began) < length; {
			p.First = events / int64(p.Conns)
			var done Published
			if err := publisher.call("Publish", p, &done); err != nil {
				return 0, 0, err
			}
			if started == 0 {
				started = done.Started
			}
			events += done.Events
			if _, err := f.await(events); err != nil {
				return 0, 0, err
			}
		}
		return events, started, nil
	})
}
