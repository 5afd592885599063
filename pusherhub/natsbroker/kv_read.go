package natsbroker

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// Read implements [register].
func (r *kvRegister) Read(ctx context.Context, topics []pusherhub.Topic) ([]cluster.State, error) {
	// a topic without a value has the version that all writes had before it was read
	last, err := r.last(ctx)
	if err != nil {
		return nil, err
	}
	states := make([]cluster.State, len(topics))
	err = parallel(len(topics), func(i int) (err error) {
		if states[i], err = r.state(ctx, topics[i], last); err != nil {
			return err
		}
		states[i].Kept, err = r.kept(ctx, topics[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return states, nil
}

// Count implements [register]. It reads all of the topic.
func (r *kvRegister) Count(ctx context.Context, t pusherhub.Topic) (pusherhub.Holding, error) {
	return r.total(ctx, kvPlace{name: t})
}

// Channels implements [register].
func (r *kvRegister) Channels(ctx context.Context, app, prefix string) (map[string]pusherhub.Holding, error) {
	channels := make(map[string]pusherhub.Holding)
	var divided []pusherhub.Topic
	if app == "" {
		return channels, nil // no app has this id
	}
	all := topicKeys + strings.TrimSuffix(strings.TrimPrefix(subjects{}.topic(pusherhub.Topic{App: app, Channel: "-"}), "."), token("-")) + "*"
	err := r.each(ctx, all, func(entry jetstream.KeyValueEntry) error {
		t, err := decodeTopic(entry.Value())
		if err != nil {
			return err
		}
		if !t.held("") || !strings.HasPrefix(string(t.Channel), prefix) {
			return nil
		}
		channels[string(t.Channel)] = t.total()
		if t.divided() {
			divided = append(divided, t.name())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range divided {
		if channels[name.Channel], err = r.total(ctx, kvPlace{name: name}); err != nil {
			return nil, err
		}
	}
	return channels, nil
}

// each calls do for each key that has a value now. It ends with the first error.
func (r *kvRegister) each(ctx context.Context, keys string, do func(jetstream.KeyValueEntry) error) error {
	kv, err := r.bucket(ctx)
	if err != nil {
		return err
	}
	watcher, err := kv.Watch(ctx, keys, jetstream.IgnoreDeletes())
	if err != nil {
		return r.failed("reading "+keys, err)
	}
	defer endWatch(watcher)
	for {
		select {
		case entry, open := <-watcher.Updates():
			switch {
			case !open:
				return errLost
			case entry == nil: // that was all
				return ctx.Err()
			}
			if err := do(entry); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("reading %s: %w", keys, ctx.Err())
		case <-r.ctx.Done():
			return errLost
		}
	}
}

// endWatch stops a watcher. It takes what is left, because what the watcher is about to hand out waits for room, for ever.
func endWatch(watcher jetstream.KeyWatcher) {
	_ = watcher.Stop() // fails only on a connection that is closed
	for {
		select {
		case _, open := <-watcher.Updates():
			if !open {
				return
			}
		default:
			return
		}
	}
}
