//go:build linux

package main

import "strconv"

// requirement is a row of the table that says what the hub must show.
type requirement struct {
	what string

	// Which figure.
	scenario, of, name string

	absolute bool    // its value counts, not its ratio
	most     float64 // it must be at most this, or
	least    float64 // at least this
}

// requirements that a benchmark can check from outside.
var requirements = []requirement{
	{what: "CPU per delivery to 1,000, 10 events/s, against the bare loop", scenario: "fanout", of: "1000 subscribers, 200 B, 10 events/s", name: "CPU per delivery", most: 1.15},
	{what: "the same at 100 events/s", scenario: "fanout", of: "1000 subscribers, 200 B, 100 events/s", name: "CPU per delivery", most: 1.15},
	{what: "deliveries/s to 1,000, two publishers, against the bare loop", scenario: "fanout", of: "1000 subscribers, 200 B, two publishers", name: "deliveries", least: 5},
	{what: "CPU per delivery in it", scenario: "fanout", of: "1000 subscribers, 200 B, two publishers", name: "CPU per delivery", most: .3},
	{what: "deliveries/s, bursts of 100 events, against the bare loop", scenario: "fanout", of: "1000 subscribers, 200 B, bursts of 100, batch_events", name: "deliveries", least: 10},
	{what: "CPU per delivery in it", scenario: "fanout", of: "1000 subscribers, 200 B, bursts of 100, batch_events", name: "CPU per delivery", most: .3},
	{what: "allocations per delivered frame", scenario: "fanout", of: allocationsCase, name: allocationsName, absolute: true, most: .005},
	{what: "memory per idle socket, plain, KB", scenario: "idle", of: idleCase("plain", 10_000), name: "per socket", absolute: true, most: 10},
	{what: "memory per idle socket, TLS, KB", scenario: "idle", of: idleCase("TLS", 10_000), name: "per socket", absolute: true, most: 18},
	{what: "publish requests/s against respond", scenario: "publish", of: "8 connections, 200 B", name: "requests", least: .6},
	{what: "connect + subscribe per second against bare coder/websocket", scenario: "churn", of: "16 at a time", name: "connections", least: .8},
	{what: "p99 publish → receive at 50 % load against the bare loop's", scenario: "latency", of: "50 % of its own capacity", name: "p99", most: 2},
	{what: "the same at the bare loop's 50 % load", scenario: "latency", of: "50 % of the bare loop's capacity", name: "p99", most: 2},
	{what: "cost of subscribe and leave, 10,000 against 100 subscribers", scenario: "presence", of: "public channel", name: "CPU per subscribe and leave, 10000 sockets", most: 1.2},
	{what: "cost of an announcement to a member, 10,000 against 100", scenario: "presence", of: "presence channel, 100 users", name: "CPU per delivery, 10000 sockets", most: 1.2},
	{what: "deliveries/s to the healthy while 1 % never read", scenario: "slow", of: "10 of 1000 never read", name: "deliveries to the others", least: .95},
}

// verdict is a requirement beside what was measured.
type verdict struct {
	Figure   string  `json:"figure"`
	MustBe   string  `json:"must_be"`
	Measured float64 `json:"measured"`
	Pass     bool    `json:"pass"`
}

// verdicts of all requirements whose figures were measured.
func (b *bench) verdicts() (list []verdict) {
	if b.quick {
		return nil
	}
	for _, r := range requirements {
		f := b.find(r.scenario, r.of, r.name)
		if f == nil || len(f.Ours) == 0 {
			continue
		}
		v := verdict{Figure: r.what, Measured: f.Ratio}
		if r.absolute {
			v.Measured = f.Median
		}
		if r.least > 0 {
			v.MustBe, v.Pass = "≥ "+number(r.least), v.Measured >= r.least
		} else {
			v.MustBe, v.Pass = "≤ "+number(r.most), v.Measured <= r.most
		}
		list = append(list, v)
	}
	return list
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
