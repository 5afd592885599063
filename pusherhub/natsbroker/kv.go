package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// The keys of the bucket:
//
//	epoch          names the memory; created once
//	nodes          which nodes have a lease, and which were reaped (kvNodes)
//	lease.NODE     the last beat of a node (kvLease); the server's time of the write counts
//	clock          written to learn the server's time
//	sweep          when what nobody needs any more was deleted last
//	topic.TOPIC    what the nodes hold of a topic (kvTopic)
//	topic.TOPIC.P  members of a part of one that has many
//	kept.TOPIC     the event that is kept for a channel
//	part.ID.N      a part of one that is too long for one value
const (
	epochKey  = "epoch"
	nodesKey  = "nodes"
	leaseKeys = "lease."
	clockKey  = "clock"
	sweepKey  = "sweep"
	topicKeys = "topic."
	keptKeys  = "kept."
	partKeys  = "part."
)

// kvParallel is how many keys are read or written at a time.
const kvParallel = 32

// kvRegister keeps the register in a JetStream key-value bucket, which is in the server's memory. It needs nothing that came after
// NATS 2.9.
//
// All that the nodes hold of one topic is the value of one key, which is changed by compare-and-set: so each change of a topic is one
// step, and who makes the one that adds the first holder, or takes the last, has made the transition. The value remembers what each node's last batch
// made of it, so a repetition is answered the same. Each write of a topic is published again by the server, on a subject that
// those who follow the topic are subscribed to: no consumer is needed for that, however many channels there are.
//
// The members of a topic that take more than [Options].partSize move into 16 parts, by the hash of the user's id, and those of a part that
// grows as large into 16 of its own (kv_part.go); the counts stay. A part is a value of the same kind, with members only. Each change of a part is one step, and as a user lies
// in one part, transitions are as exact as in one value. A batch that changes several parts, or members and a count, is several steps: others may see some of
// them without the rest, and if one fails, the repetition of the batch makes the rest. The server numbers all writes of the bucket, and publishes them in that
// order, so all the parts of a topic together have one row of versions. Parts stay until nobody has been in them for a while, however few
// are left. To count the members, all parts are read.
//
// A user whose data is larger than the server's max_payload (1 MB by default), for all nodes that have the user together, is left out ([cluster.Handler].LeftOut).
//
// Times of leases are those of the server's clock. What has to last a minute goes by the nodes' own.
type kvRegister struct {
	subjects
	js       jetstream.JetStream
	options  Options
	handler  cluster.Handler
	unsure   *kvUnsure
	messages chan *nats.Msg // what the server publishes again

	ctx  context.Context // ends with stop
	end  context.CancelFunc
	done sync.WaitGroup // the reader of messages

	mu     sync.Mutex // guards what follows; nats.go's locks are taken while it is held
	stream jetstream.Stream
	kv     jetstream.KeyValue            // nil until it is needed
	subs   map[string]*nats.Subscription // by subject; nil: stopped
}

// newKVRegister returns a register for one connection. It asks the server for nothing yet.
func newKVRegister(js jetstream.JetStream, o Options, handler cluster.Handler, unsure *kvUnsure) *kvRegister {
	r := &kvRegister{
		subjects: subjects{o.Prefix}, js: js, options: o, handler: handler, unsure: unsure,
		messages: make(chan *nats.Msg, waiting),
		subs:     make(map[string]*nats.Subscription),
	}
	r.ctx, r.end = context.WithCancel(context.Background())
	r.done.Go(r.read)
	return r
}

// name is that of the bucket, which cannot have dots.
func (r *kvRegister) name() string { return strings.ReplaceAll(r.prefix, ".", "_") }

// bucket returns the bucket, which is made if it is not there.
func (r *kvRegister) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kv != nil {
		return r.kv, nil
	}
	name := r.name()
	config := jetstream.StreamConfig{
		Name:              "KV_" + name,
		Description:       "who holds what in a cluster of pusher_hub",
		Subjects:          []string{"$KV." + name + ".>"},
		MaxMsgsPerSubject: 1,
		Discard:           jetstream.DiscardNew,
		AllowRollup:       true,
		DenyDelete:        true,
		Storage:           jetstream.MemoryStorage,
		Replicas:          r.options.Replicas,
		RePublish:         &jetstream.RePublish{Source: "$KV." + name + "." + topicKeys + ">", Destination: r.prefix + ".k." + topicKeys + ">"},
	}
	stream, err := r.js.CreateStream(ctx, config)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // with other options, which stay
		stream, err = r.js.Stream(ctx, config.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("making the bucket %s: %w", name, err)
	}
	if found := stream.CachedInfo().Config.RePublish; found == nil || *found != *config.RePublish {
		return nil, fmt.Errorf("opening the bucket %s: it does not publish its changes on %s, so somebody else made it: delete it, or choose another prefix",
			name, config.RePublish.Destination)
	}
	kv, err := r.js.KeyValue(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("opening the bucket %s: %w", name, err)
	}
	r.stream, r.kv = stream, kv
	return kv, nil
}

