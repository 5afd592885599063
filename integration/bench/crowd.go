//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Crowd holds many sockets that only read. They are read in one thread with epoll into one buffer, because a client
// that costs as much as the server would measure itself; TLS sockets have a goroutine each.
type Crowd struct {
	poll *poller

	mu      sync.Mutex
	members []*member     // guarded by mu
	total   int64         // guarded by mu: frames since Reset
	closed  int           // guarded by mu: sockets that ended by themselves
	broken  string        // guarded by mu: what went wrong, the first time
	fresh   bool          // guarded by mu: a frame came since arrived was called
	last    time.Time     // guarded by mu: when the last frame came
	delays  histogram     // guarded by mu: of events whose publisher counts
	target  int64         // guarded by mu: how many frames somebody waits for
	reached chan struct{} // guarded by mu: closed when total is target; nil if nobody waits
}

// member is one socket of a crowd. Guarded by the crowd's mu.
type member struct {
	*socket

	fd      int // -1 with TLS
	frames  int64
	sampled bool              // its events are checked
	stampAt int               // where the stamp was in the last event
	seqs    [unordered]uint32 // the last number of each publisher
	gone    bool
}

// sampleEvery is how many sockets there are for one that is checked.
const sampleEvery = 8

func newCrowd() *Crowd { return &Crowd{} }

// JoinArgs says which sockets a crowd gets.
type JoinArgs struct {
	Target  Target
	Sockets int
	From    byte // source address 127.0.0.From

	// Channel is what every socket subscribes to; empty: nothing. With Own each has its own, its number behind the name.
	Channel string
	Own     bool

	// Also is a channel that every socket subscribes to besides; empty: none.
	Also string

	// Several, instead, gives socket i the channels i*Several … of Of, around.
	Several, Of int

	// First is the number of the first socket. On presence channels socket i is user i, around at Users if that is not 0.
	First, Users int

	// Deaf sockets read nothing after they have subscribed, and have little room in the kernel.
	Deaf bool
}

// channels returns what the socket with that number subscribes to.
func (a JoinArgs) channels(i int) []string {
	switch {
	case a.Also != "":
		return []string{a.Channel, a.Also}
	case a.Channel == "":
		return nil
	case a.Several > 0:
		list := make([]string, a.Several)
		for k := range list {
			list[k] = numbered(a.Channel, (i*a.Several+k)%a.Of)
		}
		return list
	case a.Own:
		return []string{numbered(a.Channel, i)}
	default:
		return []string{a.Channel}
	}
}

func (a JoinArgs) user(i int) string {
	if a.Users > 0 {
		i %= a.Users
	}
	return numbered("user", i)
}

// Join connects and subscribes sockets, several at a time.
func (c *Crowd) Join(a JoinArgs, _ *None) error {
	if c.poll == nil {
		poll, err := newPoller(c)
		if err != nil {
			return err
		}
		c.poll = poll
	}
	const together = 16
	next := make(chan int)
	results := make(chan error, together)
	for range together {
		go func() {
			var failed error
			for i := range next {
				if failed == nil {
					failed = c.joinOne(a, a.First+i)
				}
			}
			results <- failed
		}()
	}
	for i := range a.Sockets {
		next <- i
	}
	close(next)
	var errs []error
	for range together {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

func (c *Crowd) joinOne(a JoinArgs, i int) error {
	s, err := dial(a.Target, a.From)
	if err != nil {
		return err
	}
	if err := s.subscribe(a.user(i), a.channels(i)...); err != nil {
		_ = s.nc.Close()
		return err
	}
	if a.Deaf {
		return c.addDeaf(s)
	}
	m := &member{socket: s, fd: -1, sampled: i%sampleEvery == 0}
	s.texts, s.buf, s.parser.keep = nil, nil, m.sampled
	return c.add(m, a.Target.TLS)
}

// add lets the crowd read the socket.
func (c *Crowd) add(m *member, overTLS bool) error {
	if err := m.nc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if overTLS {
		go c.readTLS(m)
	} else if err := m.detach(); err != nil {
		return err
	}
	c.mu.Lock()
	c.members = append(c.members, m)
	c.mu.Unlock()
	if overTLS {
		return nil
	}
	return c.poll.add(m)
}

// readTLS is the reader of one TLS socket.
func (c *Crowd) readTLS(m *member) {
	buf := make([]byte, 2048)
	for {
		n, err := m.nc.Read(buf)
		c.mu.Lock()
		pings := c.received(m, buf[:n])
		if err != nil {
			c.lost(m)
		}
		c.arrived()
		c.mu.Unlock()
		if err != nil {
			return
		}
		for range pings {
			_, _ = m.nc.Write(pongFrame) // a dead socket shows in Read
		}
	}
}

// received takes bytes that came for a socket and returns how many pings were among them. The caller holds mu.
func (c *Crowd) received(m *member, b []byte) (pings int) {
	m.parser.feed(b, func(op byte, payload []byte) {
		switch op {
		case opText:
			m.frames++
			c.total++
			c.fresh = true
			if payload != nil {
				c.check(m, payload)
			}
		case opPing:
			pings++
		case opClose:
			c.lastWords(payload)
		}
	})
	return pings
}

// lastWords keeps why the server closes a socket, the first time. The caller holds mu.
func (c *Crowd) lastWords(payload []byte) {
	if len(payload) >= 2 && c.broken == "" {
		c.broken = fmt.Sprintf("the server closed a socket with %d %q", binary.BigEndian.Uint16(payload), payload[2:])
	}
}

// check looks at one event of a sampled socket: its number must be one more than the last of its publisher. The caller holds mu.
func (c *Crowd) check(m *member, payload []byte) {
	if at := m.stampAt; at == 0 || at+len(stampForm) > len(payload) || payload[at] != 'p' || payload[at-1] != '"' {
		if m.stampAt = findStamp(payload); m.stampAt < 0 {
			m.stampAt = 0
			return // not an event
		}
	}
	s := payload[m.stampAt:]
	publisher, seq := digits(s[1:3]), uint32(digits(s[seqAt:timeAt-1]))
	if publisher == unordered {
		return
	}
	c.delays.add(time.Since(time.Unix(0, digits(s[timeAt:len(stampForm)]))))
	if expected := m.seqs[publisher] + 1; seq != expected && c.broken == "" {
		c.broken = fmt.Sprintf("event %d of publisher %d came where %d should have", seq, publisher, expected)
	}
	m.seqs[publisher] = seq
}

// arrived notes the moment and wakes who waits. The caller holds mu.
func (c *Crowd) arrived() {
	if !c.fresh {
		return
	}
	c.fresh = false
	c.last = time.Now()
	if c.reached != nil && c.total >= c.target {
		close(c.reached)
		c.reached = nil
	}
}

// lost notes that a socket has ended. The caller holds mu.
func (c *Crowd) lost(m *member) {
	if !m.gone {
		m.gone = true
		c.closed++
	}
}

// Reset starts counting anew.
func (c *Crowd) Reset(None, *None) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total, c.broken, c.delays = 0, "", histogram{}
	for _, m := range c.members {
		m.frames = 0
		clear(m.seqs[:])
	}
	return nil
}

// Tally is what a crowd has received since Reset.
type Tally struct {
	Frames       int64
	Fewest, Most int64 // frames of one socket
	Last         int64 // when the last came, in Unix nanoseconds
	Closed       int   // sockets that were closed
	Broken       string
	Delays       histogram
}

// stall is how long nothing may arrive while somebody waits: what has not come by then is lost.
const stall = 10 * time.Second

// Await waits until so many frames have come since Reset, or nothing comes any more.
func (c *Crowd) Await(frames int64, t *Tally) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for before := int64(-1); c.total < frames && c.total != before; {
		before = c.total
		reached := make(chan struct{})
		c.target, c.reached = frames, reached
		c.mu.Unlock()
		select {
		case <-reached:
		case <-time.After(stall):
		}
		c.mu.Lock()
	}
	c.tally(t)
	return nil
}

func (c *Crowd) tally(t *Tally) {
	*t = Tally{Frames: c.total, Last: c.last.UnixNano(), Closed: c.closed, Broken: c.broken, Delays: c.delays}
	for i, m := range c.members {
		if i == 0 || m.frames < t.Fewest {
			t.Fewest = m.frames
		}
		t.Most = max(t.Most, m.frames)
	}
}
