package pusherhub

import (
	"slices"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// interest tells an [InterestBroker] when a channel gets its first local subscriber and loses
// its last. Its lock is taken before all others and held during the broker's call, so that the calls for one channel come in
// order. Subscriptions are counted for every broker, because a hub may change to one that asks.
type interest struct {
	mu   sync.Mutex
	subs int              // guarded by mu: subscriptions that are or are about to be
	told []InterestBroker // guarded by mu: who knows of them; two while the hub changes its broker
}

// join counts one subscription in. When it returns, the broker delivers what is published from now on.
func (i *interest) join(h *Hub, ch *channel) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.subs++
	if b, asks := h.broker().(InterestBroker); asks {
		i.tell(b, ch)
	}
}

// leave counts one subscription out.
func (i *interest) leave(ch *channel) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.subs--
	if i.subs > 0 {
		return
	}
	i.end(ch)
	ch.forgetElsewhere()
}

// retract ends the interest although there are subscriptions: the app is gone, and nothing is delivered to it.
func (i *interest) retract(ch *channel) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.end(ch)
}

// end takes the channel back from everybody who was told of it. The caller holds mu.
func (i *interest) end(ch *channel) {
	for _, b := range i.told {
		if err := b.Unsubscribe(ch.state.id, ch.name); err != nil {
			i.failed("unsubscribing at the broker", ch, err)
		}
	}
	i.told = nil
}

// tell makes the channel known to b, once. The caller holds mu.
func (i *interest) tell(b InterestBroker, ch *channel) {
	if i.subs == 0 || ch.state.gone.Load() != nil || slices.Contains(i.told, b) {
		return
	}
	i.told = append(i.told, b)
	if err := b.Subscribe(ch.state.id, ch.name); err != nil {
		i.failed("subscribing at the broker", ch, err)
	}
}

func (i *interest) failed(what string, ch *channel, err error) {
	ch.state.hub.logger().Error(what, zap.String("app", ch.state.id), zap.String("channel", ch.name), zap.Error(err))
}

// interestsAtOnce is how many channels a broker that the hub changes to is told of at a time: each may be a round trip to a server.
const interestsAtOnce = 64

// moveInterest makes every subscribed channel known to the broker that the hub changes to. It is called before b is
// used, so that no event is missed, and after that once more for channels that came in between, with
// only set: then nobody else needs to know any more.
func (h *Hub) moveInterest(b Broker, only bool) {
	next, asks := b.(InterestBroker)
	var moves errgroup.Group
	moves.SetLimit(interestsAtOnce)
	h.eachState(func(s *appState) {
		s.eachChannel(func(ch *channel) {
			moves.Go(func() error {
				ch.interest.move(next, asks, only, ch)
				return nil
			})
		})
	})
	_ = moves.Wait() // none has an error
}

// move makes the channel known to the next broker, if that asks, and forgets the others if only that is to know of it.
func (i *interest) move(next InterestBroker, asks, only bool, ch *channel) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if asks {
		i.tell(next, ch)
	}
	if only {
		i.told = slices.DeleteFunc(i.told, func(other InterestBroker) bool { return !asks || other != next })
	}
}
