package pusherhub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// subscriptionError says why a subscription was refused, in the words of pusher:subscription_error.
type subscriptionError struct {
	kind   string // AuthError, InvalidChannel, InvalidPayload, LimitReached
	text   string
	status int // as over HTTP; never a 4xxx number, which clients might take for a close code
	code   int // 0: none
}

var (
	errUnauthorized = &subscriptionError{"AuthError", textUnauthorized, http.StatusUnauthorized, CodeUnauthorized}
	errPresenceFull = &subscriptionError{"LimitReached", textPresenceFull, http.StatusForbidden, 0}
	errOusted       = &subscriptionError{"AuthError", textOusted, http.StatusForbidden, CodeUnauthorized}
)

// subscribe handles pusher:subscribe.
func (c *conn) subscribe(m clientMessage) {
	d, err := decodeSubscribe(m)
	if errors.Is(err, errBadChannel) {
		c.invalidMessage()
		return
	}
	var refused *subscriptionError
	if access := KindOf(d.channel).Access; err != nil && (access == AccessPrivate || access == AccessPresence) { // others ignore auth
		refused = &subscriptionError{"InvalidPayload", err.Error(), http.StatusBadRequest, 0}
	} else {
		refused = c.trySubscribe(d)
	}
	if refused != nil {
		c.logSubscription(d, refused)
		c.refuseSubscription(d.channel, refused)
	}
}

// refuseSubscription tells the client in the frames that the option subscription_error_frames asks for.
func (c *conn) refuseSubscription(channel string, e *subscriptionError) {
	if c.mayComplain() {
		c.tellRefusal(channel, e)
	}
}

// tellRefusal is refuseSubscription without the flood guard.
func (c *conn) tellRefusal(channel string, e *subscriptionError) {
	frames := c.app().cfg.SubscriptionErrorFrames
	if frames != "pusher_error" {
		c.replyPayload(subscriptionErrorPayload(channel, e))
	}
	if frames != "subscription_error" {
		code := e.code
		if code == 0 {
			code = CodeReconnect
		}
		c.replyPayload(c.errorFor(code, e.text, channel))
	}
}

// trySubscribe authorizes and registers a subscription.
func (c *conn) trySubscribe(d subscribeData) *subscriptionError {
	app := c.app()
	if problem := app.channelNameProblem(d.channel); problem != "" {
		return &subscriptionError{"InvalidChannel", problem, http.StatusBadRequest, 0}
	}
	old := c.subs.get(d.channel)
	if limit := app.cfg.MaxSubscriptions; old == nil && limit.exceeded(c.subs.len()+1) {
		return &subscriptionError{"LimitReached", fmt.Sprintf(textSubscriptionLimit, limit), http.StatusForbidden, 0}
	}
	kind := KindOf(d.channel)
	who, refused := c.authorize(app, kind, d)
	if refused != nil {
		return refused
	}
	userID := who.userID
	if userID == "" && c.user != nil {
		userID = c.user.id
	}
	if refused := app.hooks.subscribe(c.hub, SubscribeRequest{App: app.ID(), SocketID: c.id, ClientIP: c.clientIP, Channel: d.channel, UserID: userID}); refused != nil {
		return refused
	}
	if old != nil {
		return c.resubscribe(old, who)
	}
	refused = c.join(app, d.channel, who)
	if refused == nil && (kind.Access == AccessPrivate || kind.Access == AccessPresence) {
		c.authorizeBy = time.Time{}
	}
	return refused
}

// authorize checks that this socket may subscribe and, on presence channels, as whom.
func (c *conn) authorize(app *App, kind ChannelKind, d subscribeData) (who member, refused *subscriptionError) {
	switch kind.Access {
	case AccessPublic:
		return who, nil
	case AccessUser:
		if c.user == nil || userChannelPrefix+c.user.id != d.channel {
			return who, errUnauthorized
		}
		return who, nil
	case AccessPrivate:
		if !app.verifySubscription(d.auth, c.id, d.channel, d.channelData) {
			return who, c.badAuth(app, d)
		}
		return who, nil
	case AccessPresence:
	}
	if d.channelData != nil && app.cfg.MaxMemberBytes.exceeded(len(*d.channelData)) {
		return who, &subscriptionError{"LimitReached", fmt.Sprintf(textMemberTooLarge, app.cfg.MaxMemberBytes), http.StatusForbidden, 0}
	}
	if !app.verifySubscription(d.auth, c.id, d.channel, d.channelData) {
		return who, c.badAuth(app, d)
	}
	if d.channelData == nil || *d.channelData == "" {
		if c.user == nil {
			return who, errUnauthorized
		}
		return member{userID: c.user.id, info: c.userInfo}, nil
	}
	who, _, err := decodeMember([]byte(*d.channelData), "user_id")
	if err != nil {
		return who, errUnauthorized
	}
	if problem := userIDProblem(who.userID); problem != "" {
		return who, &subscriptionError{"InvalidPayload", problem, http.StatusBadRequest, CodeUnauthorized}
	}
	return who, nil
}

