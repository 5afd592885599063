//go:build linux

// Command bench measures a hub behind full Caddy and, in the same run, what the machine itself can do.
//
// # What runs
//
// The server is the real binary (caddymodule/caddy, cgo off) with a real Caddyfile and the access log on. All else
// runs in other processes. Those of the scenario cluster are redis-server and nats-server and a binary with the brokers (integration/caddy_cluster); the
// others are this program again in a role of its own (see role.go):
//
//	crowd      many sockets that only read: they count frames and check the order of some (crowd.go)
//	actor      a few sockets that do something: join, leave, send, connect and disconnect (actor.go)
//	publisher  a client of the HTTP API (publisher.go)
//	bare       the machine's own limit: a loop that writes a ready-made frame to each socket (bare.go)
//	coder      coder/websocket behind net/http and nothing else (coder.go)
//
// Everything is on 127.0.0.1, dialed from several addresses of 127/8 so that ports do not run out.
//
// # What is measured
//
// A scenario (scenario_*.go) runs its limit and the hub in turns, -rounds times each. A figure (figure.go) is the median of the
// rounds, and its ratio the median of the ratios of neighbouring rounds, so that what the machine does beside hurts both alike.
// CPU time is that of the server process only; per delivery it is divided by the frames that arrived. If one frame is lost, a socket
// is closed or a process dies, the run fails; a figure that is not what it should be (requirement.go) is marked and nothing more.
//
// A whole run takes about half an hour and wants the machine for itself. -scenario and -case choose a part of it, -profiles shows where the
// server's time and memory go, -quick takes half a minute and measures nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command line's.
type options struct {
	scenarios []string
	only      string
	rounds    int
	length    time.Duration
	quick     bool
	caddy     string
	cluster   string
	json      string
	profiles  string
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == roleCommand {
		serveRole(os.Args[2])
		return
	}
	// Children die with the thread that started them (see start), so this one must not go before the program.
	runtime.LockOSThread()
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseOptions(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	names := f.String("scenario", "", "run only these, separated by commas: "+strings.Join(scenarioNames(), ", "))
	f.StringVar(&o.only, "case", "", "run only the cases whose names contain this")
	f.IntVar(&o.rounds, "rounds", 5, "rounds of each measurement")
	f.DurationVar(&o.length, "length", 3*time.Second, "length of a round")
	f.BoolVar(&o.quick, "quick", false, "small sizes and one short round: shows that everything runs and arrives, measures nothing")
	f.StringVar(&o.caddy, "caddy", "", "the server's binary (default: built from "+userCaddy+")")
	f.StringVar(&o.cluster, "cluster", "", "the binary with brokers (default: built from "+clusterCaddy+")")
	f.StringVar(&o.json, "json", "", "write the figures to this file")
	f.StringVar(&o.profiles, "profiles", "", "write CPU and heap profiles of the server into this directory")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("found %q, expected flags only", f.Arg(0))
	}
	if o.quick {
		o.rounds, o.length = 1, 300*time.Millisecond
	}
	if o.rounds < 1 || o.length <= 0 {
		return o, errors.New("-rounds and -length must be positive")
	}
	o.scenarios = scenarioNames()
	if *names != "" {
		o.scenarios = strings.Split(*names, ",")
	}
	for _, name := range o.scenarios {
		if !slices.Contains(scenarioNames(), name) {
			return o, fmt.Errorf("no scenario %q: there are %s", name, strings.Join(scenarioNames(), ", "))
		}
	}
	return o, nil
}

// run runs the chosen scenarios and prints what they found. A scenario that fails does not keep the others from running.
func run(o options) error {
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		b.close()
		os.Exit(130)
	}()

	b.describeMachine()
	var failed []error
	for _, s := range scenarios {
		if !slices.Contains(o.scenarios, s.name) {
			continue
		}
		b.log("%s: %s", s.name, s.about)
		b.scenario = s.name
		began := time.Now()
		err := s.run(b)
		err = errors.Join(err, b.deaths())
		b.stopAll()
		if err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
			b.log("FAILED %v", err)
			failed = append(failed, err)
		}
		b.log("%s took %v", s.name, time.Since(began).Round(100*time.Millisecond))
	}
	b.report(os.Stdout, failed)
	if o.json != "" {
		if err := b.writeJSON(o.json, failed); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