// failed makes an error of the server's. If the bucket is gone, the next call makes it again.
func (r *kvRegister) failed(doing string, err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
		r.mu.Lock()
		r.stream, r.kv = nil, nil
		r.mu.Unlock()
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isConflict reports whether somebody else was first.
func isConflict(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// get returns the entry of a key; nil: there is none.
func (r *kvRegister) get(ctx context.Context, key string) (entry jetstream.KeyValueEntry, err error) {
	kv, err := r.bucket(ctx)
	if err != nil {
		return nil, err
	}
	entry, err = kv.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, nil
	case err != nil:
		return nil, r.failed("reading "+key, err)
	}
	return entry, nil
}

// change changes the value of a key in one step. next gets the value, nil if there is none, and returns the one to come; nil leaves it as it is.
// It is called again if somebody else was first.
func (r *kvRegister) change(ctx context.Context, key string, next func(value []byte) ([]byte, error)) error {
	for {
		entry, err := r.get(ctx, key)
		if err != nil {
			return err
		}
		kv, err := r.bucket(ctx)
		if err != nil {
			return err
		}
		var old []byte
		if entry != nil {
			old = entry.Value()
		}
		value, err := next(old)
		if err != nil || value == nil {
			return err
		}
		if entry == nil {
			_, err = kv.Create(ctx, key, value)
		} else {
			_, err = kv.Update(ctx, key, value, entry.Revision())
		}
		switch {
		case err == nil:
			return nil
		case !isConflict(err):
			return r.failed("writing "+key, err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// topicKey is the key of a topic, with topicKeys or keptKeys before it.
func topicKey(keys string, t pusherhub.Topic) string {
	return keys + strings.TrimPrefix(subjects{}.topic(t), ".")
}

// follow implements [register].
func (r *kvRegister) follow(ctx context.Context, topics []pusherhub.Topic) error {
	if _, err := r.bucket(ctx); err != nil {
		return err
	}
	for _, t := range topics {
		for _, subject := range r.changes(t) {
			if err := r.subscribe(subject); err != nil {
				return fmt.Errorf("following a topic: %w", err)
			}
		}
	}
	if _, bounded := ctx.Deadline(); !bounded { // nats.go wants a bound
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushTimeout)
		defer cancel()
	}
	if err := r.js.Conn().FlushWithContext(ctx); err != nil {
		return fmt.Errorf("following topics: %w", err)
	}
	return nil
}

// changes returns the subjects of what changes in a topic, and in its parts if it may have some.
func (r *kvRegister) changes(t pusherhub.Topic) []string {
	subject := r.prefix + ".k." + topicKey(topicKeys, t)
	if !mayHaveParts(t) {
		return []string{subject}
	}
	return []string{subject, subject + ".*"}
}

func (r *kvRegister) subscribe(subject string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.subs == nil {
		return errLost
	}
	if r.subs[subject] != nil {
		return nil
	}
	sub, err := r.js.Conn().ChanSubscribe(subject, r.messages)
	if err == nil {
		r.subs[subject] = sub
	}
	return err
}

// unfollow implements [register].
func (r *kvRegister) unfollow(topics []pusherhub.Topic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range topics {
		for _, subject := range r.changes(t) {
			if sub := r.subs[subject]; sub != nil {
				_ = sub.Unsubscribe() // fails only on a connection that is closed
				delete(r.subs, subject)
			}
		}
	}
}

// stop implements [register].
func (r *kvRegister) stop() {
	r.mu.Lock()
	for _, sub := range r.subs {
		_ = sub.Unsubscribe() // fails only on a connection that is closed
	}
	r.subs = nil
	r.mu.Unlock()
	r.end()
	r.done.Wait()
}

// read hands on the changes that the server publishes.
func (r *kvRegister) read() {
	for {
		select {
		case m := <-r.messages:
			r.take(m)
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *kvRegister) take(m *nats.Msg) {
	if len(m.Data) == 0 {
		return // deleted: nobody held anything
	}
	state, err := decodeTopic(m.Data)
	version, numberErr := sequence(m)
	if err != nil || numberErr != nil {
		r.handler.Ignored()
		return
	}
	if change := state.change(version); len(change.Entries)+len(change.Gone) > 0 {
		r.handler.Change(change)
	}
}
