package natsbroker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// kvNodes is the value of nodesKey.
type kvNodes struct {
	Version int      `json:"v"`
	Live    []string `json:"live,omitempty"`
	Dead    []kvDead `json:"dead,omitempty"`
}

// kvDead is a node that was reaped. It stays unknown.
type kvDead struct {
	Node  string `json:"n"`
	At    int64  `json:"t"` // when it was reaped, in milliseconds of the server's clock
	Taken bool   `json:"d,omitempty"`
}

// kvLease is the value of a node's lease.
type kvLease struct {
	Version int   `json:"v"`
	TTL     int64 `json:"ttl"` // milliseconds since the write
}

// nodes returns which nodes there are.
func (r *kvRegister) nodes(ctx context.Context) (*kvNodes, error) {
	entry, err := r.get(ctx, nodesKey)
	if err != nil || entry == nil {
		return &kvNodes{Version: kvVersion}, err
	}
	return decodeNodes(entry.Value())
}

func decodeNodes(value []byte) (*kvNodes, error) {
	n := &kvNodes{Version: kvVersion}
	if value == nil {
		return n, nil
	}
	if err := json.Unmarshal(value, n); err != nil {
		return nil, fmt.Errorf("reading the nodes: %w", err)
	}
	if n.Version != kvVersion {
		return nil, fmt.Errorf("reading the nodes: found version %d, expected %d", n.Version, kvVersion)
	}
	return n, nil
}

// changeNodes changes which nodes there are. change reports whether it did; it is called again if somebody else was first.
func (r *kvRegister) changeNodes(ctx context.Context, change func(*kvNodes) bool) error {
	return r.change(ctx, nodesKey, func(value []byte) ([]byte, error) {
		n, err := decodeNodes(value)
		if err != nil || !change(n) {
			return nil, err
		}
		return json.Marshal(n)
	})
}

func (n *kvNodes) dead(node string) bool {
	return slices.ContainsFunc(n.Dead, func(d kvDead) bool { return d.Node == node })
}

func leaseKey(node string) string { return leaseKeys + token(node) }

// Enter implements [register].
func (r *kvRegister) Enter(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	if _, err := r.lease(ctx, node, ttl); err != nil {
		return cluster.Pulse{}, err
	}
	err := r.changeNodes(ctx, func(n *kvNodes) bool {
		if n.dead(node) || slices.Contains(n.Live, node) {
			return false
		}
		n.Live = append(n.Live, node)
		return true
	})
	if err != nil {
		return cluster.Pulse{}, err
	}
	return r.Beat(ctx, node, ttl)
}

// Beat implements [register].
func (r *kvRegister) Beat(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	nodes, err := r.nodes(ctx)
	if err != nil {
		return cluster.Pulse{}, err
	}
	p := cluster.Pulse{Known: slices.Contains(nodes.Live, node), Nodes: len(nodes.Live), Holdings: -1}
	var now time.Time
	if p.Known {
		now, err = r.lease(ctx, node, ttl)
	} else {
		now, err = r.clock(ctx)
	}
	if err != nil {
		return cluster.Pulse{}, err
	}
	epoch, err := r.epoch(ctx)
	if err != nil {
		return cluster.Pulse{}, err
	}
	p.Epoch, p.Age = string(epoch.Value()), max(now.Sub(epoch.Created()), 0)
	return p, nil
}

// Resign implements [register].
func (r *kvRegister) Resign(ctx context.Context, node string) error {
	nodes, err := r.nodes(ctx)
	if err != nil || !slices.Contains(nodes.Live, node) {
		return err
	}
	_, err = r.lease(ctx, node, 0)
	return err
}

// lease makes a node's lease last for ttl from now on, and returns the server's time.
func (r *kvRegister) lease(ctx context.Context, node string, ttl time.Duration) (time.Time, error) {
	value, err := json.Marshal(kvLease{Version: kvVersion, TTL: ttl.Milliseconds()})
	if err != nil {
		return time.Time{}, fmt.Errorf("writing a lease: %w", err)
	}
	return r.put(ctx, leaseKey(node), value)
}

// clock returns the server's time.
func (r *kvRegister) clock(ctx context.Context) (time.Time, error) {
	return r.put(ctx, clockKey, []byte("1"))
}

// put writes a value and returns the server's time.
func (r *kvRegister) put(ctx context.Context, key string, value []byte) (time.Time, error) {
	kv, err := r.bucket(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if _, err := kv.Put(ctx, key, value); err != nil {
		return time.Time{}, r.failed("writing "+key, err)
	}
	entry, err := r.get(ctx, key)
	if err != nil {
		return time.Time{}, err
	}
	if entry == nil {
		return time.Time{}, fmt.Errorf("writing %s: it is gone", key)
	}
	return entry.Created(), nil
}

// epoch returns the entry that names the memory. The first who asks makes it.
func (r *kvRegister) epoch(ctx context.Context) (jetstream.KeyValueEntry, error) {
	for {
		entry, err := r.get(ctx, epochKey)
		if err != nil || entry != nil {
			return entry, err
		}
		kv, err := r.bucket(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := kv.Create(ctx, epochKey, []byte(rand.Text())); err != nil && !isConflict(err) {
			return nil, r.failed("writing "+epochKey, err)
		}
	}
}
