//go:build linux

package main

import "fmt"

// runLatency measures the time from the moment an event was due to its arrival, in every eighth socket. Load is a share of
// what each can do; the bare loop's own load is put on the hub as well.
func runLatency(b *bench) error {
	subscribers := size(b, 1000, 50)
	s, err := b.startCaddy()
	if err != nil {
		return err
	}
	ours, err := b.gather(JoinArgs{Target: s.site, Sockets: subscribers, Channel: fanoutChannel})
	if err != nil {
		return err
	}
	bare, err := b.startLimit(subscribers)
	if err != nil {
		return err
	}
	publisher, err := b.startRole("publisher")
	if err != nil {
		return err
	}
	write := WriteArgs{Frame: eventFrame(fanoutChannel, 200), Length: b.length}
	publish := PublishArgs{Channel: fanoutChannel, Size: 200, Conns: 2, Length: b.length}
	floor, err := bare.write(write)
	if err != nil {
		return err
	}
	most, err := s.publish(publisher, ours, publish)
	if err != nil {
		return err
	}
	bareCapacity, capacity := floor.rate/float64(subscribers), most.rate/float64(subscribers)
	b.note("capacity", "events", perSecond, capacity).against(bareLoop, bareCapacity)
	publish.Conns = 8 // so that one late answer holds nothing up
	for _, percent := range []float64{10, 50, 80} {
		for _, load := range []struct {
			name string
			rate float64
		}{
			{fmt.Sprintf("%g %% of its own capacity", percent), capacity * percent / 100},
			{fmt.Sprintf("%g %% of the bare loop's capacity", percent), bareCapacity * percent / 100},
		} {
			err := b.interleave(load.name, func(int) (err error) {
				write.Rate = bareCapacity * percent / 100
				floor, err = bare.write(write)
				return err
			}, func(int) error {
				publish.Rate = load.rate
				got, err := s.publish(publisher, ours, publish)
				if err != nil {
					return err
				}
				for _, q := range []struct {
					name  string
					share float64
				}{{"p50", .5}, {"p99", .99}, {"p99.9", .999}} {
					b.note(load.name, q.name, milliseconds, millis(got.delays.quantile(q.share))).
						against(bareLoop, millis(floor.delays.quantile(q.share)))
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
