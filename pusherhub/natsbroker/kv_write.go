package natsbroker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// errTooLarge says that the server would not take a value.
var errTooLarge = errors.New("the value of a topic is too large")

// kvApply is what a node's batch changes of one topic.
type kvApply struct {
	*kvRegister
	node  string
	batch uint64
}

// at applies updates at a place, and in its parts if it has some. What no value can hold is left out.
func (a *kvApply) at(ctx context.Context, p kvPlace, updates []cluster.Update) ([]kvMade, error) {
	for {
		made, found, err := a.write(ctx, p, updates)
		switch {
		case errors.Is(err, errTooLarge):
			if updates = a.leaveOut(p, updates, err); len(updates) == 0 {
				return nil, nil
			}
		case err != nil:
			return nil, err
		case found == phaseWhole:
			return made, nil
		case found == phaseMoving:
			if err := a.move(ctx, p); err != nil {
				return nil, err
			}
		default:
			return a.below(ctx, p, updates)
		}
	}
}

// leaveOut returns the updates without the members that join, or nothing if there are none.
func (a *kvApply) leaveOut(p kvPlace, updates []cluster.Update, why error) (rest []cluster.Update) {
	found := false
	for _, u := range updates {
		members := u.Members
		u.Members = nil
		for _, m := range members {
			if m.Gone {
				u.Members = append(u.Members, m)
				continue
			}
			found = true
			a.handler.LeftOut(p.name, m.UserID, why)
		}
		if u.Counted || len(u.Members) > 0 {
			rest = append(rest, u)
		}
	}
	if !found {
		a.handler.LeftOut(p.name, "", why)
		return nil
	}
	return rest
}

// below applies updates of a place that has parts: a gain of the topic comes before what its members do, a loss after that.
func (a *kvApply) below(ctx context.Context, p kvPlace, updates []cluster.Update) (made []kvMade, err error) {
	counts, members := p.divide(updates)
	first := slices.ContainsFunc(counts, func(u cluster.Update) bool { return u.Count > 0 })
	if first {
		if made, err = a.at(ctx, p, counts); err != nil {
			return nil, err
		}
	}
	var results [len(partDigits)][]kvMade
	places := p.parts()
	err = parallel(len(places), func(i int) (err error) {
		if len(members[i]) > 0 {
			results[i], err = a.at(ctx, places[i], members[i])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	made = append(made, inOrder(slices.Concat(results[:]...), updates)...)
	if !first && len(counts) > 0 {
		last, err := a.at(ctx, p, counts)
		if err != nil {
			return nil, err
		}
		made = append(made, last...)
	}
	return made, nil
}

// inOrder puts what was made of members into the order of the updates.
func inOrder(made []kvMade, updates []cluster.Update) []kvMade {
	places := make(map[string]int)
	for _, u := range updates {
		for _, m := range u.Members {
			if _, found := places[m.UserID]; !found {
				places[m.UserID] = len(places)
			}
		}
	}
	slices.SortStableFunc(made, func(a, b kvMade) int { return cmp.Compare(places[string(a.Member)], places[string(b.Member)]) })
	return made
}

// write applies updates to the value of one place, in one step. If found is not phaseWhole, nothing was applied: the members are somewhere else, or about to move.
func (a *kvApply) write(ctx context.Context, p kvPlace, updates []cluster.Update) (made []kvMade, found kvPhase, err error) {
	members := slices.ContainsFunc(updates, func(u cluster.Update) bool { return len(u.Members) > 0 })
	limit := a.limit()
	err = a.change(ctx, p.key(), func(value []byte) ([]byte, error) {
		made, found = nil, phaseWhole
		t, err := topicOf(p.name, value)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		switch {
		case t.Phase == phaseMoving, t.Phase == phaseMoved && members:
			found = t.Phase
			return nil, nil
		case t.Phase == phaseEnding && members:
			found = phaseMoved
			t.Phase, t.Changed, t.Gone = phaseMoved, nil, nil
			return t.encode(now)
		}
		w := &topicWrite{topic: t, node: a.node, now: now}
		if again := w.apply(a.batch, updates); again || !w.dirty {
			made = w.made
			return nil, nil
		}
		next, err := t.encode(now)
		if err != nil {
			return nil, err
		}
		switch users := w.users(); {
		case mayHaveParts(p.name) && len(p.path) < partDepth && (len(next) > limit/2 && users > 1 || users >= fewUsers && t.weight() > min(a.options.partSize, limit/4)):
			found = phaseMoving
			return startMoving(p, value, now)
		case len(next) > limit:
			return nil, fmt.Errorf("%w: found %d bytes, expected %d at most", errTooLarge, len(next), limit)
		}
		made = w.made
		return next, nil
	})
	if isTooLarge(err) {
		err = fmt.Errorf("%w: %w", errTooLarge, err)
	}
	return made, found, err
}

// startMoving returns a value as it is, but that its members are to be moved.
func startMoving(p kvPlace, value []byte, now time.Time) ([]byte, error) {
	t, err := topicOf(p.name, value)
	if err != nil {
		return nil, err
	}
	t.Phase, t.Changed, t.Gone = phaseMoving, nil, nil
	return t.encode(now)
}

// apply applies the updates of a batch. If the topic has seen the batch, it does not, and made is what that made; if it has seen a later one, nothing is made.
func (w *topicWrite) apply(batch uint64, updates []cluster.Update) (again bool) {
	t := w.topic
	done := slices.IndexFunc(t.Done, func(d kvDone) bool { return d.Node == w.node })
	if done >= 0 && t.Done[done].Batch >= batch {
		if t.Done[done].Batch == batch {
			w.made = t.Done[done].Made
		}
		return true
	}
	for _, u := range updates {
		w.update(u)
	}
	record := kvDone{Node: w.node, Batch: batch, At: w.now.UnixMilli(), Made: w.made}
	if done >= 0 {
		t.Done[done] = record
	} else {
		t.Done = append(t.Done, record)
	}
	t.Changed, t.Gone = w.changed, w.gone
	if t.Phase == phaseEnding {
		t.Phase = phaseMoved
	}
	return false
}

// users is of how many users the value has, or had, members.
func (w *topicWrite) users() int {
	users := make(map[string]bool)
	for _, h := range w.topic.Holdings {
		for _, m := range h.Members {
			users[string(m.User)] = true
		}
	}
	for _, name := range w.gone {
		if len(name.User) > 0 {
			users[string(name.User)] = true
		}
	}
	return len(users)
}

// limit is how long a value may be.
func (r *kvRegister) limit() int {
	limit := int(r.js.Conn().MaxPayload())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stream != nil {
		if largest := int(r.stream.CachedInfo().Config.MaxMsgSize); largest > 0 {
			limit = min(limit, largest)
		}
	}
	return limit - keptRoom
}

// isTooLarge reports whether the server, or the client for it, would not take something because of its size.
func isTooLarge(err error) bool {
	const messageTooLarge = 10054
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &api) && api.ErrorCode == messageTooLarge
}
