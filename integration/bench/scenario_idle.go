//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"
)

// idleServer is a server whose sockets are counted in memory.
type idleServer struct {
	*process

	name   string
	join   JoinArgs
	settle func() (rss int64, err error)
	parts  func() (memory, error) // nil: not known
	parks  bool                   // its sockets need less after some time
}

// runIdle measures the growth of resident memory with sockets that are subscribed and silent. Each round begins with fresh processes, because
// memory that a process had once it keeps for a while.
func runIdle(b *bench) error {
	starts := []func() (idleServer, error){b.idleCoder, b.idleHub(false), b.idleHub(true)}
	measure := make([]func(int) error, len(starts))
	limits := make(map[int]float64) // of this round, by number of sockets
	for i, start := range starts {
		measure[i] = func(int) error {
			defer b.stopAll()
			s, err := start()
			if err != nil {
				return err
			}
			return b.idle(s, limits)
		}
	}
	return b.interleave("all", measure...)
}

func (b *bench) idleHub(overTLS bool) func() (idleServer, error) {
	return func() (idleServer, error) {
		s, err := b.startCaddy()
		if err != nil {
			return idleServer{}, err
		}
		i := idleServer{s.process, "plain", JoinArgs{Target: s.site, Channel: fanoutChannel}, s.settled, s.memory, !overTLS}
		if overTLS {
			i.name, i.join.Target = "TLS", s.tls
		}
		if b.profiles == "" {
			return i, nil
		}
		i.settle = func() (int64, error) {
			rss, err := s.settled()
			if err == nil {
				err = b.saveProfile(s, i.name+".heap", "/debug/pprof/heap")
			}
			if err == nil {
				err = b.saveProfile(s, i.name+".goroutines", "/debug/pprof/goroutine?debug=1")
			}
			return rss, err
		}
		return i, nil
	}
}

func (b *bench) idleCoder() (idleServer, error) {
	coder, addr, err := b.startCoder()
	return idleServer{coder.process, bareCoder, JoinArgs{Target: Target{Addr: addr, Path: echoPath}}, func() (int64, error) {
		return coder.settledAfter(func() error { return coder.call("Collect", None{}, &None{}) })
	}, nil, false}, err
}

// untilParked is how long a socket must be silent until the hub has parked it, and a little more.
const untilParked = 11 * time.Second

// idle connects more and more sockets to one server.
func (b *bench) idle(s idleServer, limits map[int]float64) error {
	warm := s.join
	warm.Sockets = 50
	first, err := b.gather(warm) // what the first sockets bring into memory stays
	if err != nil {
		return err
	}
	first.disperse()
	empty, err := s.settle()
	if err != nil {
		return err
	}
	var base memory
	if s.parts != nil {
		if base, err = s.parts(); err != nil {
			return err
		}
	}
	f := new(fleet)
	before, count := empty, 0
	for _, n := range b.idleSizes() {
		s.join.Sockets = n - count
		if err := b.enlarge(f, s.join); err != nil {
			return err
		}
		if err := f.reset(); err != nil {
			return err
		}
		raw, err := s.rss()
		if err != nil {
			return err
		}
		if s.parks && !b.quick {
			time.Sleep(untilParked)
		}
		rss, err := s.settle()
		if err != nil {
			return err
		}
		if _, err := f.awaitTotal(0); err != nil { // are all still there?
			return err
		}
		each, slope := kb(rss-empty)/float64(n), kb(rss-before)/float64(n-count)
		before, count = rss, n
		b.log("%s, %d sockets: %.1f KB each, %.1f KB for each further one", s.name, n, each, slope)
		if s.parts == nil {
			limits[n] = slope
			continue
		}
		what := idleCase(s.name, n)
		b.note(what, "each further socket", kilobytes, slope).against(bareCoder+", plain", limits[n])
		b.note(what, "per socket", kilobytes, each)
		b.note(what, "per socket before garbage collection", kilobytes, kb(raw-empty)/float64(n))
		if err := b.noteParts(what, s, base, n); err != nil {
			return err
		}
	}
	return nil
}

// mostIdle is more than what most file limits allow.
const mostIdle = 50_000

// idleSizes are the numbers of sockets, the last one being as many as the file limit allows.
func (b *bench) idleSizes() []int {
	most := min(mostIdle, b.machine.sockets())
	sizes := size(b, []int{1000, 10_000, most}, []int{50, 200})
	return slices.Compact(slices.DeleteFunc(sizes, func(n int) bool { return n > most }))
}

func idleCase(server string, sockets int) string {
	return fmt.Sprintf("%s, %d sockets", server, sockets)
}

// noteParts says what the memory of one socket consists of. What is missing from the sum is the kernel's and the program's own.
func (b *bench) noteParts(what string, s idleServer, base memory, sockets int) error {
	m, err := s.parts()
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		of   func(memory) uint64
	}{
		{"of it stack", func(m memory) uint64 { return m.StackInuse }},
		{"of it live objects", func(m memory) uint64 { return m.HeapAlloc }},
		{"of it gaps between objects", func(m memory) uint64 { return m.HeapInuse - m.HeapAlloc }},
		{"of it free and not given back", func(m memory) uint64 { return m.HeapIdle - m.HeapReleased }},
		{"of it the runtime's own", func(m memory) uint64 { return m.MSpanInuse + m.MCacheInuse + m.BuckHashSys + m.GCSys + m.OtherSys }},
	} {
		b.note(what, part.name, kilobytes, kb(int64(part.of(m))-int64(part.of(base)))/float64(sockets))
	}
	return nil
}

func kb(bytes int64) float64 { return float64(bytes) / 1000 }

// settled returns the resident memory of a server that has collected its garbage.
func (s *server) settled() (int64, error) { return s.settledAfter(s.collect) }

// settledAfter collects garbage and waits until the runtime has given back what it gives back.
func (p *process) settledAfter(collect func() error) (int64, error) {
	var last int64
	for until := time.Now().Add(15 * time.Second); ; {
		for range 2 { // the second one frees what pools kept
			if err := collect(); err != nil {
				return 0, err
			}
		}
		time.Sleep(500 * time.Millisecond)
		rss, err := p.rss()
		if err != nil {
			return 0, err
		}
		if last != 0 && last-rss < last/200 || time.Now().After(until) {
			return rss, p.died()
		}
		last = rss
	}
}
