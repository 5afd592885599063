package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
)

const (
	// maxPayload bounds a message of the bus, in bytes. It is what NATS advises as the most.
	maxPayload = 8 << 20

	// routePing and routePings find a node that has gone silent within 6 s, before its lease ends.
	routePing  = 2 * time.Second
	routePings = 2

	// settleTime is how long a server that has just started waits for the first of the others, so that the hub does not begin on an
	// island of its own.
	settleTime = 1500 * time.Millisecond

	// lookupTimeout bounds one round of DNS.
	lookupTimeout = 3 * time.Second

	// lonelyInterval and interval are the pauses between two rounds, without and with a connection to another node.
	lonelyInterval = time.Second
	interval       = 5 * time.Second

	// startTimeout bounds one attempt to start.
	startTimeout = 5 * time.Second

	// retry is the pause before the next attempt to start. A reload waits for the new broker before it ends the old one, whose server
	// has the port until then: so what keeps a server from starting is only complained about when it lasts for longer than handover.
	retry    = 100 * time.Millisecond
	handover = 3 * time.Second
)

// errNotUp is what a connection gets while the server has not started.
var errNotUp = errors.New("the embedded nats-server has not started yet")

// server is a nats-server of this process. Its goroutine starts it, tries again for as long as that fails, has it find the others, and ends it.
type server struct {
	config   Embed // validated
	tls      *tls.Config
	resolver resolver
	log      *zap.Logger

	cancel context.CancelFunc
	ready  chan struct{} // closed when connections are taken
	done   chan struct{} // closed when the goroutine has ended

	mu   sync.Mutex
	nats *natsserver.Server // guarded by mu; nil while it does not run
	why  error              // guarded by mu; why it does not start, once that has lasted for longer than handover
}

// startServer begins to start a server. stop ends it.
func startServer(config Embed, r resolver, log *zap.Logger) (*server, error) {
	tlsConfig, err := routeTLS(config.Secret)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{
		config: config, tls: tlsConfig, resolver: r, log: calm(log),
		cancel: cancel, ready: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run(ctx)
	return s, nil
}

// stop ends the server and waits for it.
func (s *server) stop() {
	s.cancel()
	<-s.done
}

// connect returns a connection to the server. It waits for a moment if the server is just starting, and not beyond end.
func (s *server) connect(end <-chan struct{}) (net.Conn, error) {
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-s.ready:
	case <-s.done:
	case <-end:
	case <-timer.C:
	}
	s.mu.Lock()
	nats := s.nats
	s.mu.Unlock()
	if nats == nil {
		return nil, errNotUp
	}
	return nats.InProcessConn()
}

func (s *server) run(ctx context.Context) {
	defer close(s.done)
	nats, own := s.start(ctx)
	if nats == nil {
		return
	}
	defer func() {
		s.mu.Lock()
		s.nats = nil
		s.mu.Unlock()
		nats.Shutdown()
		nats.WaitForShutdown()
	}()
	s.follow(ctx, nats, own)
}

// start starts the server, and tries again until it works or ctx ends: the port may be that of a server which is
// just ending, the one of the config before.
func (s *server) start(ctx context.Context) (*natsserver.Server, netip.AddrPort) {
	for began := time.Now(); ; {
		nats, own, err := s.tryStart()
		if err == nil {
			s.complain(nil)
			s.log.Info("embedded nats-server has started", zap.Stringer("listen", own), zap.String("cluster_name", s.config.ClusterName))
			return nats, own
		}
		if time.Since(began) > handover && s.complain(err) {
			s.log.Error("embedded nats-server cannot start: events do not reach other nodes; trying again", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil, own
		case <-time.After(retry):
		}
	}
}

// complain keeps why the server does not start, for trouble, and reports whether that is another reason than before.
func (s *server) complain(why error) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = why != nil && (s.why == nil || s.why.Error() != why.Error())
	s.why = why
	return changed
}

