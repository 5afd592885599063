package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var errNotConnected = errors.New("not connected yet")

// link is what this node knows of its connection to the server.
type link struct {
	name string // of the server; static

	mu       sync.Mutex
	up       bool          // guarded by mu, like everything below
	conn     uint64        // number of the connection
	since    time.Time     // when up changed
	err      error         // why it is not up, or why the last call failed; nil after one that was answered
	answered time.Time     // when the last call was
	sendAt   time.Time     // when messages may be sent
	vain     time.Time     // when somebody last waited in vain for any answer
	session  *session      // nil until the node is entered
	changed  chan struct{} // closed, and replaced, when any of this has changed but answered, vain and err
}

// session is the time in which a node has a lease under one id, over one connection.
type session struct {
	number uint64
	conn   uint64
	ctx    context.Context // ends with it
	end    context.CancelFunc

	refill
}

// refill says how a register is filled again that has lost its memory. In the past, all of it, if it has not.
type refill struct {
	releaseAt time.Time // when phaseRelease begins
	claimAt   time.Time // when phaseClaim begins
	wholeAt   time.Time // from when on what the register does not have is not there
}

func (r *refill) phase() phase {
	switch now := time.Now(); {
	case now.Before(r.releaseAt):
		return phaseRestore
	case now.Before(r.claimAt):
		return phaseRelease
	}
	return phaseClaim
}

// state returns the connection's number, 0 if there is none, the session, nil if there is none, and what is closed when that has changed.
func (l *link) state() (conn uint64, s *session, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.up {
		return 0, nil, l.changed
	}
	return l.conn, l.session, l.changed
}

func (l *link) tellChanged() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// reunion is how long messages wait at most when the connection is back after having been lost for as long: other nodes, which may have lost theirs at the same time, are given
// the longest pause of an engine to come back, too, and to subscribe.
const reunion = 5 * time.Second

// setUp notes a new connection. It returns how long there was none, and whether its loss, or that there was none, was noted before.
func (l *link) setUp() (away time.Duration, missed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missed = l.conn > 0 || l.err != nil
	if !l.up {
		now := time.Now()
		away = now.Sub(l.since)
		l.up, l.since, l.answered, l.err = true, now, now, nil
		if l.conn > 0 {
			l.sendAt = now.Add(min(away, reunion))
		}
	}
	l.conn++
	l.endSession()
	l.tellChanged()
	return away, missed
}

// setDown notes that there is no connection. It reports whether that is new.
func (l *link) setDown(err error) (isNew bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	isNew = l.up || l.err == nil
	if l.up {
		l.up, l.since = false, time.Now()
	}
	l.err = err
	l.endSession()
	l.tellChanged()
	return isNew
}

func (l *link) endSession() {
	if l.session != nil {
		l.session.end()
		l.session = nil
	}
}

// begin makes s the session, unless its connection is gone.
func (l *link) begin(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.up || l.conn != s.conn {
		s.end()
		return false
	}
	l.endSession()
	l.session = s
	l.tellChanged()
	return true
}

// note notes how a call ended.
func (l *link) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up {
		l.err = err
		if err == nil {
			l.answered = time.Now()
		}
	}
}

// away says that there is no connection, or one on which nothing was answered for that long. The first connection gets a
// moment to come about. changed is closed when there is a connection, or none any more.
func (l *link) away(patience time.Duration) (away bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == 0 && l.err == nil && time.Since(l.since) < waitTimeout {
		return false, l.changed
	}
	return !l.up || time.Since(l.answered) > patience, l.changed
}

// sendsAt is when messages may be sent.
func (l *link) sendsAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sendAt
}

// sendNow has messages sent at once.
func (l *link) sendNow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sendAt = time.Time{}
}

// waitedInVain notes that somebody has waited since then, for as long as anybody does. It reports whether nothing at all was answered meanwhile.
func (l *link) waitedInVain(since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answered.After(since) {
		return false
	}
	l.vain = time.Now()
	return true
}

// silent says that nothing was answered since somebody waited in vain.
func (l *link) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.vain.After(l.answered)
}

// problem is nil if there is a session and the server answers.
func (l *link) problem(patience time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.up && l.err == nil:
		return fmt.Errorf("%s: %w", l.name, errNotConnected)
	case !l.up:
		return fmt.Errorf("%s: not connected for %s: %w", l.name, time.Since(l.since).Round(time.Second), l.err)
	case l.err != nil && (l.session == nil || time.Since(l.answered) > patience):
		return fmt.Errorf("%s: no answer for %s: %w", l.name, time.Since(l.answered).Round(time.Second), l.err)
	case l.session == nil:
		return fmt.Errorf("%s: this node is not entered yet", l.name)
	}
	return nil
}
