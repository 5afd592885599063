//go:build linux

package main

import (
	"fmt"
	"time"
)

// fanoutCase is one way to publish to one channel.
type fanoutCase struct {
	name    string
	rate    float64 // events per second; 0: as fast as the API answers
	burst   bool
	once    bool // for one size only
	publish PublishArgs
}

var fanoutCases = []fanoutCase{
	{name: "10 events/s", rate: 10, publish: PublishArgs{Conns: 1}},
	{name: "100 events/s", rate: 100, publish: PublishArgs{Conns: 1}},
	{name: "two publishers", publish: PublishArgs{Conns: 2}},
	{name: "bursts of 100, batch_events", burst: true, publish: PublishArgs{Conns: 1, Batch: 100, Requests: 1}},
	{name: "bursts of 100, events", burst: true, once: true, publish: PublishArgs{Conns: 4, Requests: 25}},
}

// maxPaced is how many deliveries per second a paced case may ask for: beyond that the bare loop itself gets late.
const maxPaced = 100_000

// onceFor is how many subscribers the cases get that are measured once.
const onceFor = 1000

const fanoutChannel = "fleet"

// sizeName names the case of so many subscribers and bytes.
func sizeName(subscribers, size int) string {
	return fmt.Sprintf("%d subscribers, %d B", subscribers, size)
}

func runFanout(b *bench) error {
	for _, subscribers := range b.possible(size(b, []int{100, 1000, 10_000}, []int{50})) {
		if err := b.fanoutTo(subscribers, false); err != nil {
			return err
		}
	}
	if err := b.fanoutTo(size(b, onceFor, 50), true); err != nil {
		return err
	}
	b.noteAllocations(100, 10_000)
	return nil
}

// Where the allocations per delivered frame are noted.
const (
	allocationsCase = "one event, 10,000 subscribers instead of 100"
	allocationsName = "allocations per further frame"
)

// noteAllocations divides what an event to more subscribers allocates more. What remains is what a delivery allocates.
func (b *bench) noteAllocations(few, many int) {
	of := func(n int) *figure {
		return b.find(b.scenario, sizeName(n, 200)+", "+fanoutCases[0].name, "allocations per event")
	}
	less, more := of(few), of(many)
	if less == nil || more == nil {
		return
	}
	for i := range min(len(less.Ours), len(more.Ours)) {
		b.note(allocationsCase, allocationsName, "", (more.Ours[i]-less.Ours[i])/float64(many-few))
	}
}

// fanoutTo measures all cases with one number of subscribers. The limit of subscribers over TLS is the plain loop, too: it shows what
// TLS costs.
func (b *bench) fanoutTo(subscribers int, overTLS bool) error {
	defer b.stopAll()
	s, err := b.startCaddy()
	if err != nil {
		return err
	}
	target, sizes := s.site, size(b, []int{200, 2048}, []int{200})
	if overTLS {
		target, sizes = s.tls, sizes[:1]
	}
	ours, err := b.gather(JoinArgs{Target: target, Sockets: subscribers, Channel: fanoutChannel})
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
	for _, bytes := range sizes {
		for _, c := range fanoutCases {
			if c.rate*float64(subscribers) > maxPaced || c.once && (subscribers != onceFor || bytes != 200) && !b.quick {
				continue
			}
			what := sizeName(subscribers, bytes) + ", " + c.name
			if overTLS {
				what += ", TLS"
			}
			c.publish.Channel, c.publish.Size = fanoutChannel, bytes
			if err := b.fanoutCase(what, c, s, publisher, ours, bare); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) fanoutCase(what string, c fanoutCase, s *server, publisher *role, ours *fleet, bare *limit) error {
	frame := eventFrame(c.publish.Channel, c.publish.Size)
	length := b.length
	if c.rate > 0 && c.rate < 20 {
		length *= 2 // there is less to divide by
	}
	var floor, joined sample
	return b.interleave(what, func(int) (err error) {
		if floor, err = bare.write(WriteArgs{Frame: frame, Rate: c.rate, Length: length}); err == nil && c.burst {
			joined, err = bare.write(WriteArgs{Frame: frame, Joined: 100, Length: length})
		}
		return err
	}, func(int) error {
		before, err := s.memory()
		if err != nil {
			return err
		}
		var got sample
		if err := b.profile(s, what, length, func() (err error) {
			got, err = s.fanout(c, publisher, ours, length)
			return err
		}); err != nil {
			return err
		}
		after, err := s.memory()
		if err != nil {
			return err
		}
		b.note(what, "CPU per delivery", microseconds, got.cpu).against(bareLoop, floor.cpu)
		if c.rate == 0 {
			b.note(what, "deliveries", perSecond, got.rate).against(bareLoop, floor.rate)
		} else {
			b.note(what, "p99 delay", milliseconds, millis(got.delays.quantile(.99))).against(bareLoop, millis(floor.delays.quantile(.99)))
		}
		if c.burst {
			b.note(what, "deliveries against joined writes", perSecond, got.rate).against(bareJoined, joined.rate)
		}
		b.note(what, "allocations per event", "", float64(after.Mallocs-before.Mallocs)/float64(got.events))
		return nil
	})
}

// fanout is one round of a case.
func (s *server) fanout(c fanoutCase, publisher *role, f *fleet, length time.Duration) (sample, error) {
	if c.burst {
		return s.bursts(publisher, f, c.publish, length)
	}
	c.publish.Rate, c.publish.Length = c.rate, length
	return s.publish(publisher, f, c.publish)
}
