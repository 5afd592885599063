package redisbroker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// leases and dead are the keys of the nodes.
func (k *keys) leases() string { return k.base[0] + "leases" }
func (k *keys) dead() string   { return k.base[0] + "dead" }

// memory is what an engine knows of a partition's memory.
type memory struct {
	name    string
	version uint64 // the highest that was seen with this name
	node    string // that has entered something under this name, and
	batch   uint64 // the newest batch of it that the partition has answered
}

// saw notes what a script said about a partition's memory.
func (e *Engine) saw(p int, name string, version uint64) {
	e.memoryMu.Lock()
	defer e.memoryMu.Unlock()
	if m := &e.memory[p]; m.name != name {
		*m = memory{name: name, version: version}
	} else {
		m.version = max(m.version, version)
	}
}

// entered notes that a partition has a node's batch.
func (e *Engine) entered(p int, node string, batch uint64) {
	e.memoryMu.Lock()
	defer e.memoryMu.Unlock()
	e.memory[p].node, e.memory[p].batch = node, batch
}

// Enter is described in [cluster.Engine].
func (e *Engine) Enter(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	return e.pulse(ctx, node, ttl, "1")
}

// Beat is described in [cluster.Engine].
func (e *Engine) Beat(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error) {
	return e.pulse(ctx, node, ttl, "0")
}

// pulse asks for the lease, and all partitions. The lease comes first: who knows a node without one has it reaped.
func (e *Engine) pulse(ctx context.Context, node string, ttl time.Duration, enter string) (pulse cluster.Pulse, err error) {
	l, ctx, done, err := e.begin(ctx)
	if err != nil {
		return pulse, err
	}
	defer func() { err = done(err) }()

	lease := run(ctx, l.client, call{beatScript, []string{e.keys.leases(), e.keys.dead()}, []string{node, milliseconds(ttl), enter}})[0]
	counts, err := lease.AsIntSlice()
	if err != nil {
		return pulse, err
	}
	pulse.Known, pulse.Nodes = counts[0] == 1, int(counts[1])
	if !pulse.Known {
		enter = "0"
	}

	e.memoryMu.Lock()
	known := e.memory
	e.memoryMu.Unlock()
	calls := make([]call, partitions)
	for p := range calls {
		fresh := make([]byte, 8)
		_, _ = rand.Read(fresh)
		var batch uint64
		if known[p].node == node {
			batch = known[p].batch
		}
		calls[p] = call{pulseScript, []string{e.keys.meta(p)}, []string{
			node, hex.EncodeToString(fresh), known[p].name, strconv.FormatUint(known[p].version, 10), strconv.FormatUint(batch, 10), enter,
		}}
	}
	epoch := fnv.New128a()
	for p, result := range run(ctx, l.client, calls...) {
		said, err := result.ToArray()
		if err != nil {
			return pulse, err
		}
		name, _ := said[0].ToString()
		age, _ := said[1].AsInt64()
		version, _ := said[2].AsUint64()
		held, _ := said[3].AsInt64()
		e.saw(p, name, version)
		_, _ = epoch.Write([]byte(name))
		if old := time.Duration(age) * time.Millisecond; p == 0 || old < pulse.Age {
			pulse.Age = old
		}
		if held < 0 {
			pulse.Known = false
		}
		pulse.Holdings += int(max(held, 0))
	}
	pulse.Epoch = hex.EncodeToString(epoch.Sum(nil))
	return pulse, nil
}

// Resign is described in [cluster.Engine].
func (e *Engine) Resign(ctx context.Context, node string) (err error) {
	l, ctx, done, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	return l.client.Do(ctx, l.client.B().Zadd().Key(e.keys.leases()).Xx().ScoreMember().ScoreMember(0, node).Build()).Error()
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }
