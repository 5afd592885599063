package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Subscribe has the channel followed, see [pusherhub.InterestBroker]. It waits for 2s at most.
func (b *Broker) Subscribe(app, channel string) error {
	b.Follow(pusherhub.Topic{App: app, Channel: channel})
	return nil
}

// Unsubscribe ends that.
func (b *Broker) Unsubscribe(app, channel string) error {
	b.Unfollow(pusherhub.Topic{App: app, Channel: channel})
	return nil
}

// Follow has the node told what others hold of the topics, see [pusherhub.RosterBroker]. It waits for 2s at most, and not at all if the
// server has not answered anything since somebody waited for so long.
func (b *Broker) Follow(topics ...pusherhub.Topic) {
	list := make([]*followed, len(topics))
	for i, t := range topics {
		list[i] = b.follows.add(t)
	}
	kick(b.followKick)
	began, silent := time.Now(), b.link.silent()
	timeout := time.NewTimer(waitTimeout)
	defer timeout.Stop()
	for _, f := range list {
		for {
			select {
			case <-f.ready:
			default:
				away, changed := b.away()
				if away || silent {
					return
				}
				select {
				case <-f.ready:
				case <-changed:
					continue
				case <-timeout.C:
					b.link.waitedInVain(began)
					return
				case <-b.ctx.Done():
					return
				}
			}
			break
		}
	}
}

// Unfollow ends that.
func (b *Broker) Unfollow(topics ...pusherhub.Topic) {
	for _, t := range topics {
		b.follows.remove(t)
	}
	kick(b.followKick)
}

// Hold notes how much of a topic this node has, see [pusherhub.RosterBroker].
func (b *Broker) Hold(t pusherhub.Topic, count int) {
	if b.holdings.hold(t, count) {
		b.flushSoon()
	}
}

// Join notes a member that this node has, see [pusherhub.RosterBroker].
func (b *Broker) Join(t pusherhub.Topic, m pusherhub.Member) {
	if b.holdings.join(t, m) {
		b.flushSoon()
	}
}

// Leave notes that this node has a member no more, see [pusherhub.RosterBroker].
func (b *Broker) Leave(t pusherhub.Topic, userID string) {
	if b.holdings.leave(t, userID) {
		b.flushSoon()
	}
}

// Settle waits until everything is entered and reported that this node holds when it is called, see [pusherhub.RosterBroker].
func (b *Broker) Settle(ctx context.Context) error {
	settled, end := b.holdings.settle()
	defer end()
	b.flushSoon()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: waiting until %d topics are entered: %w", b.o.Name, b.holdings.pending(), ctx.Err())
	case <-b.ctx.Done():
		return pusherhub.ErrBrokerClosed
	}
}

// Lookup asks the register, see [pusherhub.RosterBroker].
func (b *Broker) Lookup(ctx context.Context, t pusherhub.Topic) (found pusherhub.Holding, err error) {
	err = b.look(ctx, func(ctx context.Context) error {
		if found, err = b.engine.Count(ctx, t); err != nil || found.Cached != nil || !pusherhub.KindOf(t.Channel).Cache {
			return err
		}
		states, err := b.engine.Read(ctx, []pusherhub.Topic{t})
		if err == nil && len(states) == 1 {
			found.Cached = keptMessage(states[0].Kept)
		}
		return err
	})
	return found, err
}

// LookupMembers asks the register, see [pusherhub.RosterBroker].
func (b *Broker) LookupMembers(ctx context.Context, t pusherhub.Topic) (ids []string, err error) {
	err = b.look(ctx, func(ctx context.Context) error {
		states, err := b.engine.Read(ctx, []pusherhub.Topic{t})
		if err != nil {
			return err
		}
		seen := make(map[string]bool)
		for _, state := range states {
			for _, e := range state.Entries {
				if id := e.Member.UserID; id != "" && !seen[id] {
					seen[id] = true
					ids = append(ids, id)
				}
			}
		}
		return nil
	})
	return ids, err
}

// LookupChannels asks the register, see [pusherhub.RosterBroker].
func (b *Broker) LookupChannels(ctx context.Context, app, prefix string) (found map[string]pusherhub.Holding, err error) {
	err = b.look(ctx, func(ctx context.Context) error {
		found, err = b.engine.Channels(ctx, app, prefix)
		return err
	})
	return found, err
}

// look makes a call of the engine that somebody waits for.
func (b *Broker) look(ctx context.Context, f func(context.Context) error) error {
	if !b.calls.enter() {
		return pusherhub.ErrBrokerClosed
	}
	defer b.calls.leave()
	if away, _ := b.away(); away {
		return b.awayError()
	}
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	if err := f(ctx); err != nil {
		return fmt.Errorf("%s: looking into the register: %w", b.o.Name, err)
	}
	return nil
}
