//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// bench is one run of the program.
type bench struct {
	options
	began    time.Time
	dir      string // everything that servers write; removed at the end
	caddy    string // the server's binary
	scenario string // which is running

	mu      sync.Mutex
	running []*process // guarded by mu
	dead    []error    // guarded by mu: how processes ended that should still run

	figures []*figure
	machine machine
}

func newBench(o options) (*bench, error) {
	// not below the checkout: a unix socket's path must be short
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, began: time.Now(), dir: dir, machine: thisMachine()}
	if b.caddy, err = caddyBinary(o.caddy, userCaddy); err == nil && o.profiles != "" {
		err = os.MkdirAll(o.profiles, 0o755)
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// close ends every process and removes what they left.
func (b *bench) close() {
	b.stopAll()
	if err := os.RemoveAll(b.dir); err != nil {
		b.log("%v", err)
	}
}

// stopAll ends every process that still runs.
func (b *bench) stopAll() {
	b.mu.Lock()
	list := b.running
	b.running = nil
	b.mu.Unlock()
	for _, l := range slices.Backward(list) {
		l.stop()
	}
}

// mourn notes a process that ended before it was told to.
func (b *bench) mourn(p *process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dead = append(b.dead, p.died())
}

// deaths reports the processes that ended before they were told to, once.
func (b *bench) deaths() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	dead := b.dead
	b.dead = nil
	return errors.Join(dead...)
}

// keep notes a process, so that it is ended with the scenario at the latest.
func (b *bench) keep(p *process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = append(b.running, p)
}

// log tells who is watching how far things are.
func (b *bench) log(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// size returns full, or quick in a run that only shows that everything works.
func size[T any](b *bench, full, quick T) T {
	if b.quick {
		return quick
	}
	return full
}

// interleave runs the measurements in turns, as many rounds as were asked for. The first is usually the limit. A short
// unmeasured round of each would cost as much as it brings: medians do not see one cold round.
func (b *bench) interleave(what string, measure ...func(round int) error) error {
	if !strings.Contains(what, b.only) {
		return nil
	}
	for round := range b.rounds {
		for _, m := range measure {
			if err := m(round); err != nil {
				return fmt.Errorf("%s, round %d: %w", what, round+1, err)
			}
		}
		b.progress(what, round)
	}
	return nil
}

// progress logs the figures of this round.
func (b *bench) progress(what string, round int) {
	var said []string
	for _, f := range b.figures {
		if f.Scenario == b.scenario && f.Case == what && len(f.Ours) == round+1 {
			said = append(said, f.Name+" "+f.round(round))
		}
	}
	if len(said) == 0 {
		return // they have told by themselves
	}
	b.log("%s, %s, round %d: %s", b.scenario, what, round+1, strings.Join(said, ", "))
}

// errLost says that the run is worth nothing: some of what was sent did not arrive.
var errLost = errors.New("frames were lost")
