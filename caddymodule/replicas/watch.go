package replicas

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	// lookEvery is the time between two look-ups.
	lookEvery = time.Minute

	// lookLimit bounds one.
	lookLimit = 10 * time.Second

	// overlap is how long there may be more than one replica without it meaning anything: a deploy starts the new one before it ends the old one.
	overlap = 2 * time.Minute

	// tellEvery is the time between two reports of the same.
	tellEvery = time.Hour
)

// Resolver looks up addresses: a [net.Resolver].
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Watch looks once a minute whether there are several replicas.
type Watch struct {
	platform Platform
	resolver Resolver
	tell     func(seen string)
	cancel   context.CancelFunc
	ended    chan struct{} // closed when run has returned

	// Owned by run.
	since time.Time // when there were several for the first time; zero: there is one
	quiet time.Time // nothing is told before

	mu   sync.Mutex
	seen string // guarded by mu
}

// Watch begins to watch and returns at once. If there have been several replicas for two minutes, tell is called with the sign
// that there are, from a goroutine of the watch, and again each hour while it lasts. nil, if the platform shows nothing.
func (p Platform) Watch(resolver Resolver, tell func(seen string)) *Watch {
	if p == (Platform{}) {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watch{platform: p, resolver: resolver, tell: tell, cancel: cancel, ended: make(chan struct{}), seen: p.known}
	go w.run(ctx)
	return w
}

// Stop ends the watch and waits for a call of tell that is under way. A nil watch has ended.
func (w *Watch) Stop() {
	if w == nil {
		return
	}
	w.cancel()
	<-w.ended
}

// Seen is the sign that there are several replicas, as the beginning of a sentence; empty: there is none, or for less than two minutes.
func (w *Watch) Seen() string {
	if w == nil {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func (w *Watch) run(ctx context.Context) {
	defer close(w.ended)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if w.platform.host != "" {
			w.look(ctx)
		}
		if seen, now := w.Seen(), time.Now(); seen != "" && !now.Before(w.quiet) {
			w.quiet = now.Add(tellEvery)
			w.tell(seen)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look asks for the addresses. Without an answer it is as it was.
func (w *Watch) look(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	addrs, err := w.resolver.LookupNetIP(asking, "ip", w.platform.host)
	if err != nil {
		return
	}
	seen, now := "", time.Now()
	switch n := replicas(addrs); {
	case n < 2:
		w.since = time.Time{}
	case w.since.IsZero():
		w.since = now
	case now.Sub(w.since) >= overlap:
		seen = fmt.Sprintf("%s has the addresses of %d replicas", w.platform.host, n)
	}
	w.mu.Lock()
	w.seen = seen
	w.mu.Unlock()
}

// replicas returns how many replicas there are if each has an address, or one of each kind.
func replicas(addrs []netip.Addr) int {
	distinct := make(map[netip.Addr]bool)
	v4 := 0
	for _, addr := range addrs {
		if addr = addr.Unmap(); !distinct[addr] {
			distinct[addr] = true
			if addr.Is4() {
				v4++
			}
		}
	}
	return max(v4, len(distinct)-v4)
}
