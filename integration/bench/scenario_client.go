//go:build linux

package main

import (
	"fmt"
	"time"
)

// runClient measures client events: one socket sends, 32 at a time, all others get them. The limit is a bare server that writes each
// message to all others as soon as it has read it.
func runClient(b *bench) error {
	const channel = "room"
	subscribers := size(b, 1000, 50)
	s, err := b.startCaddy()
	if err != nil {
		return err
	}
	coder, addr, err := b.startCoder()
	if err != nil {
		return err
	}
	ours, err := b.startRoomWithSender(s.process, JoinArgs{Target: s.site, Sockets: subscribers, Channel: channel})
	if err != nil {
		return err
	}
	theirs, err := b.startRoomWithSender(coder.process, JoinArgs{Target: Target{Addr: addr, Path: fanPath}, Sockets: subscribers})
	if err != nil {
		return err
	}
	bare, err := b.startLimit(subscribers)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d subscribers, 200 B", subscribers)
	frame := clientEventFrame(channel, 200)
	var floor, loop sample
	return b.interleave(what, func(int) (err error) {
		floor, err = theirs.chatter(frame, b.length)
		return err
	}, func(int) (err error) {
		loop, err = bare.write(WriteArgs{Frame: eventFrame(channel, 200), Length: b.length})
		return err
	}, func(int) error {
		var got sample
		if err := b.profile(s, what, b.length, func() (err error) {
			got, err = ours.chatter(frame, b.length)
			return err
		}); err != nil {
			return err
		}
		b.note(what, "deliveries", perSecond, got.rate).against(bareCoder, floor.rate)
		b.note(what, "CPU per delivery", microseconds, got.cpu).against(bareCoder, floor.cpu)
		b.note(what, "deliveries against the bare loop", perSecond, got.rate).against(bareLoop, loop.rate)
		b.note(what, "CPU per delivery against the bare loop", microseconds, got.cpu).against(bareLoop, loop.cpu)
		return nil
	})
}

// roomWithSender is a channel in which one socket speaks.
type roomWithSender struct {
	*fleet

	server *process
	sender *role
}

func (b *bench) startRoomWithSender(server *process, j JoinArgs) (r roomWithSender, err error) {
	r.server = server
	if r.fleet, err = b.gather(j); err != nil {
		return r, err
	}
	if r.sender, err = b.startRole("actor"); err != nil {
		return r, err
	}
	j.Sockets, j.First = 1, j.Sockets
	return r, r.sender.call("Connect", j, &None{})
}

// chatter sends events, some at once, and waits for them.
func (r roomWithSender) chatter(frame []byte, length time.Duration) (sample, error) {
	const together = 32
	return r.sampled(r.server, func() (events, started int64, err error) {
		began := time.Now()
		for time.Since(began) < length {
			if err := r.sender.call("Send", SendArgs{Frame: frame, StampAt: findStamp(frame), First: events + 1, Count: together}, &None{}); err != nil {
				return 0, 0, err
			}
			events += together
			if _, err := r.await(events); err != nil {
				return 0, 0, err
			}
		}
		return events, began.UnixNano(), nil
	})
}