// badAuth refuses a subscription whose signature does not hold. Pusher says what is wrong with it; nobody is told what
// the signature should have been.
func (c *conn) badAuth(app *App, d subscribeData) *subscriptionError {
	c.counters().subscriptionAuthFailures.Add(1)
	if app.reverb() {
		return errUnauthorized
	}
	e := *errUnauthorized
	switch key, signature, _ := strings.Cut(d.auth, ":"); {
	case d.auth == "":
		e.text = fmt.Sprintf(textAuthMissing, d.channel)
	case key != app.Key():
		e.text = fmt.Sprintf(textAuthKey, key)
	default:
		e.text = fmt.Sprintf(textAuthSignature, subscriptionMessage(c.id, d.channel, d.channelData), signature)
	}
	return &e
}

// join registers a new subscription and queues what the client is told of it, all before
// an event can come between.
func (c *conn) join(app *App, name string, who member) *subscriptionError {
	ch := c.state.openChannel(name)
	ch.interest.join(c.hub, ch)
	ch.mu.Lock()
	sub := &subscription{conn: c, channel: ch}
	added := false
	if ch.members != nil {
		if ch.members.byID[who.userID] == nil && app.cfg.MaxPresenceMembers.exceeded(len(ch.members.byID)+1) {
			ch.mu.Unlock()
			ch.abandon()
			return errPresenceFull
		}
		sub.seat = &seat{conn: c, member: who, since: time.Now().UnixNano()}
		added = ch.members.join(sub.seat)
	}
	if added {
		ch.tell(memberAddedPayload(name, who.userID, who.info)) // before welcome: not for the subscriber itself
	}
	c.welcome(ch, sub)
	ch.add(sub)
	ch.countChanged(app, true)
	ch.came(sub, added)
	ch.unlock()
	c.mu.Lock()
	c.subs.add(sub)
	c.mu.Unlock()
	return nil
}

// observe tells observers of the channel, but not of users' own. The caller holds mu, so that they hear of comings and
// goings in their order.
func (ch *channel) observe(o Observation) {
	if ch.kind.Access == AccessUser {
		return
	}
	o.Channel = ch.name
	ch.state.observe(o)
}

// welcome queues subscription_succeeded and, on cache channels, the cached event or cache_miss.
// Events after those reach the subscriber, earlier ones do not. The caller holds ch.mu.
func (c *conn) welcome(ch *channel, sub *subscription) {
	ch.outMu.Lock()
	sub.after = ch.seq // before the answer goes out: whoever has read it may publish at once
	cached, found := ch.cachedNow()
	ch.outMu.Unlock()
	c.greet(ch, cached.frame, found)
}

// greet queues the answers to a subscribe. cached is nil if there is no event to repeat. The caller holds ch.mu.
func (c *conn) greet(ch *channel, cached *frame, found bool) {
	data := "{}"
	if ch.members != nil {
		data = ch.members.snapshot()
	}
	c.replyPayload(eventPayload(eventSubscriptionSucceeded, ch.name, data))
	switch {
	case !ch.kind.Cache:
	case cached != nil:
		c.reply(cached)
	case !found:
		c.replyPayload(eventPayload(eventCacheMiss, ch.name, "{}"))
		ch.missed(c)
	}
}

// missQuiet is how long observers hear of no further miss on a channel: a miss is about the channel, not about each subscriber.
const missQuiet = 5 * time.Second

// missed tells observers of a cache miss, once per burst. The caller holds ch.mu.
func (ch *channel) missed(c *conn) {
	if now := time.Now(); now.Sub(ch.missTold) >= missQuiet {
		ch.missTold = now
		c.observe(Observation{Type: CacheMiss, Channel: ch.name})
	}
}

