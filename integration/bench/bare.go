//go:build linux

package main

import (
	"net"
	"sync"
	"time"
)

// Bare is the machine's own limit: it takes TCP connections and writes a ready-made frame to each, one after the other.
type Bare struct {
	mu      sync.Mutex
	sockets []net.Conn // guarded by mu
}

// Listen starts the server and returns its address.
func (b *Bare) Listen(_ None, addr *string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	*addr = l.Addr().String()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.sockets = append(b.sockets, nc)
			b.mu.Unlock()
		}
	}()
	return nil
}

// Sockets returns how many connections there are.
func (b *Bare) Sockets(_ None, n *int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	*n = len(b.sockets)
	return nil
}

// WriteArgs says what the loop writes.
type WriteArgs struct {
	Frame   []byte
	StampAt int
	Joined  int     // frames in one write; 0: one
	Rate    float64 // writes to each socket per second; 0: as fast as it goes
	Length  time.Duration
}

// Writes is what the loop did.
type Writes struct {
	Events  int64
	Started int64 // Unix nanoseconds
}

// Write runs the loop.
func (b *Bare) Write(a WriteArgs, done *Writes) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	joined := max(a.Joined, 1)
	wire := make([]byte, 0, len(a.Frame)*joined)
	for range joined {
		wire = append(wire, a.Frame...)
	}
	pace := newPace(a.Rate, a.Length)
	done.Started = pace.began.UnixNano()
	for {
		due, more := pace.wait()
		if !more {
			return nil
		}
		for i := range joined {
			done.Events++
			stamp(wire[i*len(a.Frame)+a.StampAt:], 0, done.Events, due.UnixNano())
		}
		for _, nc := range b.sockets {
			if _, err := nc.Write(wire); err != nil {
				return err
			}
		}
	}
}
