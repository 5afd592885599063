//go:build linux

package main

// runPublish measures requests per second. The limit answers the very same requests with Caddy's respond, so what differs is
// the hub's part: signature, JSON, one delivery.
func runPublish(b *bench) error {
	const connections = 8
	s, err := b.startCaddy()
	if err != nil {
		return err
	}
	f, err := b.gather(JoinArgs{Target: s.site, Sockets: connections, Channel: "own", Own: true})
	if err != nil {
		return err
	}
	publisher, err := b.startRole("publisher")
	if err != nil {
		return err
	}
	const what = "8 connections, 200 B"
	args := PublishArgs{Channel: "own", Own: true, Size: 200, Conns: connections, Length: b.length}
	var floor requests
	return b.interleave(what, func(int) (err error) {
		args.Addr = s.respond
		floor, err = s.requests(publisher, args)
		return err
	}, func(int) error {
		if err := f.reset(); err != nil {
			return err
		}
		args.Addr = s.site.Addr
		var got requests
		if err := b.profile(s, what, b.length, func() (err error) {
			got, err = s.requests(publisher, args)
			return err
		}); err != nil {
			return err
		}
		if _, err := f.awaitTotal(got.Events); err != nil {
			return err
		}
		b.note(what, "requests", perSecond, got.rate).against(caddyRespond, floor.rate)
		b.note(what, "CPU per request", microseconds, got.cpu).against(caddyRespond, floor.cpu)
		b.note(what, "p99 of an answer", milliseconds, millis(got.Answers.quantile(.99))).
			against(caddyRespond, millis(floor.Answers.quantile(.99)))
		return nil
	})
}

// requests is what a round of requests has shown.
type requests struct {
	Published

	rate float64 // per second
	cpu  float64 // microseconds of the server per request
}

// requests sends requests and does not look at what becomes of the events.
func (s *server) requests(publisher *role, a PublishArgs) (r requests, err error) {
	before, err := s.cpu()
	if err != nil {
		return r, err
	}
	if err := publisher.call("Publish", a, &r.Published); err != nil {
		return r, err
	}
	after, err := s.cpu()
	if err != nil {
		return r, err
	}
	r.rate = float64(r.Requests) / r.Elapsed.Seconds()
	r.cpu = micros(after-before) / float64(max(r.Requests, 1))
	return r, s.died()
}