// resubscribe answers a subscribe to a channel that the socket is on already: success again, with
// no effect on others unless it comes as another user.
func (c *conn) resubscribe(sub *subscription, who member) *subscriptionError {
	ch := sub.channel
	if !c.app().reverb() {
		c.sendError(CodeReconnect, fmt.Sprintf(textExistingSubscription, ch.name), ch.name)
		return nil
	}
	if sub.seat != nil && sub.seat.userID != who.userID {
		if !ch.hasRoom(c.app(), who.userID, sub.seat) {
			return errPresenceFull
		}
		c.leave(sub)
		return c.join(c.app(), ch.name, who)
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if sub.seat != nil {
		sub.seat.info = who.info
		ch.describe(sub.seat)
	}
	c.welcomeAgain(sub)
	return nil
}

// hasRoom reports whether a user may join a presence channel once a seat is given up.
func (ch *channel) hasRoom(app *App, userID string, givenUp *seat) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	users := len(ch.members.byID) + 1
	if u := ch.members.byID[givenUp.userID]; len(u.seats) == 1 && u.elsewhere == nil {
		users--
	}
	return ch.members.byID[userID] != nil || !app.cfg.MaxPresenceMembers.exceeded(users)
}

// welcomeAgain repeats the answers of welcome without touching what is on its way: a cached event that the subscriber is
// still to get from the outbox comes from there. The caller holds the channel's mu.
func (c *conn) welcomeAgain(sub *subscription) {
	ch := sub.channel
	ch.outMu.Lock()
	cached, found := ch.cachedNow()
	repeat := cached.frame
	for _, out := range ch.outbox {
		if out.frame == cached.frame && out.seq > sub.after {
			repeat = nil
		}
	}
	ch.outMu.Unlock()
	c.greet(ch, repeat, found)
}

// unsubscribe handles pusher:unsubscribe.
func (c *conn) unsubscribe(m clientMessage) {
	d, err := decodeSubscribe(m)
	if errors.Is(err, errBadChannel) {
		c.invalidMessage()
		return
	}
	if sub := c.subs.get(d.channel); sub != nil {
		c.leave(sub)
		return
	}
	if !c.app().reverb() {
		c.sendError(CodeReconnect, fmt.Sprintf(textNoSubscription, d.channel), d.channel)
	}
}

// leave ends a subscription. Once it has returned no event of the channel is queued to the socket.
func (c *conn) leave(sub *subscription) {
	ch := sub.channel
	c.mu.Lock()
	c.subs.remove(sub)
	c.mu.Unlock()
	app := c.app()
	ch.mu.Lock()
	ch.remove(sub)
	removed := sub.seat != nil && ch.members.leave(sub.seat)
	if removed {
		ch.tell(memberRemovedPayload(ch.name, sub.seat.userID))
	}
	ch.countChanged(app, true)
	ch.went(sub, removed)
	ch.unlock()
	ch.abandon()
}

// abandon gives back what join took of the channel.
func (ch *channel) abandon() {
	ch.interest.leave(ch)
	ch.state.unpin(ch)
}

// leaveAll undoes everything at the end of a connection.
func (c *conn) leaveAll() {
	for _, sub := range c.subs.all() {
		c.state.awaitRoom()
		c.leave(sub)
	}
	if c.user != nil {
		c.state.users.leave(c)
	}
	c.state.conns.remove(c)
	gone := Observation{Type: Disconnected, SocketID: c.id, ClientIP: c.clientIP}
	if c.user != nil {
		gone.UserID = c.user.id
	}
	c.observe(gone)
	c.exit()
}

// subscribe asks the subscribe hooks.
func (k hooks) subscribe(h *Hub, r SubscribeRequest) *subscriptionError {
	if len(k.onSubscribe) == 0 {
		return nil
	}
	asked := new(r) // on the heap only if there is somebody to ask
	for _, hook := range k.onSubscribe {
		if err := h.callHook(hook, func() error { return hook.OnSubscribe(context.Background(), asked) }); err != nil {
			if limit, ok := errors.AsType[*LimitError](err); ok {
				return &subscriptionError{"LimitReached", limit.Error(), http.StatusTooManyRequests, CodeClientEventRejected}
			}
			e := h.refusal(hook, err, 0, &CloseError{CodeUnauthorized, textUnauthorized})
			return &subscriptionError{"AuthError", e.Reason, http.StatusForbidden, e.Code}
		}
	}
	return nil
}
