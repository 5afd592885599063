package redisbroker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

const (
	// reapAtOnce is how many entries one script takes: Redis does nothing else meanwhile.
	reapAtOnce = 200

	// rememberReaped is how long an answer is kept for a node that asks again.
	rememberReaped = time.Minute
)

// reaping is what an engine remembers between two calls of Reap.
type reaping struct {
	calls   uint64                  // how many there were, so that each has a number
	lost    [partitions]*reapedPart // calls whose answers were lost; nil: none
	checked int                     // the partition that comes next to be looked through for nodes that were left behind
}

// reapedPart is one call of the script.
type reapedPart struct {
	node   string
	number uint64
}

// Reap is described in [cluster.Engine].
func (e *Engine) Reap(ctx context.Context) (made []pusherhub.Transition, more bool, err error) {
	e.reapMu.Lock()
	defer e.reapMu.Unlock()
	l, ctx, done, err := e.begin(ctx)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = done(err) }()

	made, err = e.askAgain(ctx, l)
	if err != nil {
		return made, true, err
	}
	dead, err := e.dead(ctx, l)
	if err != nil || len(dead) == 0 {
		return made, false, err
	}
	taken, whole, err := e.reapNode(ctx, l, dead[0])
	made = append(made, taken...)
	if err == nil && whole {
		err = l.client.Do(ctx, l.client.B().Zrem().Key(e.keys.dead()).Member(dead[0]).Build()).Error()
	}
	return made, !whole || len(dead) > 1, err
}

// dead returns nodes that are to be reaped.
func (e *Engine) dead(ctx context.Context, l *link) ([]string, error) {
	fields, err := l.client.Do(ctx, l.client.B().Hkeys().Key(e.keys.meta(e.reaping.checked)).Build()).AsStrSlice()
	if err != nil {
		return nil, err
	}
	e.reaping.checked = (e.reaping.checked + 1) % partitions
	var known []string
	for _, field := range fields {
		if len(field) > 1 && (field[0] == 'n' || field[0] == 'r') {
			known = append(known, field[1:])
		}
	}
	return run(ctx, l.client, call{deadScript, []string{e.keys.leases(), e.keys.dead()}, known})[0].AsStrSlice()
}

// reapNode takes a part of what a node holds; whole says that nothing is left.
func (e *Engine) reapNode(ctx context.Context, l *link, node string) (made []pusherhub.Transition, whole bool, err error) {
	all := make([]int, partitions)
	for p := range all {
		all[p] = p
		e.reaping.calls++
		e.reaping.lost[p] = &reapedPart{node, e.reaping.calls}
	}
	return e.reapParts(ctx, l, all)
}

// askAgain asks for the answers that were lost, so that nothing that was made stays unreported.
func (e *Engine) askAgain(ctx context.Context, l *link) ([]pusherhub.Transition, error) {
	var lost []int
	for p, part := range e.reaping.lost {
		if part != nil {
			lost = append(lost, p)
		}
	}
	if len(lost) == 0 {
		return nil, nil
	}
	made, _, err := e.reapParts(ctx, l, lost)
	return made, err
}

// reapParts has what is noted in reaping.lost done for those partitions.
func (e *Engine) reapParts(ctx context.Context, l *link, of []int) (made []pusherhub.Transition, whole bool, err error) {
	calls := make([]call, len(of))
	for i, p := range of {
		part := e.reaping.lost[p]
		calls[i] = call{reapScript, []string{e.keys.meta(p)}, []string{
			l.publish, e.keys.channel[p], part.node, strconv.Itoa(reapAtOnce), e.id, strconv.FormatUint(part.number, 10), milliseconds(rememberReaped),
		}}
	}
	whole = true
	for i, result := range run(ctx, l.client, calls...) {
		said, failed := result.ToArray()
		if failed != nil {
			err, whole = errors.Join(err, failed), false
			continue
		}
		e.reaping.lost[of[i]] = nil
		if done, _ := said[0].AsInt64(); done != 1 {
			whole = false
		}
		answer, _ := said[1].ToString()
		transitions, ok := parseTransitions(answer)
		if !ok {
			err = errors.Join(err, errAnswer)
		}
		made = append(made, transitions...)
	}
	return made, whole, err
}
