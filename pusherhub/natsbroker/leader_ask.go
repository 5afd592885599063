package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

var (
	// errNoLeader says that nobody keeps the register, or that whoever does cannot be reached.
	errNoLeader = errors.New("no node keeps the register")

	// errMemory says that the register's epoch is not the one that the broker knows.
	errMemory = errors.New("the register has lost its memory")
)

const (
	// askAgain is when a question is sent again that was refused, or had no reader.
	askAgain = 50 * time.Millisecond

	// longestAsk bounds a question if the caller does not.
	longestAsk = 5 * time.Second
)

// ask has a question answered by whoever leads. It waits for a leader if there is none at the moment, and asks again if the leader changes.
func (c *council) ask(ctx context.Context, q question, pulse bool) (reply, error) {
	return c.askAs(ctx, c.nextNumber(), q, pulse)
}

func (c *council) nextNumber() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	return strconv.FormatUint(c.number, 10)
}

// askAs asks a question under a number. One that was asked under the same number before, and was carried out, is answered again and not carried out again.
func (c *council) askAs(ctx context.Context, number string, q question, pulse bool) (reply, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, longestAsk)
		defer cancel()
	}
	c.mu.Lock()
	answers := make(chan reply, 1)
	c.awaited[number] = answers
	l := c.link
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.awaited, number)
	}()
	if l == nil {
		return reply{}, errLost
	}
	q.ID = c.id + "." + number
	body, err := pack(&q)
	if err != nil {
		return reply{}, err
	}
	for patience := c.times.silence; ; patience *= 2 {
		leader, known, changed := c.view.current()
		var again <-chan time.Time
		if known {
			if err := l.publish(l.node(leader.Leader, "q"), l.node(c.id, number), kindQuestion, body); err != nil {
				return reply{}, err
			}
		}
		select {
		case r := <-answers:
			if !r.Refused && c.view.answered(l, r, pulse) {
				return r, nil
			}
			again = time.After(askAgain)
		case <-changed:
		case <-time.After(patience): // the leader may have been away
		case <-l.ctx.Done():
			return reply{}, l.failure()
		case <-ctx.Done():
			return reply{}, fmt.Errorf("%w: %w", errNoLeader, ctx.Err())
		}
		if again != nil {
			select {
			case <-again:
			case <-changed:
			case <-l.ctx.Done():
			case <-ctx.Done():
			}
		}
	}
}

// isApart reports whether what is sent may be lost because this process stood still.
func (c *council) isApart(now time.Time) bool {
	c.reunion.see(now, c.times.still)
	return c.reunion.apart(now)
}

// replied takes the reply to a question. subject ends with the question's number.
func (c *council) replied(subject string, r reply) {
	number := subject[strings.LastIndexByte(subject, '.')+1:]
	c.mu.Lock()
	defer c.mu.Unlock()
	if answers := c.awaited[number]; answers != nil {
		select {
		case answers <- r:
		default: // asked twice, answered twice
		}
	}
}

// noReader takes that nobody listens to a question.
func (c *council) noReader(subject string) { c.replied(subject, reply{Refused: true}) }

// call has the leader carry out a call.
func (c *council) call(ctx context.Context, call cluster.Call, pulse bool) (cluster.Answer, error) {
	r, err := c.ask(ctx, question{Call: &call}, pulse)
	return r.Answer, err
}

// Enter implements register.
func (c *council) Enter(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	c.view.enters(node)
	answer, err := c.call(ctx, cluster.Call{Op: cluster.OpEnter, Node: node, TTL: ttl}, true)
	return answer.Pulse, err
}

// Beat implements register.
func (c *council) Beat(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	if c.view.isDisowned(node) {
		if err := c.Resign(ctx, node); err != nil {
			return cluster.Pulse{}, err
		}
		answer, err := c.call(ctx, cluster.Call{Op: cluster.OpBeat, Node: "", TTL: ttl}, true)
		answer.Pulse.Known = false
		return answer.Pulse, err
	}
	answer, err := c.call(ctx, cluster.Call{Op: cluster.OpBeat, Node: node, TTL: ttl}, true)
	return answer.Pulse, err
}

// Resign implements register.
func (c *council) Resign(ctx context.Context, node string) error {
	_, err := c.call(ctx, cluster.Call{Op: cluster.OpResign, Node: node}, false)
	return err
}

// Apply implements register.
func (c *council) Apply(ctx context.Context, node string, batch uint64, updates []cluster.Update) (made []pusherhub.Transition, known bool, err error) {
	if c.view.isDisowned(node) {
		return nil, false, nil
	}
	answer, err := c.call(ctx, cluster.Call{Op: cluster.OpApply, Node: node, Batch: batch, Updates: updates}, false)
	return answer.Made, answer.Known, err
}

// reapAtOnce bounds how much one call reaps.
const reapAtOnce = 1000

// Reap implements register. If the answer is lost, the next call asks for it, so that nothing that was made stays unreported.
func (c *council) Reap(ctx context.Context) (made []pusherhub.Transition, more bool, err error) {
	c.reapMu.Lock()
	defer c.reapMu.Unlock()
	if c.reaping == "" {
		c.reaping = c.nextNumber()
	}
	r, err := c.askAs(ctx, c.reaping, question{Call: &cluster.Call{Op: cluster.OpReap, Limit: reapAtOnce}}, false)
	if err == nil {
		c.reaping = ""
	}
	return r.Answer.Made, r.Answer.More, err
}

// keep implements register.
func (c *council) keep(ctx context.Context, t pusherhub.Topic, data []byte, until time.Time) error {
	_, err := c.call(ctx, cluster.Call{Op: cluster.OpKeep, Posts: []cluster.Post{{Topic: t, Data: data, Keep: until}}}, false)
	return err
}

// Read implements register.
func (c *council) Read(ctx context.Context, topics []pusherhub.Topic) ([]cluster.State, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	r, err := c.ask(ctx, question{Read: topics}, false)
	switch {
	case err != nil:
		return nil, err
	case !c.view.knowsEpoch(r.Claim.Epoch):
		return nil, errMemory
	case len(r.States) != len(topics):
		return nil, fmt.Errorf("reading the register: found %d topics, expected %d", len(r.States), len(topics))
	}
	return r.States, nil
}

// Count implements register.
func (c *council) Count(ctx context.Context, t pusherhub.Topic) (pusherhub.Holding, error) {
	r, err := c.ask(ctx, question{Count: &t}, false)
	return r.Holding, err
}

// Channels implements register.
func (c *council) Channels(ctx context.Context, app, prefix string) (map[string]pusherhub.Holding, error) {
	r, err := c.ask(ctx, question{Channels: &channelsOf{app, prefix}}, false)
	return r.Channels, err
}
