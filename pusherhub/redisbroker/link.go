package redisbroker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// link is one life of the connections. When one of those with subscriptions is lost, all of it is given up.
type link struct {
	engine  *Engine
	client  rueidis.Client
	publish string // the command

	subscribers []*subscriber
	of          [partitions]*subscriber // which of them has a partition's channels

	ctx   context.Context // ends with the link
	fails context.CancelCauseFunc
	wg    sync.WaitGroup // of the subscribers' goroutines

	connMu sync.Mutex
	conns  map[net.Conn]struct{} // guarded by connMu; nil once the link is closed

	gate   sync.RWMutex // held for reading while the handler is called
	closed bool         // guarded by gate
}

// connect makes a link, unless ctx ends.
func connect(ctx context.Context, e *Engine) (_ *link, err error) {
	l := &link{engine: e, publish: "PUBLISH", conns: make(map[net.Conn]struct{})}
	l.ctx, l.fails = context.WithCancelCause(ctx)
	// whatever rueidis waits for ends with its connections
	stop := context.AfterFunc(ctx, l.cut)
	defer func() {
		if err != nil {
			l.close()
		}
		stop()
	}()

	option := e.config.client
	option.DialCtxFn = l.dial
	l.client, err = rueidis.NewClient(option)
	if err != nil {
		return nil, l.greeted(err)
	}
	if e.config.cluster {
		err = l.subscribeToCluster()
	} else {
		err = l.subscribeToServer()
	}
	return l, err
}

// wait returns why the link is lost.
func (l *link) wait() error {
	<-l.ctx.Done()
	return context.Cause(l.ctx)
}

// fail ends the link.
func (l *link) fail(why error) { l.fails(why) }

// close lets go of everything. After it returns, the handler is not called for this link.
func (l *link) close() {
	l.gate.Lock()
	l.closed = true
	l.gate.Unlock()
	l.fails(net.ErrClosed)
	l.cut()
	l.wg.Wait()
	for _, s := range l.subscribers {
		s.conn.Close()
	}
	if l.client != nil {
		l.client.Close()
	}
}

// handle calls the handler, if the link is not closed.
func (l *link) handle(with func()) {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if !l.closed {
		with()
	}
}

// dial connects to a server.
func (l *link) dial(ctx context.Context, address string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.engine.config.timeout)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	var conn net.Conn
	var err error
	if l.engine.config.tls != nil {
		conn, err = l.dialTLS(ctx, address, dialer)
	} else {
		conn, err = dialer.DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	return l.keep(conn)
}

func (l *link) dialTLS(ctx context.Context, address string, dialer *net.Dialer) (net.Conn, error) {
	config, err := l.engine.config.tls.Config()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	conn, err := (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
	if errors.Is(err, context.DeadlineExceeded) && !isOf(err, "dial") { // Redis waits for the end of a line that it takes for a command
		err = fmt.Errorf("it does not answer to TLS: if it has none at this port, expected redis:// instead of rediss://, or no tls: %w", err)
	}
	return conn, err
}

// isOf reports whether an error of the network comes from this operation.
func isOf(err error, operation string) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == operation
}

// greeted says what is likely if the first words to a server have failed for another reason than that it cannot be reached, or refuses us: then it is no
// Redis, or wants TLS and hangs up.
func (l *link) greeted(err error) error {
	var timed net.Error
	_, said := rueidis.IsRedisErr(err)
	switch {
	case said || l.ctx.Err() != nil || errors.As(err, &timed) && timed.Timeout():
		return err
	case strings.HasPrefix(err.Error(), "received unknown message type"):
		return fmt.Errorf("found something else than a Redis at %s: %w", l.servers(), err)
	case l.engine.config.tls == nil && (errors.Is(err, io.EOF) || isOf(err, "read") || isOf(err, "write")):
		return fmt.Errorf("%s has ended the connection at the first word: if it wants TLS, expected rediss:// instead of redis://, or tls: %w", l.servers(), err)
	}
	return err
}

// servers are the addresses that are connected to first.
func (l *link) servers() string { return strings.Join(l.engine.config.client.InitAddress, ", ") }

