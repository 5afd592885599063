package natsbroker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

const (
	// pauses before the next connect grow from shortestPause to longestPause.
	shortestPause = 50 * time.Millisecond
	longestPause  = 5 * time.Second

	// steady is how long a connection must have lasted for the pauses to start over.
	steady = 5 * time.Second

	// warnEvery is how often the same is complained about.
	warnEvery = time.Minute
)

// errClosed says that the engine is closed.
var errClosed = errors.New("the engine is closed")

// register is where the cluster's register is kept, as seen through one connection. Its methods are those of [cluster.Engine].
type register interface {
	Enter(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error)
	Beat(ctx context.Context, node string, ttl time.Duration) (cluster.Pulse, error)
	Resign(ctx context.Context, node string) error
	Apply(ctx context.Context, node string, batch uint64, updates []cluster.Update) (made []pusherhub.Transition, known bool, err error)
	Reap(ctx context.Context) (made []pusherhub.Transition, more bool, err error)
	Read(ctx context.Context, topics []pusherhub.Topic) ([]cluster.State, error)
	Count(ctx context.Context, t pusherhub.Topic) (pusherhub.Holding, error)
	Channels(ctx context.Context, app, prefix string) (map[string]pusherhub.Holding, error)

	// follow has changes of the topics handed to the handler, if they do not come on the topics' subjects.
	follow(ctx context.Context, topics []pusherhub.Topic) error
	unfollow(topics []pusherhub.Topic)

	// keep keeps the data of a post as the event of a channel.
	keep(ctx context.Context, t pusherhub.Topic, data []byte, until time.Time) error

	// stop ends what the register does on this connection, and waits for it.
	stop()
}

// engine is the [cluster.Engine] on NATS.
type engine struct {
	options Options
	council *council
	echoes  echoes
	unsure  kvUnsure

	handler cluster.Handler // static after Open
	ctx     context.Context // ends with Close
	end     context.CancelFunc
	done    sync.WaitGroup // the goroutine that connects
	warning rate.Sometimes // of another register

	mu       sync.Mutex // no other lock is taken while it is held
	link     *link      // nil while there is no connection
	register register
	why      error // what became of the last connection
}

func newEngine(o Options) *engine {
	e := &engine{options: o, council: newCouncil(o), warning: rate.Sometimes{Interval: warnEvery}, why: errLost}
	e.ctx, e.end = context.WithCancel(context.Background())
	return e
}

// Open implements [cluster.Engine].
func (e *engine) Open(h cluster.Handler) error {
	e.handler = h
	e.council.handler = h
	e.done.Go(e.run)
	return nil
}

// Close implements [cluster.Engine].
func (e *engine) Close() error {
	e.end()
	e.done.Wait()
	return nil
}

// run connects, again and again, until the engine is closed.
func (e *engine) run() {
	var learnt []string // servers that others have told of
	for failures := 0; ; failures++ {
		began := time.Now()
		l, err := dialLink(e.ctx, e.options, learnt)
		if err == nil {
			err = e.serve(l)
			learnt = remember(learnt, l.nc.DiscoveredServers())
		}
		e.council.missed = true
		e.lost(err)
		if l != nil || e.options.InProcess == nil { // a server of this process says itself why it has not started yet
			e.handler.Down(err)
		}
		if time.Since(began) > steady {
			failures = 0
		}
		select {
		case <-e.ctx.Done():
			e.lost(errClosed)
			return
		case <-time.After(pause(failures)):
		}
	}
}

// mostLearnt is how many servers that others have told of are remembered: the newest.
const mostLearnt = 8

// remember adds servers that a connection has heard of. It hears only of those that it was not told of, so what was known before stays.
func remember(learnt, heard []string) []string {
	all := slices.Clone(heard)
	for _, server := range learnt {
		if !slices.Contains(heard, server) {
			all = append(all, server)
		}
	}
	return all[:min(len(all), mostLearnt)]
}

// pause is how long to wait after a number of failures, one after the other, before the next connect.
func pause(failures int) time.Duration {
	longest := min(shortestPause<<min(failures, 10), longestPause)
	return longest/2 + rand.N(longest/2) //nolint:gosec // so that not all nodes come at once; nobody gains by guessing it
}

// serve uses a connection until it is lost, and says why it was.
func (e *engine) serve(l *link) error {
	l.take = func(subject string, f frame) { e.take(l, subject, f) }
	l.noReader = e.council.noReader
	l.ignored = e.handler.Ignored
	l.start()
	defer l.close()
	r, err := e.prepare(l)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.link, e.register = l, r
	e.mu.Unlock()
	e.handler.Up()
	select {
	case <-l.ctx.Done():
	case <-e.ctx.Done():
	}
	e.lost(l.failure())
	r.stop()
	l.close()
	return l.failure()
}

// take takes what came over the bus. It is called by the link's reader.
func (e *engine) take(l *link, subject string, f frame) {
	switch f.kind { //nolint:exhaustive // the others are the council's, or not known
	case kindPost:
		e.handler.Receive(f.body)
	case kindCall:
		e.echoes.called(l, string(f.body))
	case kindAnswer:
		e.echoes.answered(subject, string(f.body))
	default:
		switch {
		case e.council.hears.Load() != l:
			e.otherRegister(f)
		case !e.council.take(l, subject, f):
			e.handler.Ignored()
		}
	}
}

// otherRegister takes what the council says if this node is not of it: its register is in JetStream.
func (e *engine) otherRegister(f frame) {
	e.handler.Ignored()
	if f.kind != kindNotice && f.kind != kindRuling {
		return
	}
	e.warning.Do(func() {
		e.options.Cluster.Logger.Error("other nodes keep the register themselves, and this one has it in JetStream: presence, counts and webhooks are not those of all nodes; "+
			"expected the same jetstream, on or off, and the right to use it, on all of them", zap.String("broker", e.options.Cluster.Name))
	})
}

func (e *engine) lost(why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.link, e.register, e.why = nil, nil, why
}

// current returns the connection, with its register.
func (e *engine) current() (*link, register, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.link == nil {
		return nil, nil, e.why
	}
	return e.link, e.register, nil
}
