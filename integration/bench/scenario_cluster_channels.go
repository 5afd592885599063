//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"
)

// clusterChannels measures how cost grows with the channels that somebody is subscribed to on the second node: how fast they are subscribed to, memory, and an
// event to one of them, chosen at random, that is published on the first node. It is done once: what is there stays.
func (b *bench) clusterChannels(one *server, c *cluster) error {
	const kind = "channels with one subscriber"
	if !strings.Contains(c.name+", "+kind, b.only) {
		return nil
	}
	publisher, err := b.startRole("publisher")
	if err != nil {
		return err
	}
	alone := channelHost{server: one, at: one, publisher: publisher, fleet: new(fleet), cpu: one.times}
	spread := channelHost{server: c.nodes[1], at: c.nodes[0], engine: c.engine, publisher: publisher, fleet: new(fleet), cpu: c.cpu}
	for _, n := range size(b, []int{100, 1000, weighable, 100_000}, []int{100}) {
		what := fmt.Sprintf("%s, %d %s", c.name, n, kind)
		floor, err := b.subscribeMany(&alone, n)
		if err != nil {
			return err
		}
		got, err := b.subscribeMany(&spread, n)
		if err != nil {
			return err
		}
		b.note(what, "subscribes, ten sockets at once", perSecond, got.rate).against(oneNode, floor.rate)
		b.note(what, "CPU of all processes while nothing happens", "ms/s", got.idle).against(oneNode, floor.idle)
		b.note(what, "CPU per event of all processes", microseconds, got.cost).against(oneNode, floor.cost)
		if n >= weighable {
			b.note(what, "memory per channel", kilobytes, got.memory).against(oneNode, floor.memory)
			if c.engine != nil {
				b.note(what, "memory per channel of the server between", kilobytes, got.engine)
			}
		}
		b.progress(what, 0)
	}
	return nil
}

// weighable is how many channels' memory can be told from what the kernel gives a process in pieces.
const weighable = 10_000

// channelHost is a node on which channels have subscribers.
type channelHost struct {
	*server

	at        *server // where is published
	engine    *process
	publisher *role
	fleet     *fleet
	cpu       func() (times, error)
}

// manyChannels is what a number of channels costs.
type manyChannels struct {
	rate           float64 // subscribes per second
	cost           float64 // microseconds per event
	idle           float64 // milliseconds of CPU time per second
	memory, engine float64 // kilobytes per channel
}

// subscribeMany subscribes ten sockets to so many new channels and publishes to them.
func (b *bench) subscribeMany(h *channelHost, n int) (m manyChannels, err error) {
	const sockets = 10
	if h.fleet.size == 0 { // the process that holds the sockets is there before the clock runs
		if err := b.enlarge(h.fleet, JoinArgs{Target: h.site, Sockets: sockets}); err != nil {
			return m, err
		}
	}
	before, err := h.memories(n)
	if err != nil {
		return m, err
	}
	channel := fmt.Sprintf("of-%d", n)
	began := time.Now()
	if err := b.enlarge(h.fleet, JoinArgs{Target: h.site, Sockets: sockets, Channel: channel, Several: n / sockets, Of: n}); err != nil {
		return m, err
	}
	m.rate = float64(n) / time.Since(began).Seconds()
	after, err := h.memories(n)
	if err != nil {
		return m, err
	}
	m.memory, m.engine = kb(after[0]-before[0])/float64(n), kb(after[1]-before[1])/float64(n)

	quiet, err := h.cpu()
	if err != nil {
		return m, err
	}
	time.Sleep(b.length)
	started, err := h.cpu()
	if err != nil {
		return m, err
	}
	done, _, err := h.at.eventsOf(h.publisher, h.fleet, PublishArgs{Channel: channel, Of: n, Size: 200, Conns: 8, Length: b.length})
	if err != nil {
		return m, err
	}
	ended, err := h.cpu()
	if err != nil {
		return m, err
	}
	m.cost = ended.per(started, done.Events).sum()
	m.idle = started.per(quiet, 1).sum() / 1000 / b.length.Seconds()
	return m, nil
}

// memories returns what the node and the server between use, if that says anything of so many channels.
func (h *channelHost) memories(channels int) (bytes [2]int64, err error) {
	if channels < weighable {
		return bytes, nil
	}
	if bytes[0], err = h.settled(); err != nil || h.engine == nil {
		return bytes, err
	}
	bytes[1], err = h.engine.rss()
	return bytes, err
}
