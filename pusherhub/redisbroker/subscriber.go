package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// subscribeAtOnce is how many channels one command has at most.
const subscribeAtOnce = 500

// subscriber is a connection with subscriptions. What is asked of it is done in order, by one goroutine.
type subscriber struct {
	// Static after connect.
	link                   *link
	conn                   rueidis.DedicatedClient
	subscribe, unsubscribe string        // the commands
	lost                   <-chan error  // why the connection is lost
	work                   chan struct{} // holds one, if there is something in wishes

	mu     sync.Mutex
	wishes []wish // guarded by mu

	leaving atomic.Int64 // channels whose unsubscription was sent and not confirmed
}

// wish is that channels be subscribed to, or that they be left.
type wish struct {
	channels []string
	done     chan error // has room for one; nil: leave the channels
}

func newSubscriber(l *link, c rueidis.Client, subscribe, unsubscribe string) *subscriber {
	conn, _ := c.Dedicate() // given back by closing it
	s := &subscriber{link: l, conn: conn, subscribe: subscribe, unsubscribe: unsubscribe, work: make(chan struct{}, 1)}
	s.lost = conn.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage:      func(m rueidis.PubSubMessage) { l.handle(func() { l.engine.receive(m) }) },
		OnSubscription: s.confirmed,
	})
	l.subscribers = append(l.subscribers, s)
	return s
}

// ask puts a wish behind those that there are.
func (s *subscriber) ask(w wish) {
	s.mu.Lock()
	s.wishes = append(s.wishes, w)
	s.mu.Unlock()
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// serve does what is asked for until the link ends.
func (s *subscriber) serve() {
	health := time.NewTicker(healthEvery)
	defer health.Stop()
	defer s.refuse()
	for {
		select {
		case <-s.link.ctx.Done():
			return
		case err := <-s.lost:
			if err == nil {
				err = errors.New("a connection was closed")
			}
			s.link.fail(err)
		case <-s.work:
			s.mu.Lock()
			wishes := s.wishes
			s.wishes = nil
			s.mu.Unlock()
			s.fulfil(wishes)
		case <-health.C:
			if err := s.check(); err != nil {
				s.link.fail(err)
			}
		}
	}
}

// refuse answers what nobody will do any more.
func (s *subscriber) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wishes {
		if w.done != nil {
			w.done <- context.Cause(s.link.ctx)
		}
	}
	s.wishes = nil
}

// check makes sure that the server answers and is a master still.
func (s *subscriber) check() error {
	ctx, cancel := context.WithTimeout(s.link.ctx, s.link.engine.config.timeout)
	defer cancel()
	found, err := hello(ctx, s.conn)
	if err != nil {
		return fmt.Errorf("asking whether the connection is alive: %w", err)
	}
	if found.role != "master" {
		return errReplica
	}
	return s.link.check(found)
}

// fulfil sends all wishes in one pipeline. The server's answer to a command says that all its channels are subscribed to.
func (s *subscriber) fulfil(wishes []wish) {
	var commands rueidis.Commands
	var of []int // which wish a command belongs to
	for i, w := range wishes {
		for _, channels := range s.commandsOf(w.channels) {
			if w.done == nil {
				s.leaving.Add(int64(len(channels)))
				commands = append(commands, s.command(s.unsubscribe, channels))
			} else {
				commands = append(commands, s.command(s.subscribe, channels))
			}
			of = append(of, i)
		}
	}
	ctx, cancel := context.WithTimeout(s.link.ctx, s.link.engine.config.timeout)
	defer cancel()
	failed := make([]error, len(wishes))
	for i, result := range s.conn.DoMulti(ctx, commands...) {
		err := result.Error()
		if _, answered := rueidis.IsRedisErr(err); err != nil && !answered {
			s.link.fail(err) // nobody knows what is subscribed to
		}
		if answer, ok := rueidis.IsRedisErr(err); ok {
			if _, moved := answer.IsMoved(); moved {
				s.link.fail(err)
			}
		}
		if failed[of[i]] == nil {
			failed[of[i]] = err
		}
	}
	for i, w := range wishes {
		if w.done != nil {
			w.done <- failed[i]
		}
	}
}

// commandsOf divides channels into those of one command each: of one partition for sharded pub/sub, and not too many.
func (s *subscriber) commandsOf(channels []string) (commands [][]string) {
	if s.subscribe == "SUBSCRIBE" {
		return divided(channels, commands)
	}
	keys := &s.link.engine.keys
	var of [partitions][]string
	for _, channel := range channels {
		p := keys.partitionOfChannel(channel)
		of[p] = append(of[p], channel)
	}
	for _, channels := range of {
		commands = divided(channels, commands)
	}
	return commands
}

func divided(channels []string, into [][]string) [][]string {
	for len(channels) > 0 {
		n := min(len(channels), subscribeAtOnce)
		into = append(into, channels[:n])
		channels = channels[n:]
	}
	return into
}

func (s *subscriber) command(word string, channels []string) rueidis.Completed {
	switch b := s.conn.B(); word {
	case "SUBSCRIBE":
		return b.Subscribe().Channel(channels...).Build()
	case "SSUBSCRIBE":
		return b.Ssubscribe().Channel(channels...).Build()
	case "UNSUBSCRIBE":
		return b.Unsubscribe().Channel(channels...).Build()
	default:
		return b.Sunsubscribe().Channel(channels...).Build()
	}
}

// confirmed hears of each channel that is subscribed to or left. One that was not asked for is the server's own: the slot has
// moved to another master.
func (s *subscriber) confirmed(p rueidis.PubSubSubscription) {
	if p.Kind != "unsubscribe" && p.Kind != "sunsubscribe" {
		return
	}
	if s.leaving.Add(-1) < 0 {
		s.link.fail(errors.New("the server has ended a subscription: a part of the cluster's slots has moved"))
	}
}
