package natsbroker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub"
)

// unansweredKV answers no write of a topic. Those that it makes or loses are made or lost for ever.
type unansweredKV struct {
	jetstream.KeyValue
	makes bool
}

var errNoAnswer = errors.New("no answer")

func (u unansweredKV) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if !strings.HasPrefix(key, topicKeys) {
		return u.KeyValue.Update(ctx, key, value, revision)
	}
	if u.makes {
		if _, err := u.KeyValue.Update(ctx, key, value, revision); err != nil {
			return 0, err
		}
	}
	return 0, errNoAnswer
}

// newReaper returns a node that is to reap another one, which has held the channel x and has resigned, and the bucket of both.
func newReaper(t *testing.T) (*holder, jetstream.KeyValue) {
	t.Helper()
	options := startServer(t, withJetStream(t)).broker("unanswered")
	options.JetStream = JetStreamOn
	dead, b := newHolder(t, options, "dead", channel("x")), newHolder(t, options, "b", channel("x"))
	dead.hold("x", 1)
	dead.eventually("resigns", func(ctx context.Context) error { return dead.engine.Resign(ctx, dead.node) })
	kv, err := b.register().bucket(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b, kv
}

// What a node has reaped is told once, whether the write or its answer was lost.
func TestJetStreamReapUnanswered(t *testing.T) {
	for name, makes := range map[string]bool{"the write was made": true, "the write was lost": false} {
		t.Run(name, func(t *testing.T) {
			b, kv := newReaper(t)
			r := b.register()
			r.kv = unansweredKV{kv, makes}
			made, _, err := b.engine.Reap(t.Context())
			if err == nil && len(made) == 0 {
				t.Error("found no error")
			}
			r.kv = kv
			for more := true; more; {
				var next []pusherhub.Transition
				if next, more, err = b.engine.Reap(t.Context()); err != nil {
					t.Fatal(err)
				}
				made = append(made, next...)
			}
			if expected := []pusherhub.Transition{{Topic: channel("x")}}; !slices.Equal(made, expected) {
				t.Errorf("found the transitions %+v, expected %+v", made, expected)
			}
		})
	}
}

// lateKV does not answer the first write of a topic, and makes it when the next one comes: before that.
type lateKV struct {
	jetstream.KeyValue
	late func() error // makes the write that was not answered; nil: there was none
}

func (l *lateKV) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if !strings.HasPrefix(key, topicKeys) {
		return l.KeyValue.Update(ctx, key, value, revision)
	}
	if l.late == nil {
		l.late = func() error { _, err := l.KeyValue.Update(ctx, key, value, revision); return err }
		return 0, errNoAnswer
	}
	if err := l.late(); err != nil {
		return 0, err
	}
	return l.KeyValue.Update(ctx, key, value, revision)
}

// A write that a slow cluster of servers makes only after it was looked for is told of, too.
func TestJetStreamReapLate(t *testing.T) {
	b, kv := newReaper(t)
	r := b.register()
	r.kv = &lateKV{KeyValue: kv}
	if made, _, err := b.engine.Reap(t.Context()); err == nil {
		t.Fatalf("found the transitions %+v, expected an error", made)
	}
	var made []pusherhub.Transition
	for range 3 { // it is made in the first, and found in the second
		next, _, err := b.engine.Reap(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, next...)
	}
	if expected := []pusherhub.Transition{{Topic: channel("x")}}; !slices.Equal(made, expected) {
		t.Errorf("found the transitions %+v, expected %+v", made, expected)
	}
	if left := r.unsure.take(); len(left) > 0 {
		t.Errorf("found %d writes that are not settled", len(left))
	}
}
