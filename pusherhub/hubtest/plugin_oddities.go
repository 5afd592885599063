package hubtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/onecharge/pusherhub/pusherhub"
)

// oddities are what clients and servers write into names and data, and some things that only a broken hub would let through.
var oddities = []string{
	"", " ", "7", "é", "\U0001F600", "\xff\xfe", "\x00\n\t", "\u2028\u202e", `"}{\`, "%s%n", "../..", "-", "presence-", "private-encrypted-x",
	"cache-x", "#server-to-user-", strings.Repeat("x", 1<<20),
}

// kinds are all that observers are told.
var kinds = []pusherhub.ObservationType{
	pusherhub.Connected, pusherhub.Disconnected, pusherhub.SignedIn, pusherhub.UserOnline, pusherhub.UserOffline,
	pusherhub.ChannelOccupied, pusherhub.ChannelVacated, pusherhub.MemberAdded, pusherhub.MemberRemoved,
	pusherhub.SubscriptionCount, pusherhub.ClientEvent, pusherhub.CacheMiss, pusherhub.Undelivered, "of a later version",
}

// A plugin at work is asked and told about everything in every form.
func checkOddities(x *trial) {
	s := x.stage()
	p := x.plugin()
	s.apply(with(p))
	callOddly(x, p)
	s.close()
}

// callOddly calls all hooks, with time and without. p is attached, and no socket is there.
func callOddly(x *trial, p pusherhub.Plugin) {
	x.Helper()
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, ctx := range []context.Context{context.Background(), over} {
		for _, odd := range oddities {
			c := &caller{trial: x, plugin: p, ctx: ctx, odd: odd}
			c.connect()
			c.message()
			c.subscribe()
			c.clientEvent()
			c.publish()
			c.observe()
		}
	}
}

// caller calls the hooks of a plugin with one odd text in every field.
type caller struct {
	*trial
	plugin pusherhub.Plugin
	ctx    context.Context
	odd    string
}

// call calls a hook, which must return, and looks at its refusal. Codes up to maxCode are good.
func (c *caller) call(hook string, maxCode int, f func() error) (err error) {
	c.Helper()
	c.within(fmt.Sprintf("%s about %.40q", hook, c.odd), func() { err = f() })
	if problem := refusalProblem(err, maxCode); problem != "" {
		c.Errorf("%s about %.40q refuses with %v: %s", hook, c.odd, err, problem)
	}
	return err
}

// The highest codes with which a socket may be closed, and with which an error frame may be sent.
const maxCloseCode, maxErrorCode = 4299, 4399

// refusalProblem says what clients would make nothing good of.
func refusalProblem(err error, maxCode int) string {
	var reason string
	if limit, ok := errors.AsType[*pusherhub.LimitError](err); ok {
		if reason = limit.Error(); limit.RetryAfter < 0 {
			return fmt.Sprintf("found RetryAfter %s, expected none or a positive one", limit.RetryAfter)
		}
	} else if refusal, ok := errors.AsType[*pusherhub.CloseError](err); ok {
		if reason = refusal.Reason; refusal.Code < 4000 || refusal.Code > maxCode {
			return fmt.Sprintf("found code %d, expected 4000 to %d", refusal.Code, maxCode)
		}
	} else {
		return "" // nobody but the log is told of other errors
	}
	if reason == "" || len(reason) > 123 || !utf8.ValidString(reason) {
		return fmt.Sprintf("found reason %.200q, expected 1 to 123 bytes of UTF-8", reason)
	}
	return ""
}

func (c *caller) connect() {
	r := &pusherhub.ConnectRequest{App: AppID, SocketID: c.odd, ClientIP: c.odd, Origin: c.odd, UserAgent: c.odd}
	if hook, ok := c.plugin.(pusherhub.ConnectHook); ok {
		if c.call("OnConnect", maxCloseCode, func() error { return hook.OnConnect(c.ctx, r) }) != nil {
			return
		}
	}
	if hook, ok := c.plugin.(pusherhub.DisconnectHook); ok {
		_ = c.call("OnDisconnect", 0, func() error { hook.OnDisconnect(r); return nil })
	}
}

func (c *caller) message() {
	hook, ok := c.plugin.(pusherhub.MessageHook)
	if !ok {
		return
	}
	for _, size := range []int{0, 1, len(c.odd), 1 << 30} {
		r := &pusherhub.MessageRequest{App: AppID, SocketID: c.odd, ClientIP: c.odd, UserID: c.odd, Size: size}
		_ = c.call("OnMessage", maxErrorCode, func() error { return hook.OnMessage(c.ctx, r) })
		*r = pusherhub.MessageRequest{SocketID: "of somebody else"} // the race detector sees who has kept it
	}
}

func (c *caller) subscribe() {
	hook, ok := c.plugin.(pusherhub.SubscribeHook)
	if !ok {
		return
	}
	r := &pusherhub.SubscribeRequest{App: AppID, SocketID: c.odd, ClientIP: c.odd, Channel: c.odd, UserID: c.odd}
	_ = c.call("OnSubscribe", maxErrorCode, func() error { return hook.OnSubscribe(c.ctx, r) })
}

func (c *caller) clientEvent() {
	hook, ok := c.plugin.(pusherhub.ClientEventHook)
	if !ok {
		return
	}
	text, err := json.Marshal(c.odd)
	if err != nil {
		c.Fatal(err)
	}
	for _, data := range []string{string(text), `null`, `true`, `-1.5e300`, `{"a":[1,{}]}`, strings.Repeat("[", 500) + strings.Repeat("]", 500)} {
		shared := []byte(data)
		r := &pusherhub.ClientEventRequest{App: AppID, SocketID: c.odd, ClientIP: c.odd, Channel: c.odd, UserID: c.odd, Event: "client-" + c.odd, Data: shared}
		err := c.call("OnClientEvent", maxErrorCode, func() error { return hook.OnClientEvent(c.ctx, r) })
		if !bytes.Equal(shared, []byte(data)) {
			c.Errorf("OnClientEvent about %.40q has written to Data, expected it to be replaced", data)
		}
		if err == nil && !strings.HasPrefix(r.Event, "client-") {
			c.Errorf("OnClientEvent has made %.40q of the event %.40q, expected the prefix client-", r.Event, "client-"+c.odd)
		}
		if err == nil && (!json.Valid(r.Data) || !utf8.Valid(r.Data)) {
			c.Errorf("OnClientEvent has made %.40q of the data %.40q, expected JSON", r.Data, data)
		}
	}
}

func (c *caller) publish() {
	hook, ok := c.plugin.(pusherhub.PublishHook)
	if !ok {
		return
	}
	r := &pusherhub.PublishRequest{App: AppID, Channel: c.odd, SocketID: c.odd, ClientIP: c.odd, Event: c.odd, Data: c.odd}
	_ = c.call("OnPublish", maxErrorCode, func() error { return hook.OnPublish(c.ctx, r) })
}

func (c *caller) observe() {
	var batch []pusherhub.Observation
	for _, kind := range kinds {
		batch = append(batch,
			pusherhub.Observation{Type: kind, App: AppID},
			pusherhub.Observation{Type: kind, App: AppID, Channel: c.odd, SocketID: c.odd, UserID: c.odd, ClientIP: c.odd, Event: c.odd, Data: c.odd, Count: len(c.odd)},
		)
	}
	switch p := c.plugin.(type) {
	case pusherhub.KeepingObserver:
		_ = c.call("Keep", 0, func() error { p.Keep(c.ctx, batch); return nil })
	case pusherhub.Observer:
		_ = c.call("Observe", 0, func() error {
			for _, o := range batch {
				p.Observe(o)
			}
			return nil
		})
	}
}
