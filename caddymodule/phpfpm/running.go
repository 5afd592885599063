package phpfpm

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	// Caddy runs this after all apps have stopped: sockets are drained and the servers' requests answered
	caddy.OnExit(func(ctx context.Context) { running.end(ctx, time.Now()) })
}

// leastTime is what php-fpm has at the exit in any case. It is less than the second that the hub's limit for the whole exit
// leaves beyond the drain and the requests.
const leastTime = 700 * time.Millisecond

// running are the supervisors of the process, in a config or just left by one.
var running supervisors

// everLive is set when a config has gone live, so that the process goes on when a config is refused.
var everLive atomic.Bool

type supervisors struct {
	mu    sync.Mutex
	all   map[*supervisor]struct{} // guarded by mu
	began time.Time                // guarded by mu: when Caddy began to stop
}

func (r *supervisors) add(s *supervisor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[*supervisor]struct{})
	}
	r.all[s] = struct{}{}
}

func (r *supervisors) remove(s *supervisor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, s)
}

// list returns the supervisors and when Caddy began to stop, which is now if nobody has said so.
func (r *supervisors) list(now time.Time) (all []*supervisor, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		r.began = now
	}
	for s := range r.all {
		all = append(all, s)
	}
	return all, r.began
}

// beginExit asks those programs to quit that may take a while for it.
func beginExit(now time.Time) {
	all, _ := running.list(now)
	for _, s := range all {
		if s.early {
			s.askToQuit()
		}
	}
}

// end ends all programs and returns when they have ended.
func (r *supervisors) end(ctx context.Context, now time.Time) {
	all, began := r.list(now)
	var ends sync.WaitGroup
	for _, s := range all {
		s.askToQuit()
		ends.Go(func() {
			deadline := began.Add(s.stopTimeout)
			if least := now.Add(leastTime); deadline.Before(least) {
				deadline = least
			}
			ctx, cancel := context.WithDeadline(ctx, deadline)
			defer cancel()
			s.await(ctx)
		})
	}
	ends.Wait()
}

// Destruct ends a program that no config has any more. At the exit that is for supervisors.end to do, in its turn. A
// reload does not wait; but a Caddy that does not even start would be gone before its children.
func (s *supervisor) Destruct() error {
	if caddy.Exiting() {
		return nil
	}
	s.log.Store(caddy.Log().Named(appID)) // the config's own is closed soon
	s.askToQuit()
	timeout := retireTimeout
	if !everLive.Load() {
		timeout = s.stopTimeout
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		s.await(ctx)
	}()
	if !everLive.Load() {
		<-ended
	}
	return nil
}

var failOnce sync.Once

// failProcess ends Caddy with an exit code, in order: as by a SIGTERM, and when everything else at the exit is done, with
// code 3 instead of 0. A platform then starts a new container.
func failProcess() {
	if caddy.Exiting() {
		return
	}
	go failOnce.Do(func() {
		// registered last, called last
		caddy.OnExit(func(context.Context) { os.Exit(caddy.ExitCodeFailedQuit) })
		log := caddy.Log().Named(appID)
		log.Error("exiting, because a program that belongs to the site cannot be kept alive", zap.Int("exit_code", caddy.ExitCodeFailedQuit))
		if caddy.Exiting() {
			return // a second signal would cut the exit short
		}
		if err := endCaddy(); err != nil {
			log.Error("ending Caddy", zap.Error(err))
			os.Exit(caddy.ExitCodeFailedQuit)
		}
	})
}
