package natsbroker

import (
	"context"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// prepare makes a connection ready for the broker.
func (e *engine) prepare(l *link) (register, error) {
	if err := e.echoes.hears(l); err != nil {
		return nil, err
	}
	if l.clustered() {
		if err := e.echoes.meet(e.ctx, l); err != nil {
			return nil, err
		}
	}
	return e.choose(l)
}

// Subscribe implements [cluster.Engine].
func (e *engine) Subscribe(ctx context.Context, topics []pusherhub.Topic) error {
	l, r, err := e.current()
	if err != nil {
		return err
	}
	if err := l.subscribe(l.topics(topics)...); err != nil {
		return err
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	if l.clustered() {
		if err := e.echoes.call(ctx, l, false); err != nil {
			return err
		}
	}
	return r.follow(ctx, topics)
}

// Unsubscribe implements [cluster.Engine].
func (e *engine) Unsubscribe(topics []pusherhub.Topic) {
	if l, r, err := e.current(); err == nil {
		r.unfollow(topics)
		l.unsubscribe(l.topics(topics)...)
	}
}

// Send implements [cluster.Engine]. A post that does not fit into a message of the server goes in parts.
func (e *engine) Send(ctx context.Context, posts []cluster.Post) (accepted int, err error) {
	l, r, err := e.current()
	if err != nil {
		return 0, err
	}
	if r == e.council && e.council.isApart(time.Now()) {
		return 0, errApart
	}
	flush := func(published int) {
		if flushed := l.flush(ctx); flushed != nil {
			err = flushed
			return
		}
		accepted = published
	}
	for i, post := range posts {
		if !post.Keep.IsZero() {
			if flush(i); err != nil {
				return accepted, err
			}
			if err := r.keep(ctx, post.Topic, post.Data, post.Keep); err != nil {
				return accepted, err
			}
		}
		if err := l.publish(l.topic(post.Topic), "", kindPost, post.Data); err != nil {
			return accepted, err
		}
	}
	flush(len(posts))
	return accepted, err
}

func (s subjects) topics(topics []pusherhub.Topic) []string {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = s.topic(t)
	}
	return names
}