// trouble is why the server does not start; nil if it has, or may be about to.
func (s *server) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// tryStart starts the server, without routes.
func (s *server) tryStart() (*natsserver.Server, netip.AddrPort, error) {
	// the server itself does not know of addresses that are both IPv6 and IPv4, nor does it say what was wrong
	l, err := net.Listen("tcp", s.config.Listen)
	if err != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("listen: %w", err)
	}
	own := l.Addr().(*net.TCPAddr).AddrPort()
	own = netip.AddrPortFrom(own.Addr().Unmap(), own.Port())
	if err := l.Close(); err != nil {
		return nil, own, fmt.Errorf("listen: %w", err)
	}
	nats, err := natsserver.NewServer(s.options(own, nil))
	if err != nil {
		return nil, own, err
	}
	nats.SetLoggerV2(serverLog{s.log}, false, false, false)
	nats.Start()
	if !nats.ReadyForConnections(startTimeout) {
		nats.Shutdown()
		nats.WaitForShutdown()
		return nil, own, fmt.Errorf("listen %s: the server was not ready within %s", own, startTimeout)
	}
	return nats, own, nil
}

// options returns the options of the server. It makes them anew each time because a server changes its own.
func (s *server) options(own netip.AddrPort, routes []string) *natsserver.Options {
	var advertise string // the others see by themselves where a connection comes from, unless it does not come from there
	if !own.Addr().IsUnspecified() {
		advertise = own.String()
	}
	return &natsserver.Options{
		// without a port for clients, the server never opens the one for routes
		Host:                       "127.0.0.1",
		Port:                       natsserver.RANDOM_PORT,
		CustomClientAuthentication: inProcessOnly{},
		NoSigs:                     true,
		NoLog:                      true,
		NoSystemAccount:            true,
		MaxPayload:                 maxPayload,
		Routes:                     routeURLs(routes),
		Cluster: natsserver.ClusterOpts{
			Name:         s.config.ClusterName,
			Host:         own.Addr().String(),
			Port:         int(own.Port()),
			TLSConfig:    s.tls,
			Advertise:    advertise,
			NoAdvertise:  true, // of clients' addresses: there are none
			PoolSize:     -1,   // one connection between two nodes
			PingInterval: routePing,
			MaxPingsOut:  routePings,
		},
	}
}

// inProcessOnly refuses clients that come over the network: theirs is the port for routes.
type inProcessOnly struct{}

// Check implements [natsserver.Authentication].
func (inProcessOnly) Check(c natsserver.ClientAuthentication) bool {
	remote := c.RemoteAddress()
	return remote != nil && remote.Network() == "pipe"
}

// follow keeps the server's routes as the config and DNS have them, until ctx ends.
func (s *server) follow(ctx context.Context, nats *natsserver.Server, own netip.AddrPort) {
	p := newPeers(&s.config, own, s.resolver)
	if len(p.fixed)+len(p.names) == 0 {
		s.log.Warn("embedded nats-server knows no other nodes: it waits for those that know this one; expected routes or discover")
	}
	var applied []string
	var trouble string
	nodes := 0
	for first := true; ; first = false {
		err := s.lookup(ctx, p, nats)
		if routes := p.routes(); !slices.Equal(routes, applied) {
			if reloadErr := nats.ReloadOptions(s.options(own, routes)); reloadErr != nil {
				err = errors.Join(err, fmt.Errorf("changing the routes: %w", reloadErr))
			} else {
				applied = routes
			}
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != trouble:
			trouble = err.Error()
			s.log.Warn("embedded nats-server cannot look for other nodes; trying again", zap.Error(err))
		case err == nil && trouble != "":
			trouble = ""
			s.log.Info("embedded nats-server can look for other nodes again")
		}
		if first {
			if len(applied) > 0 {
				awaitRoute(ctx, nats)
			}
			s.mu.Lock()
			s.nats = nats
			s.mu.Unlock()
			close(s.ready)
		}
		pause := lonelyInterval
		n := nats.NumRoutes()
		if n > 0 {
			pause = interval
		}
		if n != nodes {
			nodes = n
			s.log.Info("embedded nats-server: the number of other nodes has changed", zap.Int("other_nodes", n))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// lookup asks DNS for the other nodes.
func (s *server) lookup(ctx context.Context, p *peers, nats *natsserver.Server) error {
	if len(p.names) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var connected []netip.Addr
	if routes, err := nats.Routez(nil); err == nil {
		for _, r := range routes.Routes {
			if a, err := netip.ParseAddr(r.IP); err == nil {
				connected = append(connected, a.Unmap())
			}
		}
	}
	return p.lookup(ctx, func(a netip.Addr) bool { return slices.Contains(connected, a) })
}

// awaitRoute waits until another node is connected, for a moment at most.
func awaitRoute(ctx context.Context, nats *natsserver.Server) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for nats.NumRoutes() == 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