// keep notes a connection, so that cut ends it.
func (l *link) keep(conn net.Conn) (net.Conn, error) {
	l.connMu.Lock()
	defer l.connMu.Unlock()
	if l.conns == nil {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	kept := &keptConn{Conn: conn, link: l}
	l.conns[kept] = struct{}{}
	return kept, nil
}

// cut closes all connections, and has no new ones made.
func (l *link) cut() {
	l.connMu.Lock()
	conns := l.conns
	l.conns = nil
	l.connMu.Unlock()
	for conn := range conns {
		_ = conn.(*keptConn).Conn.Close()
	}
}

// keptConn is forgotten when it is closed.
type keptConn struct {
	net.Conn
	link *link
}

// Close closes the connection.
func (c *keptConn) Close() error {
	c.link.connMu.Lock()
	delete(c.link.conns, c)
	c.link.connMu.Unlock()
	return c.Conn.Close()
}

// server is what a server says of itself.
type server struct {
	name, mode, role string
	major, minor     int
}

// hello asks a server who it is. Everybody may do that, whatever the ACL.
func hello(ctx context.Context, c rueidis.CoreClient) (s server, err error) {
	said, err := c.Do(ctx, c.B().Arbitrary("HELLO").Build()).AsMap()
	if err != nil {
		return s, err
	}
	text := func(field string) string {
		value := said[field]
		found, _ := value.ToString()
		return found
	}
	s.name, s.mode, s.role = text("server"), text("mode"), text("role")
	_, _ = fmt.Sscanf(text("version"), "%d.%d", &s.major, &s.minor)
	return s, nil
}

// check says whether a server can serve.
func (l *link) check(s server) error {
	switch wanted := l.engine.config.cluster; {
	case s.name == "redis" && (s.major < 6 || s.major == 6 && s.minor < 2):
		return fmt.Errorf("found Redis %d.%d, expected 6.2 or later", s.major, s.minor)
	case s.mode == "sentinel":
		return errors.New("found a Sentinel, expected a Redis: write its address behind sentinel instead of address")
	case s.mode == "cluster" && !wanted:
		return errors.New("found a node of a Redis Cluster, expected a single Redis: set the option cluster")
	case s.mode != "cluster" && wanted:
		return errors.New("found a single Redis, expected a Redis Cluster: leave the option cluster out")
	case s.role != "master" && !wanted:
		return errReplica
	}
	return nil
}

// subscribeToServer opens the subscribing connection to the only server, or Sentinel's master.
func (l *link) subscribeToServer() error {
	ctx, cancel := context.WithTimeout(l.ctx, l.engine.config.timeout)
	defer cancel()
	s := newSubscriber(l, l.client, "SUBSCRIBE", "UNSUBSCRIBE")
	found, err := hello(ctx, s.conn)
	if err == nil {
		err = l.check(found)
	}
	if err != nil {
		return err
	}
	for p := range l.of {
		l.of[p] = s
	}
	l.start()
	return nil
}

// subscribeToCluster opens a subscribing connection to each master. Before Redis 7, a message reaches every node of the cluster, so one of them has all
// subscriptions, and the others are there to notice when a master dies.
func (l *link) subscribeToCluster() error {
	ctx, cancel := context.WithTimeout(l.ctx, l.engine.config.timeout)
	defer cancel()
	type found struct {
		address string
		server
		client rueidis.Client
		err    error
	}
	nodes := l.client.Nodes()
	answers := make(chan found, len(nodes))
	for address, node := range nodes {
		go func() {
			s, err := hello(ctx, node)
			answers <- found{address, s, node, err}
		}()
	}
	var failures error
	masters := make(map[string]*subscriber)
	sharded := !l.engine.config.unsharded
	for range nodes {
		a := <-answers
		if a.err == nil {
			a.err = l.check(a.server)
		}
		if a.err != nil {
			failures = errors.Join(failures, a.err) // replicas may be away
			continue
		}
		if a.role != "master" {
			continue
		}
		sharded = sharded && (a.name != "redis" || a.major >= 7)
		masters[a.address] = newSubscriber(l, a.client, "SSUBSCRIBE", "SUNSUBSCRIBE")
	}
	if len(masters) == 0 {
		return errors.Join(errors.New("found no master in the cluster"), failures)
	}
	if sharded {
		l.publish = "SPUBLISH"
		if err := l.assign(ctx, masters); err != nil {
			return errors.Join(err, failures)
		}
		l.start()
		return nil
	}
	for _, s := range masters {
		s.subscribe, s.unsubscribe = "SUBSCRIBE", "UNSUBSCRIBE"
		for p := range l.of {
			l.of[p] = s
		}
	}
	l.start()
	return nil
}

// assign asks one master for all partitions, and it says which are elsewhere.
func (l *link) assign(ctx context.Context, masters map[string]*subscriber) error {
	var first *subscriber
	for _, first = range masters {
		break
	}
	for p := range l.of {
		s := first
		// The subscription stays: if the slot moves away, the server says that it has ended.
		channel := l.engine.keys.channel[p]
		for range len(masters) + 1 {
			err := s.conn.Do(ctx, s.conn.B().Ssubscribe().Channel(channel).Build()).Error()
			if err == nil {
				l.of[p] = s
				break
			}
			answer, ok := rueidis.IsRedisErr(err)
			if !ok {
				return err
			}
			address, moved := answer.IsMoved()
			if !moved {
				return err
			}
			if s = masters[address]; s == nil {
				return fmt.Errorf("found no connection to %s, which the cluster says is the master of a part of its slots", address)
			}
		}
		if l.of[p] == nil {
			return errors.New("found no master for a part of the cluster's slots, expected one for each")
		}
	}
	return nil
}

// start begins to serve the subscribers.
func (l *link) start() {
	for _, s := range l.subscribers {
		l.wg.Go(s.serve)
	}
}

// healthEvery is how often a connection is asked whether it is still there, and a server whether it is still a master.
const healthEvery = 2 * time.Second
