package natsbroker

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"
)

// echoTimeout is how long neighbours are waited for. One that does not answer is not waited for the next time.
const echoTimeout = 300 * time.Millisecond

// echoes make sure that the other nodes' servers know of a subscription. In a cluster of servers a server confirms what it knows itself, and tells the others
// afterwards; so somebody who is connected to another one may send something for a moment that does not come here. But what this node publishes comes after
// its subscriptions, on every server. So it calls, and once a neighbour has answered, all that the neighbour sends comes.
//
// The neighbours are those who have called, and those who have answered. The zero value knows none.
type echoes struct {
	mu         sync.Mutex // no other lock is taken while it is held
	neighbours map[string]bool
	calls      map[string]*echo // by number
	number     uint64
}

// echo is a call that waits for its answers.
type echo struct {
	missing map[string]bool
	all     chan struct{} // closed when nobody is missing
}

// hears has a link hear calls and answers.
func (e *echoes) hears(l *link) error {
	return l.subscribe(l.calls(), l.answers(l.id, "*"))
}

// meet calls everybody, to know the neighbours and to be known.
func (e *echoes) meet(ctx context.Context, l *link) error {
	return e.call(ctx, l, true)
}

// call waits until all neighbours have answered. first waits for those that are not known.
func (e *echoes) call(ctx context.Context, l *link, first bool) error {
	e.mu.Lock()
	e.number++
	number := strconv.FormatUint(e.number, 10)
	waiting := &echo{missing: make(map[string]bool), all: make(chan struct{})}
	for neighbour := range e.neighbours {
		waiting.missing[neighbour] = true
	}
	if e.calls == nil {
		e.calls = make(map[string]*echo)
	}
	e.calls[number] = waiting
	if len(waiting.missing) == 0 && !first {
		close(waiting.all)
	}
	e.mu.Unlock()
	timeout := time.NewTimer(echoTimeout)
	defer timeout.Stop()
	err := l.publish(l.calls(), "", kindCall, []byte(l.id+"."+number))
	if err == nil {
		select {
		case <-waiting.all:
		case <-timeout.C:
		case <-l.ctx.Done():
			err = l.failure()
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.calls, number)
	if err == nil {
		for neighbour := range waiting.missing {
			delete(e.neighbours, neighbour)
		}
	}
	return err
}

// called answers a call. It is called by the link's reader.
func (e *echoes) called(l *link, body string) {
	caller, number, found := strings.Cut(body, ".")
	if !found || caller == l.id || strings.Contains(number, ".") {
		return
	}
	e.mu.Lock()
	e.know(caller)
	e.mu.Unlock()
	if err := l.publish(l.answers(caller, number), "", kindAnswer, []byte(l.id)); err != nil {
		l.lose(err)
	}
}

// answered takes an answer.
func (e *echoes) answered(subject, neighbour string) {
	number := subject[strings.LastIndexByte(subject, '.')+1:]
	e.mu.Lock()
	defer e.mu.Unlock()
	e.know(neighbour)
	waiting := e.calls[number]
	if waiting == nil || !waiting.missing[neighbour] {
		return
	}
	if delete(waiting.missing, neighbour); len(waiting.missing) == 0 {
		close(waiting.all)
	}
}

// know notes a neighbour. The lock must be held.
func (e *echoes) know(neighbour string) {
	if e.neighbours == nil {
		e.neighbours = make(map[string]bool)
	}
	e.neighbours[neighbour] = true
}

// clustered reports whether the server is one of several.
func (l *link) clustered() bool { return l.nc.ConnectedClusterName() != "" }
