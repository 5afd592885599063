package natsbroker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub"
)

const (
	// reapTopics is how many topics one call of Reap takes a dead node out of.
	reapTopics = 500

	// lookAgain is when a dead node is looked for once more: an Apply that began before it was reaped has ended by then.
	lookAgain = 15 * time.Second

	// sweepEvery is how often what nobody needs any more is deleted.
	sweepEvery = time.Minute
)

// errEnough ends a look at the bucket.
var errEnough = errors.New("seen enough")

// Reap implements [register]. A node is first marked as dead, in one step, and may apply nothing from then on; then it is taken out of each
// topic. Who takes it out of a topic has made the transitions of that. First it is seen what became of writes whose answer was lost.
func (r *kvRegister) Reap(ctx context.Context) (made []pusherhub.Transition, more bool, err error) {
	if made, err = r.settle(ctx); err != nil || len(made) > 0 {
		return made, true, err
	}
	now, err := r.clock(ctx)
	if err != nil {
		return nil, false, err
	}
	nodes, err := r.markDead(ctx, now)
	if err != nil {
		return nil, false, err
	}
	var look, over []string
	for _, d := range nodes.Dead {
		old := now.Sub(time.UnixMilli(d.At)) > lookAgain
		if old {
			over = append(over, d.Node)
		}
		if old || !d.Taken {
			look = append(look, d.Node)
		}
	}
	if len(look) == 0 {
		return nil, false, r.sweep(ctx, now)
	}
	made, more, err = r.takeOut(ctx, look)
	if err == nil && !more {
		err = r.markTaken(ctx, look, over)
	}
	if len(made) > 0 { // nobody else is told of these, whatever comes then
		return made, more || err != nil, nil
	}
	return nil, more, err
}

// markDead marks the nodes whose lease has ended, and returns all nodes.
func (r *kvRegister) markDead(ctx context.Context, now time.Time) (*kvNodes, error) {
	nodes, err := r.nodes(ctx)
	if err != nil {
		return nil, err
	}
	ended := make([]bool, len(nodes.Live))
	err = parallel(len(nodes.Live), func(i int) (err error) {
		ended[i], err = r.ended(ctx, nodes.Live[i], now)
		return err
	})
	if err != nil || !slices.Contains(ended, true) {
		return nodes, err
	}
	over := make(map[string]bool)
	for i, node := range nodes.Live {
		over[node] = ended[i]
	}
	err = r.changeNodes(ctx, func(n *kvNodes) bool {
		nodes = n
		before := len(n.Live)
		n.Live = slices.DeleteFunc(n.Live, func(node string) bool {
			if over[node] {
				n.Dead = append(n.Dead, kvDead{Node: node, At: now.UnixMilli()})
			}
			return over[node]
		})
		return len(n.Live) < before
	})
	return nodes, err
}

// ended reports whether a node's lease has.
func (r *kvRegister) ended(ctx context.Context, node string, now time.Time) (bool, error) {
	entry, err := r.get(ctx, leaseKey(node))
	if err != nil || entry == nil {
		return entry == nil, err
	}
	var l kvLease
	if err := json.Unmarshal(entry.Value(), &l); err != nil {
		return false, fmt.Errorf("reading a lease: %w", err)
	}
	return !now.Before(entry.Created().Add(time.Duration(l.TTL) * time.Millisecond)), nil
}

// takeOut takes nodes out of topics that they are in.
func (r *kvRegister) takeOut(ctx context.Context, nodes []string) (made []pusherhub.Transition, more bool, err error) {
	type place struct {
		kvPlace
		divided bool
	}
	var places []place
	err = r.each(ctx, topicKeys+">", func(entry jetstream.KeyValueEntry) error {
		t, err := decodeTopic(entry.Value())
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(nodes, func(node string) bool { return t.holding(node) != nil }) {
			return nil
		}
		if len(places) == reapTopics {
			return errEnough
		}
		places = append(places, place{placeOf(entry.Key(), t.name()), t.divided()})
		return nil
	})
	if more = errors.Is(err, errEnough); err != nil && !more {
		return nil, false, err
	}
	var mu sync.Mutex
	err = parallel(len(places), func(i int) error {
		own, err := r.takeOutOf(ctx, places[i].kvPlace, nodes, places[i].divided)
		mu.Lock()
		defer mu.Unlock()
		made = append(made, transitionsOf(places[i].name, own)...)
		return err
	})
	return made, more, err
}

// takeOutOf takes nodes out of the value of one place, and of the parts into which its members have moved since it was seen undivided.
func (r *kvRegister) takeOutOf(ctx context.Context, p kvPlace, nodes []string, divided bool) (made []kvMade, err error) {
	made, found, err := r.takeOutHere(ctx, p, nodes)
	for err == nil && found == phaseMoving {
		if err = r.move(ctx, p); err == nil {
			made, found, err = r.takeOutHere(ctx, p, nodes)
		}
	}
	if err != nil || divided || found == phaseWhole {
		return made, err
	}
	for _, part := range p.parts() {
		below, err := r.takeOutOf(ctx, part, nodes, false)
		made = append(made, below...)
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

// takeOutHere takes nodes out of a value, in one step, unless its members are about to move. If nobody knows whether it did, settle finds out.
func (r *kvRegister) takeOutHere(ctx context.Context, p kvPlace, nodes []string) (made []kvMade, found kvPhase, err error) {
	id := rand.Text()
	var before []byte
	err = r.change(ctx, p.key(), func(value []byte) ([]byte, error) {
		made, before = nil, value
		t, err := topicOf(p.name, value)
		if err != nil {
			return nil, err
		}
		if found = t.Phase; found == phaseMoving {
			return nil, nil
		}
		now := time.Now()
		var gone []kvName
		for _, node := range nodes {
			w := &topicWrite{topic: t, node: node, now: now}
			w.takeAll()
			made = append(made, w.made...)
			gone = append(gone, w.gone...)
			t.Done = slices.DeleteFunc(t.Done, func(d kvDone) bool { return d.Node == node })
		}
		if len(gone) == 0 {
			return nil, nil
		}
		t.Changed, t.Gone = nil, gone
		if len(made) > 0 {
			t.Reaped = append(t.Reaped, kvReaped{ID: id, At: now.UnixMilli()})
		}
		return t.encode(now)
	})
	if err != nil {
		if len(made) > 0 {
			r.unsure.add(kvUnsureWrite{p, id, before, made})
		}
		return nil, found, err
	}
	return made, found, nil
}

// takeAll takes from the node all that it holds of the topic.
func (w *topicWrite) takeAll() {
	h := w.topic.holding(w.node)
	if h == nil {
		return
	}
	count, members := h.Count, h.Members
	h.Count, h.Members = 0, nil
	for _, m := range members {
		w.gone = append(w.gone, kvName{Node: w.node, User: m.User})
		if !w.topic.held(string(m.User)) && w.lose(string(m.User), true, false) {
			w.made = append(w.made, kvMade{Member: m.User})
		}
	}
	if count > 0 {
		w.gone = append(w.gone, kvName{Node: w.node})
		if !w.topic.held("") && w.lose("", true, false) {
			w.made = append(w.made, kvMade{})
		}
	}
}

// markTaken notes that nodes hold nothing any more. Those that are over are forgotten.
func (r *kvRegister) markTaken(ctx context.Context, taken, over []string) error {
	err := r.changeNodes(ctx, func(n *kvNodes) bool {
		before := len(n.Dead)
		n.Dead = slices.DeleteFunc(n.Dead, func(d kvDead) bool { return slices.Contains(over, d.Node) })
		changed := len(n.Dead) < before
		for i := range n.Dead {
			if d := &n.Dead[i]; !d.Taken && slices.Contains(taken, d.Node) {
				d.Taken, changed = true, true
			}
		}
		return changed
	})
	if err != nil {
		return err
	}
	for _, node := range over {
		if err := r.drop(ctx, leaseKey(node), 0); err != nil {
			return err
		}
	}
	return nil
}

// drop deletes a key if it still has that revision; 0: whatever it has.
func (r *kvRegister) drop(ctx context.Context, key string, revision uint64) error {
	kv, err := r.bucket(ctx)
	if err != nil {
		return err
	}
	var only []jetstream.KVDeleteOpt
	if revision > 0 {
		only = append(only, jetstream.LastRevision(revision))
	}
	if err := kv.Delete(ctx, key, only...); err != nil && !isConflict(err) && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return r.failed("deleting "+key, err)
	}
	return nil
}

// sweep deletes topics that nobody holds, and events that are kept no more, for all nodes about once in sweepEvery.
func (r *kvRegister) sweep(ctx context.Context, now time.Time) error {
	due := false
	entry, err := r.get(ctx, sweepKey)
	if err != nil || entry != nil && now.Sub(entry.Created()) < sweepEvery {
		return err
	}
	err = r.change(ctx, sweepKey, func(value []byte) ([]byte, error) {
		next := now.Format(time.RFC3339Nano)
		if due = len(value) == 0 || string(value) == string(entryValue(entry)); !due {
			return nil, nil // another node does it
		}
		return []byte(next), nil
	})
	if err != nil || !due {
		return err
	}
	here := time.Now()
	err = r.each(ctx, ">", func(entry jetstream.KeyValueEntry) error {
		if strings.HasPrefix(entry.Key(), topicKeys) {
			return r.sweepTopic(ctx, entry, now, here)
		}
		if useless(entry, here) {
			return r.drop(ctx, entry.Key(), entry.Revision())
		}
		return nil
	})
	if err != nil {
		return err
	}
	kv, err := r.bucket(ctx)
	if err != nil {
		return err
	}
	if err := kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(doneMemory)); err != nil {
		return r.failed("deleting what is deleted", err)
	}
	return nil
}

func entryValue(entry jetstream.KeyValueEntry) []byte {
	if entry == nil {
		return nil
	}
	return entry.Value()
}

// useless reports whether nobody needs an entry any more that is no topic.
func useless(entry jetstream.KeyValueEntry, now time.Time) bool {
	key := entry.Key()
	return (strings.HasPrefix(key, keptKeys) || strings.HasPrefix(key, partKeys)) && expired(entry.Value(), now)
}

// sweepTopic deletes the value of a topic, or of a part, that nobody needs any more. now is the server's time, here this node's.
func (r *kvRegister) sweepTopic(ctx context.Context, entry jetstream.KeyValueEntry, now, here time.Time) error {
	t, err := decodeTopic(entry.Value())
	switch {
	case err != nil:
		return nil // of another release
	case t.Phase == phaseMoving: // whoever began that has died
		return r.move(ctx, placeOf(entry.Key(), t.name()))
	case len(t.Holdings) > 0,
		slices.ContainsFunc(t.Done, func(d kvDone) bool { return here.Sub(time.UnixMilli(d.At)) <= doneMemory }),
		slices.ContainsFunc(t.Losses, func(l kvLoss) bool { return here.Sub(time.UnixMilli(l.At)) <= lossMemory }):
		return nil
	case t.divided():
		return r.tidy(ctx, entry, t, now)
	}
	return r.drop(ctx, entry.Key(), entry.Revision())
}
