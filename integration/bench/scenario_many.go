//go:build linux

package main

import "fmt"

// runMany measures publishing to channels chosen at random among 100,000, each with three subscribers. The limit is the same hub with
// one channel of three: finding a channel should cost nothing.
func runMany(b *bench) error {
	const each = 3
	sockets, channels := size(b, 100, 10), size(b, 100_000, 100)
	s, err := b.startCaddy()
	if err != nil {
		return err
	}
	one, err := b.gather(JoinArgs{Target: s.site, Sockets: each, Channel: "one", Several: 1, Of: 1})
	if err != nil {
		return err
	}
	publisher, err := b.startRole("publisher")
	if err != nil {
		return err
	}
	before, err := s.settled()
	if err != nil {
		return err
	}
	all, err := b.gather(JoinArgs{Target: s.site, Sockets: sockets, Channel: "many", Several: each * channels / sockets, Of: channels})
	if err != nil {
		return err
	}
	after, err := s.settled()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d channels", channels)
	b.note(what, "memory per subscription", "B", float64(after-before)/float64(each*channels))

	publish := func(f *fleet, channel string, of int) (r requests, err error) {
		if err := f.reset(); err != nil {
			return r, err
		}
		args := PublishArgs{Addr: s.site.Addr, Channel: channel, Of: of, Size: 200, Conns: 8, Length: b.length}
		if r, err = s.requests(publisher, args); err != nil {
			return r, err
		}
		_, err = f.awaitTotal(each * r.Events)
		return r, err
	}
	var floor requests
	return b.interleave(what, func(int) (err error) {
		floor, err = publish(one, "one", 1)
		return err
	}, func(int) error {
		got, err := publish(all, "many", channels)
		if err != nil {
			return err
		}
		b.note(what, "requests", perSecond, got.rate).against("one channel", floor.rate)
		b.note(what, "CPU per request", microseconds, got.cpu).against("one channel", floor.cpu)
		return nil
	})
}
