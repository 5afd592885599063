package natsbroker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// waiting is how many messages may wait for the reader. More than that make the connection lost: those that are dropped would be missed.
const waiting = 1 << 15

// flushTimeout bounds a round trip to the server if the caller does not.
const flushTimeout = 5 * time.Second

// errLost says that a connection is lost, or was never there.
var errLost = errors.New("not connected to NATS")

// link is one connection to a server, from the connect to its loss. One goroutine reads what comes on all subscriptions, in the order in which it comes.
type link struct {
	subjects
	id string // names the streams of this link; static
	nc *nats.Conn

	messages chan *nats.Msg
	take     func(subject string, f frame) // takes what came; set before start
	noReader func(subject string)          // takes that nobody listens to what had this subject for its reply
	ignored  func()                        // counts what is not understood
	streams  atomic.Uint64                 // numbers the streams
	mu       sync.Mutex                    // guards subs; nats.go's locks are taken while it is held
	subs     map[string]*nats.Subscription // by subject; nil: the link is closed

	lose func(error)     // ends the link; the first error counts
	ctx  context.Context // ends when the link is lost; its cause says why
	done sync.WaitGroup  // the reader
}

// dialLink makes a connection. more are servers besides those of the options.
func dialLink(ctx context.Context, o Options, more []string) (*link, error) {
	l := &link{
		subjects: subjects{o.Prefix},
		id:       rand.Text(),
		messages: make(chan *nats.Msg, waiting),
		subs:     make(map[string]*nats.Subscription),
	}
	var end context.CancelCauseFunc
	l.ctx, end = context.WithCancelCause(context.WithoutCancel(ctx))
	l.lose = func(err error) { end(fmt.Errorf("%w: %w", errLost, err)) }
	var err error
	if l.nc, err = o.connect(ctx, more, l.lose); err != nil {
		end(err)
		return nil, err
	}
	return l, nil
}

// start begins to read.
func (l *link) start() {
	l.done.Go(func() {
		var parts assembler
		for {
			select {
			case m := <-l.messages:
				l.read(&parts, m)
			case <-l.ctx.Done():
				return
			}
		}
	})
}

func (l *link) read(parts *assembler, m *nats.Msg) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		l.noReader(m.Subject)
		return
	}
	f, err := decodeFrame(m.Data)
	if err != nil {
		l.ignored()
		return
	}
	whole, complete, err := parts.add(f, time.Now())
	switch {
	case err != nil:
		l.ignored()
	case complete:
		l.take(m.Subject, whole)
	}
}

// close ends the link and waits for its reader.
func (l *link) close() {
	l.lose(nats.ErrConnectionClosed)
	l.nc.Close()
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subs = nil
}

// subscribe has what is sent to the subjects read. It is so when flush has returned.
func (l *link) subscribe(subjects ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, subject := range subjects {
		switch {
		case l.subs == nil:
			return l.failure()
		case l.subs[subject] != nil:
			continue
		}
		sub, err := l.nc.ChanSubscribe(subject, l.messages)
		if err != nil {
			return fmt.Errorf("subscribing: %w", err)
		}
		l.subs[subject] = sub
	}
	return nil
}

func (l *link) unsubscribe(subjects ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, subject := range subjects {
		if sub := l.subs[subject]; sub != nil {
			delete(l.subs, subject)
			if err := sub.Unsubscribe(); err != nil {
				l.lose(fmt.Errorf("unsubscribing: %w", err))
			}
		}
	}
}

// flush waits until the server has taken what was published and subscribed before.
func (l *link) flush(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded { // nats.go wants a bound
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushTimeout)
		defer cancel()
	}
	if err := l.nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("waiting for NATS: %w", err)
	}
	return nil
}

// publish sends a body to a subject. reply, if it is not empty, is where the server says that nobody is subscribed. What is published by one
// goroutine is received in that order.
func (l *link) publish(subject, reply string, k kind, body []byte) error {
	return l.publishUntil(l.ctx, subject, reply, k, body)
}

// publishUntil is publish for something that may be long: when ctx ends, the rest is not sent.
func (l *link) publishUntil(ctx context.Context, subject, reply string, k kind, body []byte) error {
	stream := streamName(l.id, l.streams.Add(1))
	for _, data := range encodeFrames(k, body, stream, int(l.nc.MaxPayload())) {
		if ctx.Err() != nil {
			return fmt.Errorf("publishing: %w", context.Cause(ctx))
		}
		if err := l.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: data}); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
	}
	return nil
}

// say publishes a parcel. If that fails, the link is lost.
func (l *link) say(subject, reply string, k kind, p parcel) {
	if err := l.sayUntil(l.ctx, subject, reply, k, p); err != nil {
		l.lose(err)
	}
}

// sayUntil is say for a parcel that may be long: when ctx ends, the rest is not sent.
func (l *link) sayUntil(ctx context.Context, subject, reply string, k kind, p parcel) error {
	body, err := pack(p)
	if err != nil {
		return err
	}
	return l.publishUntil(ctx, subject, reply, k, body)
}

// failure says why the link is lost.
func (l *link) failure() error {
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	return errLost
}
