//go:build linux

package main

import "fmt"

// runSlow measures what the healthy subscribers get while one in a hundred never reads, against the same without
// these. The hub may close those that do not read.
func runSlow(b *bench) error {
	subscribers := size(b, 1000, 100)
	deaf := subscribers / 100
	s, err := b.startCaddy()
	if err != nil {
		return err
	}
	healthy, err := b.gather(JoinArgs{Target: s.site, Sockets: subscribers - deaf, Channel: fanoutChannel})
	if err != nil {
		return err
	}
	publisher, err := b.startRole("publisher")
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d of %d never read", deaf, subscribers)
	publish := func(ill bool) (sample, error) {
		others, err := b.gather(JoinArgs{Target: s.site, Sockets: deaf, Channel: fanoutChannel, Deaf: ill})
		if err != nil {
			return sample{}, err
		}
		defer others.disperse()
		return s.publish(publisher, healthy, PublishArgs{Channel: fanoutChannel, Size: 200, Conns: 2, Length: b.length})
	}
	var undisturbed sample
	return b.interleave(what, func(int) (err error) {
		undisturbed, err = publish(false)
		return err
	}, func(int) error {
		got, err := publish(true)
		if err != nil {
			return err
		}
		b.note(what, "deliveries to the others", perSecond, got.rate).against("undisturbed", undisturbed.rate)
		b.note(what, "CPU per delivery", microseconds, got.cpu).against("undisturbed", undisturbed.cpu)
		return nil
	})
}
