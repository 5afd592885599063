//go:build linux

package main

import (
	"fmt"
	"time"
)

// oneNode is the limit of everything in a cluster.
const oneNode = "one node, broker memory"

// runCluster measures what it costs that clients are on several nodes. The limit is always one node of the same binary with the broker memory, in
// the same minutes; everything shares one machine, so that a cluster is slower than on as many machines as it has nodes.
func runCluster(b *bench) error {
	binary, err := caddyBinary(b.options.cluster, clusterCaddy)
	if err != nil {
		return err
	}
	for _, engine := range engines {
		one, err := b.startNode(binary, "")
		if err != nil {
			return err
		}
		c, err := b.startCluster(binary, engine.name, engine.start)
		if err != nil {
			return err
		}
		for _, measure := range []func(*server, *cluster) error{b.clusterRequests, b.clusterLatency, b.clusterGrowth, b.clusterPresence, b.clusterChannels} {
			if err := measure(one, c); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		b.stopAll()
	}
	return nil
}

// eventsOf publishes to a node and waits until all of it has arrived at a fleet of single subscribers, each on a channel of its own.
func (s *server) eventsOf(publisher *role, f *fleet, p PublishArgs) (done Published, t Tally, err error) {
	if err := f.reset(); err != nil {
		return done, t, err
	}
	p.Addr = s.site.Addr
	if err := publisher.call("Publish", p, &done); err != nil {
		return done, t, err
	}
	t, err = f.awaitTotal(done.Events)
	return done, t, err
}

// clusterRequests measures requests per second to the first node, as fast as it answers, with the subscribers on it and on the second one. What
// counts is when the last event has arrived: an answer says that the event is with the broker.
func (b *bench) clusterRequests(one *server, c *cluster) error {
	const connections = 8
	publisher, err := b.startRole("publisher")
	if err != nil {
		return err
	}
	at := []*server{one, c.nodes[0], c.nodes[1]}
	fleets := make([]*fleet, len(at))
	for i, s := range at {
		if fleets[i], err = b.gather(JoinArgs{Target: s.site, Sockets: connections, Channel: fmt.Sprintf("own-%d", i), Own: true}); err != nil {
			return err
		}
	}
	run := func(i int, to *server, before, after func() (times, error)) (rate float64, costs shares, err error) {
		was, err := before()
		if err != nil {
			return 0, nil, err
		}
		done, t, err := to.eventsOf(publisher, fleets[i], PublishArgs{Channel: fmt.Sprintf("own-%d", i), Own: true, Size: 200, Conns: connections, Length: b.length})
		if err != nil {
			return 0, nil, err
		}
		is, err := after()
		if err != nil {
			return 0, nil, err
		}
		return float64(done.Events) / time.Duration(t.Last-done.Started).Seconds(), is.per(was, done.Events), nil
	}
	what := c.name + ", publish, 8 connections, 200 B"
	var floor float64
	var cost shares
	return b.interleave(what, func(int) (err error) {
		floor, cost, err = run(0, one, one.times, one.times)
		return err
	}, func(int) error {
		here, costs, err := run(1, c.nodes[0], c.cpu, c.cpu)
		if err != nil {
			return err
		}
		b.note(what, "events, subscribers on the same node", perSecond, here).against(oneNode, floor)
		b.note(what, "CPU per event of that node", microseconds, costs[0]).against(oneNode, cost[0])
		return nil
	}, func(int) error {
		there, costs, err := run(2, c.nodes[0], c.cpu, c.cpu)
		if err != nil {
			return err
		}
		b.note(what, "events, subscribers on another node", perSecond, there).against(oneNode, floor)
		b.noteCosts(what, costs, cost[0])
		return nil
	})
}

// times are those of a cluster of one.
func (s *server) times() (times, error) { return (&cluster{nodes: []*server{s}}).cpu() }

// noteCosts notes the CPU time of an event that the first node takes and the second delivers.
func (b *bench) noteCosts(what string, costs shares, one float64) {
	b.note(what, "CPU per event where it is published", microseconds, costs[0]).against(oneNode, one)
	b.note(what, "CPU per event where it is delivered", microseconds, costs[1]).against(oneNode, one)
	b.note(what, "CPU per event of a node without subscribers", microseconds, costs[2]).against(oneNode, one)
	if len(costs) > clusterNodes {
		b.note(what, "CPU per event of the server between", microseconds, costs[clusterNodes]).against(oneNode, one)
	}
}

// clusterLatency measures from publish to receive at a rate that is easy.
func (b *bench) clusterLatency(one *server, c *cluster) error {
	const connections, rate = 8, 1000
	publisher, err := b.startRole("publisher")
	if err != nil {
		return err
	}
	at := []*server{one, c.nodes[1]}
	fleets := make([]*fleet, len(at))
	for i, s := range at {
		// a socket of each of eight is looked at, so each event goes to eight
		if fleets[i], err = b.gather(JoinArgs{Target: s.site, Sockets: sampleEvery, Channel: fmt.Sprintf("late-%d", i)}); err != nil {
			return err
		}
	}
	run := func(i int, to *server) (sample, error) {
		return to.publish(publisher, fleets[i], PublishArgs{Channel: fmt.Sprintf("late-%d", i), Size: 200, Conns: connections, Rate: rate, Length: b.length})
	}
	what := fmt.Sprintf("%s, %d events/s to another node", c.name, rate)
	var floor sample
	return b.interleave(what, func(int) (err error) {
		floor, err = run(0, one)
		return err
	}, func(int) error {
		got, err := run(1, c.nodes[0])
		if err != nil {
			return err
		}
		for _, q := range []float64{.5, .99} {
			b.note(what, fmt.Sprintf("p%d from publish to receive", int(q*100)), milliseconds, millis(got.delays.quantile(q))).
				against(oneNode, millis(floor.delays.quantile(q)))
		}
		return nil
	})
}

// clusterGrowth measures how the cost of an event grows with the nodes on which it has subscribers, a hundred each.
func (b *bench) clusterGrowth(one *server, c *cluster) error {
	const rate = 500
	each := size(b, 100, 10)
	publisher, err := b.startRole("publisher")
	if err != nil {
		return err
	}
	args := PublishArgs{Channel: "everywhere", Size: 200, Conns: 2, Rate: rate, Length: b.length}
	alone, err := b.gather(JoinArgs{Target: one.site, Sockets: each, Channel: args.Channel})
	if err != nil {
		return err
	}
	spread := new(fleet)
	for n := 1; n <= clusterNodes; n++ {
		if err := b.enlarge(spread, JoinArgs{Target: c.nodes[n-1].site, Sockets: each, Channel: args.Channel}); err != nil {
			return err
		}
		what := fmt.Sprintf("%s, %d events/s, %d subscribers on each of %d nodes", c.name, rate, each, n)
		var floor shares
		if err := b.interleave(what, func(int) (err error) {
			floor, err = b.costOf(publisher, alone, args, one, one.times)
			return err
		}, func(int) error {
			costs, err := b.costOf(publisher, spread, args, c.nodes[0], c.cpu)
			if err != nil {
				return err
			}
			b.note(what, "CPU per event of the first node", microseconds, costs[0]).against(oneNode, floor[0])
			b.note(what, "CPU per event of all processes", microseconds, costs.sum()).against(oneNode, floor[0])
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// costOf publishes to a fleet, each of whose sockets gets every event, and returns the CPU time per event of each process.
func (b *bench) costOf(publisher *role, f *fleet, p PublishArgs, to *server, cpu func() (times, error)) (shares, error) {
	before, err := cpu()
	if err != nil {
		return nil, err
	}
	got, err := to.publish(publisher, f, p)
	if err != nil {
		return nil, err
	}
	after, err := cpu()
	return after.per(before, got.events), err
}

// clusterPresence measures how fast users join and leave a presence channel, if those who hear of it are on another node.
func (b *bench) clusterPresence(one *server, c *cluster) error {
	members := size(b, 100, 10)
	var rooms [2]room
	var actors [2]*role
	for i, s := range [][2]*server{{one, one}, {c.nodes[0], c.nodes[1]}} {
		var err error
		if rooms[i], err = b.openRoom(s[1], members, members); err != nil {
			return err
		}
		if actors[i], err = b.startRole("actor"); err != nil {
			return err
		}
		if err := actors[i].call("Connect", JoinArgs{Target: s[0].site, Sockets: joiners, From: nextFrom()}, &None{}); err != nil {
			return err
		}
	}
	what := fmt.Sprintf("%s, presence channel, %d members on another node", c.name, members)
	var floor sample
	return b.interleave(what, func(int) (err error) {
		floor, err = one.joinAndLeave(actors[0], rooms[0], b.length)
		return err
	}, func(int) error {
		got, err := c.nodes[1].joinAndLeave(actors[1], rooms[1], b.length)
		if err != nil {
			return err
		}
		b.note(what, "joins and leaves", perSecond, got.rate/float64(members)).against(oneNode, floor.rate/float64(members))
		return nil
	})
}
