//go:build linux

package main

import (
	"errors"
	"fmt"
)

// fleet is any number of sockets that only read, in as many crowds as the file limit asks for.
type fleet struct {
	crowds []*role
	sizes  []int
	size   int
}

// maxCrowd is how many sockets one thread reads well.
const maxCrowd = 10_000

// lastFrom is the last source address that was given out.
var lastFrom byte = 1

// nextFrom returns a source address that was not used for a while: the ports of closed connections rest for a minute.
func nextFrom() byte {
	if lastFrom++; lastFrom > 250 {
		lastFrom = 2
	}
	return lastFrom
}

// gather connects sockets.
func (b *bench) gather(j JoinArgs) (*fleet, error) {
	f := new(fleet)
	return f, b.enlarge(f, j)
}

// enlarge connects more sockets.
func (b *bench) enlarge(f *fleet, j JoinArgs) error {
	crowdSize := min(maxCrowd, b.machine.sockets())
	for missing := j.Sockets; missing > 0; {
		if n := len(f.crowds); n == 0 || f.sizes[n-1] >= crowdSize {
			crowd, err := b.startRole("crowd")
			if err != nil {
				return err
			}
			f.crowds, f.sizes = append(f.crowds, crowd), append(f.sizes, 0)
		}
		last := len(f.crowds) - 1
		j.Sockets = min(missing, crowdSize-f.sizes[last])
		j.First, j.From = f.size, nextFrom()
		if err := f.crowds[last].call("Join", j, &None{}); err != nil {
			return err
		}
		missing -= j.Sockets
		f.sizes[last] += j.Sockets
		f.size += j.Sockets
	}
	return nil
}

// reset starts counting anew.
func (f *fleet) reset() error {
	for _, c := range f.crowds {
		if err := c.call("Reset", None{}, &None{}); err != nil {
			return err
		}
	}
	return nil
}

// await waits until every socket has got so many frames since reset, and fails unless each has got exactly that many, in order.
func (f *fleet) await(each int64) (Tally, error) {
	t, err := f.awaitTotal(each * int64(f.size))
	if err == nil && (t.Fewest != each || t.Most != each) {
		err = fmt.Errorf("%w: every socket should have got %d, but one got %d and one %d", errLost, each, t.Fewest, t.Most)
	}
	return t, err
}

// awaitTotal waits until all sockets together have got so many frames since reset.
func (f *fleet) awaitTotal(total int64) (sum Tally, err error) {
	tallies := make([]Tally, len(f.crowds))
	waits := make([]func() error, len(f.crowds))
	for i, c := range f.crowds {
		share := total * int64(f.sizes[i]) / int64(f.size)
		waits[i] = c.begin("Await", share, &tallies[i])
	}
	for i, wait := range waits {
		if err := wait(); err != nil {
			return sum, err
		}
		t := &tallies[i]
		sum.Frames += t.Frames
		if i == 0 || t.Fewest < sum.Fewest {
			sum.Fewest = t.Fewest
		}
		sum.Most = max(sum.Most, t.Most)
		sum.Last = max(sum.Last, t.Last)
		sum.Closed += t.Closed
		sum.Delays.merge(&t.Delays)
		if t.Broken != "" {
			err = errors.Join(err, errors.New(t.Broken))
		}
	}
	if sum.Closed > 0 {
		err = errors.Join(err, fmt.Errorf("%d sockets were closed", sum.Closed))
	}
	if sum.Frames != total {
		err = errors.Join(err, fmt.Errorf("%w: %d of %d arrived", errLost, sum.Frames, total))
	}
	return sum, err
}

// disperse ends the fleet's processes and with them its sockets.
func (f *fleet) disperse() {
	for _, c := range f.crowds {
		c.stop()
	}
}
