package redisbroker

import (
	"context"
	"strings"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/redis/rueidis"
	"go.uber.org/zap"
)

// Subscribe is described in [cluster.Engine].
func (e *Engine) Subscribe(ctx context.Context, topics []pusherhub.Topic) (err error) {
	l, ctx, done, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()

	var answers []chan error
	for s, channels := range l.channelsOf(topics) {
		answer := make(chan error, 1)
		answers = append(answers, answer)
		s.ask(wish{channels, answer})
	}
	for _, answer := range answers {
		select {
		case err := <-answer:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
	}
	return nil
}

// Unsubscribe is described in [cluster.Engine].
func (e *Engine) Unsubscribe(topics []pusherhub.Topic) {
	e.linkMu.Lock()
	l := e.link
	e.linkMu.Unlock()
	if l == nil {
		return // there are no subscriptions
	}
	for s, channels := range l.channelsOf(topics) {
		s.ask(wish{channels: channels})
	}
}

// channelsOf returns the pub/sub channels of topics, by who subscribes to them.
func (l *link) channelsOf(topics []pusherhub.Topic) map[*subscriber][]string {
	of := make(map[*subscriber][]string)
	for _, t := range topics {
		name := topicName(t)
		s := l.of[partitionOf(name)]
		of[s] = append(of[s], l.engine.keys.channelOf(name))
	}
	return of
}

// Send is described in [cluster.Engine]. The posts of a topic go to one server in one pipeline.
func (e *Engine) Send(ctx context.Context, posts []cluster.Post) (accepted int, err error) {
	l, ctx, done, err := e.begin(ctx)
	if err != nil || len(posts) == 0 {
		return 0, err
	}
	defer func() { err = done(err) }()

	commands := make(rueidis.Commands, len(posts))
	for i, post := range posts {
		commands[i] = e.post(l, post)
	}
	for _, result := range l.client.DoMulti(ctx, commands...) {
		if err := result.Error(); err != nil {
			return accepted, err
		}
		if why, err := result.ToString(); err == nil { // of scripts/keep.lua
			e.noteKept(why)
		}
		accepted++
	}
	return accepted, nil
}

// noteKept logs why an event was not kept, unless that was the case with the one before, too.
func (e *Engine) noteKept(why string) {
	if was := e.unkept.Swap(why != ""); why != "" && !was {
		e.config.logger.Warn("events cannot be kept in Redis, only sent", zap.String("reason", why))
	}
}

// post is the command for one post. What is kept takes the script's whole text, since a server that asks for it first
// would mix up the order.
func (e *Engine) post(l *link, post cluster.Post) rueidis.Completed {
	name := topicName(post.Topic)
	channel := e.keys.channelOf(name)
	data := rueidis.BinaryString(post.Data)
	if left := time.Until(post.Keep); !post.Keep.IsZero() && left > 0 {
		return l.client.B().Eval().Script(keepText).Numkeys(1).Key(e.keys.base[partitionOf(name)]+"k:"+name).
			Arg(l.publish, channel, data, milliseconds(left)).Build()
	}
	// as a key, so that a cluster sends all posts of a topic through one server
	return l.client.B().Arbitrary(l.publish).Keys(channel).Args(string(postMark) + data).Build()
}

// receive takes a message of the bus.
func (e *Engine) receive(m rueidis.PubSubMessage) {
	if rest, ok := strings.CutPrefix(m.Message, string(postMark)); ok {
		e.handler.Receive([]byte(rest))
		return
	}
	if rest, ok := strings.CutPrefix(m.Message, string(changeMark)); ok {
		if t, ok := e.keys.topicOf(m.Channel); ok {
			if change, ok := parseChange(t, rest); ok {
				e.handler.Change(change)
				return
			}
		}
	}
	e.handler.Ignored()
}
