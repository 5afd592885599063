package pusherhub

import "time"

// Above countQuietAbove subscribers, subscription_count is sent at most once per countEvery.
const (
	countQuietAbove = 100
	countEvery      = 5 * time.Second
)

// countChanged tells the subscribers and observers how many subscribers there are, if the app wants it.
// The caller holds mu.
func (ch *channel) countChanged(app *App) {
	if ch.kind.Access == AccessPresence || ch.kind.Access == AccessUser || !isOn(app.cfg.SubscriptionCount) || ch.countDue != nil {
		return
	}
	if wait := countEvery - time.Since(ch.countSent); len(ch.subs) > countQuietAbove && wait > 0 {
		ch.countDue = time.AfterFunc(wait, ch.sendHeldCount)
		return
	}
	ch.sendCount()
}

func (ch *channel) sendCount() {
	ch.countSent = time.Now()
	ch.tell(subscriptionCountPayload(ch.name, len(ch.subs)))
	ch.state.observe(Observation{Type: SubscriptionCount, Channel: ch.name, Count: len(ch.subs)})
}

// sendHeldCount sends the count that was held back, as it is by now.
func (ch *channel) sendHeldCount() {
	if !ch.state.hub.enter() {
		return
	}
	defer ch.state.hub.leave()
	ch.mu.Lock()
	defer ch.unlock()
	ch.countDue = nil
	ch.sendCount()
}
