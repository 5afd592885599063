package cluster

import (
	"cmp"
	"time"

	"go.uber.org/zap"
)

// Options are the settings of a [Broker]. The zero value is usable.
type Options struct {
	// Name is what errors and the log call the engine's server: redis, nats. Default: cluster.
	Name string

	// Lease is how long after the death of a node the last of what it held is gone. It has to be the same on all nodes. Default: 10s.
	// A node says that it lives every fifth of it, so in a cluster of hundreds of nodes a longer one is easier on the server.
	Lease time.Duration

	// SpoolBytes is how many bytes of messages wait for the server at most. While it is connected, but slow, Publish waits for room and
	// then fails; while it is away, the oldest are dropped. Default: 32 MiB.
	SpoolBytes int

	// SpoolAge is how old a message may get before it is dropped instead of sent. Default: 60s.
	SpoolAge time.Duration

	// Logger gets one line when the server is lost, one when it is back, and one each time this node had to enter again what it
	// holds. Default: none.
	Logger *zap.Logger
}

func (o Options) withDefaults() Options {
	o.Name = cmp.Or(o.Name, "cluster")
	o.Lease = cmp.Or(o.Lease, 10*time.Second)
	o.SpoolBytes = cmp.Or(o.SpoolBytes, 32<<20)
	o.SpoolAge = cmp.Or(o.SpoolAge, time.Minute)
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o
}

// ttl is how long a lease lasts after a beat. With the time until somebody looks, that is less than Lease.
func (o *Options) ttl() time.Duration { return o.Lease * 8 / 10 }

// beat is the time between two beats.
func (o *Options) beat() time.Duration { return o.Lease / 5 }

// gap is the time between two beats that were answered that is no break yet. It has room for a register that is handed on to another node, after whose
// death others are to be reaped in time; and what is left of a lease after it, for others to come back.
func (o *Options) gap() time.Duration { return o.ttl() * 5 / 8 }

// reap is the time between two looks for leases that have ended.
func (o *Options) reap() time.Duration { return o.Lease / 10 }

// releaseAfter and claimAfter are how old the memory of a register that has lost an earlier one has to be, before nodes enter what they gave up since
// the earlier one knew it, and what that never knew. Until then nodes restore what it knew, which is not gained again then. All of them notice within one beat.
func (o *Options) releaseAfter() time.Duration { return o.Lease * 2 / 10 }

func (o *Options) claimAfter() time.Duration { return o.Lease * 3 / 10 }

// The times of calls of the engine. A call that was not answered is repeated.
const (
	callTimeout  = 5 * time.Second        // for the engine's answer
	waitTimeout  = 2 * time.Second        // for what the hub waits for
	roomTimeout  = time.Second            // for room in the spool
	closeTimeout = time.Second            // for each step of a goodbye
	pauseFirst   = 20 * time.Millisecond  // before the first repetition of a call that failed,
	pauseMost    = time.Second            // and, after growing, before each
	holdBack     = 200 * time.Millisecond // for changes that make no transition
)

// pause is the time to wait before a call is made again.
type pause time.Duration

func (p *pause) next() time.Duration {
	*p = min(max(*p*2, pause(pauseFirst)), pause(pauseMost))
	return time.Duration(*p)
}

func (p *pause) reset() { *p = 0 }
