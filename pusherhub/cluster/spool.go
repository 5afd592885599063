package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// errNoRoom is what Publish answers when the server is too slow for too long, or when its caller does not wait for that.
var errNoRoom = errors.New("too many messages wait for the server: it is connected, but slow")

// spool is the queue of what this node sends to the others, messages and commands in one order. Its size is bounded in bytes.
type spool struct {
	max int           // bytes; static
	age time.Duration // static

	mu     sync.Mutex
	queue  []*queued // guarded by mu, like everything below; from head on
	head   int
	bytes  int
	number uint64        // of the newest
	room   chan struct{} // closed when there may be room again; nil if nobody waits for that

	dropped atomic.Uint64 // messages that were not sent
}

// queued is something in the spool.
type queued struct {
	envelope
	size      int
	at        time.Time
	accepted  chan struct{} // closed when the server has it; nil if nobody wants to know
	withdrawn bool          // guarded by the spool's mu: it is not to be sent any more
}

// add queues a message. If there is no room, it drops the oldest messages while the server is away, and waits otherwise. away is
// asked for that, changed is closed when its answer may have become another.
func (s *spool) add(ctx context.Context, m *pusherhub.Message, away func() (bool, <-chan struct{})) error {
	q := &queued{envelope: envelope{message: m}, size: messageSize(m)}
	var patience <-chan time.Time
	for {
		isAway, changed := away()
		room := s.tryAdd(q, isAway)
		if room == nil {
			return nil
		}
		if patience == nil {
			timer := time.NewTimer(roomTimeout)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-room:
		case <-changed:
		case <-patience:
			return errNoRoom
		case <-ctx.Done():
			return errNoRoom
		}
	}
}

// tryAdd queues q, or returns what is closed when there may be room.
func (s *spool) tryAdd(q *queued, away bool) (room <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if away {
		s.expire(s.max - q.size)
	} else if s.bytes > 0 && s.bytes+q.size > s.max {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		return s.room
	}
	s.push(q)
	return nil
}

// addCommand queues a command, for which there is always room, and returns it.
func (s *spool) addCommand(c *pusherhub.Command) *queued {
	q := &queued{envelope: envelope{command: c}, size: 256, accepted: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.push(q)
	return q
}

// withdraw has a command not sent any more, if it was not yet.
func (s *spool) withdraw(q *queued) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.withdrawn = true
}

func (s *spool) push(q *queued) {
	s.number++
	q.number, q.at = s.number, time.Now()
	s.queue = append(s.queue, q)
	s.bytes += q.size
}

// pop takes the oldest out.
func (s *spool) pop() *queued {
	q := s.queue[s.head]
	s.queue[s.head] = nil
	s.head++
	if s.head > len(s.queue)/2 {
		s.queue = slices.Delete(s.queue, 0, s.head)
		s.head = 0
	}
	s.bytes -= q.size
	if s.room != nil && s.bytes < s.max {
		close(s.room)
		s.room = nil
	}
	return q
}

// expire drops what is too old, and the oldest until the rest has no more than so many bytes.
func (s *spool) expire(bytes int) {
	oldest := time.Now().Add(-s.age)
	for s.head < len(s.queue) {
		q := s.queue[s.head]
		if s.bytes <= bytes && !q.withdrawn && q.at.After(oldest) {
			return
		}
		s.pop()
		if q.message != nil {
			s.dropped.Add(1)
		}
	}
}

// newest is the number of what was queued last.
func (s *spool) newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.number
}

// peek returns the oldest of what was queued up to a number: as much as goes with one Send.
func (s *spool) peek(upTo uint64) (list []*queued) {
	const most, mostBytes = 512, 256 << 10
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(s.bytes)
	bytes := 0
	for _, q := range s.queue[s.head:] {
		if q.number > upTo || len(list) == most || len(list) > 0 && bytes+q.size > mostBytes {
			break
		}
		if !q.withdrawn {
			list = append(list, q)
			bytes += q.size
		}
	}
	return list
}

// accept takes out what the server has: everything up to a number.
func (s *spool) accept(upTo uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.head < len(s.queue) && s.queue[s.head].number <= upTo {
		if q := s.pop(); q.accepted != nil {
			close(q.accepted)
		}
	}
}

// size is how much waits.
func (s *spool) size() (messages, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) - s.head, s.bytes
}
