package pusherhub

import "time"

// Above countQuietAbove subscribers, subscription_count is sent at most once per countEvery.
const (
	countQuietAbove = 100
	countEvery      = 5 * time.Second
)

// countChanged tells the subscribers how many of them there are, if the app wants it, and the observers if the change happened here: of
// a cluster's nodes, one tells them. The caller holds mu.
func (ch *channel) countChanged(app *App, here bool) {
	if ch.kind.Access == AccessPresence || ch.kind.Access == AccessUser || !isOn(app.cfg.SubscriptionCount) || len(ch.subs) == 0 && !here {
		return
	}
	ch.countHere = ch.countHere || here
	if ch.countDue != nil {
		return
	}
	if wait := countEvery - time.Since(ch.countSent); len(ch.subs)+ch.elsewhere > countQuietAbove && wait > 0 {
		ch.countDue = time.AfterFunc(wait, ch.sendHeldCount)
		return
	}
	ch.sendCount()
}

func (ch *channel) sendCount() {
	ch.countSent = time.Now()
	count := len(ch.subs) + ch.elsewhere
	ch.tell(subscriptionCountPayload(ch.name, count))
	if ch.countHere {
		ch.countHere = false
		ch.state.observe(Observation{Type: SubscriptionCount, Channel: ch.name, Count: count})
	}
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
