package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const testSecret = "0123456789abcdef"

// fakeDNS answers for one name.
type fakeDNS struct {
	mu        sync.Mutex
	addresses []netip.Addr // guarded by mu
	err       error        // guarded by mu
}

func (f *fakeDNS) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.addresses), f.err
}

func (f *fakeDNS) set(err error, addresses ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.addresses = err, nil
	for _, a := range addresses {
		f.addresses = append(f.addresses, netip.MustParseAddr(a))
	}
}

// node is an embedded server with a client that has noted what it received.
type node struct {
	t      *testing.T
	name   string
	server *server
	conn   *nats.Conn
	logs   *observer.ObservedLogs

	mu  sync.Mutex
	got []string // guarded by mu
}

// startNode starts an embedded server. It ends with the test, or when stop is called.
func startNode(t *testing.T, config Embed, dns *fakeDNS) *node {
	t.Helper()
	if config.Secret == "" {
		config.Secret = testSecret
	}
	config.provision(func(string) string { return "" })
	if err := config.validate(); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	s, err := startServer(config, dns, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, name: config.Listen, server: s, logs: logs}
	t.Cleanup(n.stop)
	n.conn, err = nats.Connect("", nats.InProcessServer(n), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.conn.Subscribe("news", func(m *nats.Msg) {
		n.mu.Lock()
		n.got = append(n.got, string(m.Data))
		n.mu.Unlock()
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) InProcessConn() (net.Conn, error) { return n.server.connect(nil) }

func (n *node) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = nil
}

func (n *node) publish(text string) {
	n.t.Helper()
	if err := errors.Join(n.conn.Publish("news", []byte(text)), n.conn.Flush()); err != nil {
		n.t.Fatal(err)
	}
}

// stop is as if the node had gone.
func (n *node) stop() {
	if n.conn != nil {
		n.conn.Close()
	}
	n.server.stop()
}

func (n *node) received(text string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.got, text)
}

// expectCluster waits until what each publishes reaches all.
func expectCluster(t *testing.T, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		n.forget()
	}
	defer func() {
		for _, n := range nodes {
			if t.Failed() {
				t.Log(n.name, logText(n.logs))
			}
		}
	}()
	hubtest.Eventually(t, "a message of each node at all nodes", func() bool {
		for _, from := range nodes {
			if err := from.conn.Publish("news", []byte(from.name)); err != nil {
				return false
			}
		}
		for _, to := range nodes {
			for _, from := range nodes {
				if !to.received(from.name) {
					return false
				}
			}
		}
		return true
	})
}

// freePort returns a port that the kernel does not give away by itself, free at all addresses of the machine.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func logText(logs *observer.ObservedLogs) string {
	var b strings.Builder
	for _, e := range logs.All() {
		fmt.Fprintln(&b, e.Level, e.Message, e.ContextMap())
	}
	return b.String()
}

// Nodes that know one of the others make one cluster, whichever they know.
func TestRoutes(t *testing.T) {
	hubtest.CheckGoroutines(t)
	port := freePort(t)
	a := startNode(t, Embed{Listen: "127.0.0.1:" + port}, nil)
	b := startNode(t, Embed{Listen: "127.0.0.2:" + port, Routes: []string{"127.0.0.1:" + port, "127.0.0.2:" + port}}, nil)
	c := startNode(t, Embed{Listen: "127.0.0.3:" + port, Routes: []string{"127.0.0.2:" + port}}, nil)
	expectCluster(t, a, b, c)

	if text := logText(a.logs) + logText(b.logs) + logText(c.logs); strings.Contains(text, testSecret) {
		t.Errorf("the log shows the secret: %s", text)
	}
	if warnings := logText(b.logs.FilterLevelExact(zap.WarnLevel)); warnings != "" {
		t.Errorf("the log complains: %s", warnings)
	}
}

// An address without a port has the one of this node.
func TestOwnPort(t *testing.T) {
	p := newPeers(&Embed{Routes: []string{"a", "b:1", "::1"}, Discover: []string{"c", "d:2"}}, netip.MustParseAddrPort("[::]:7000"), nil)
	if all := append(p.fixed, p.names...); !slices.Equal(all, []string{"a:7000", "b:1", "[::1]:7000", "c:7000", "d:2"}) {
		t.Errorf("found %q", all)
	}
}

// A node with another secret gets in nowhere, and says so.
func TestWrongSecret(t *testing.T) {
	hubtest.CheckGoroutines(t)
	port := freePort(t)
	a := startNode(t, Embed{Listen: "127.0.0.1:" + port}, nil)
	b := startNode(t, Embed{Listen: "127.0.0.2:" + port, Routes: []string{"127.0.0.1" + ":" + port}}, nil)
	expectCluster(t, a, b)

	stranger := startNode(t, Embed{Listen: "127.0.0.3:" + port, Routes: []string{"127.0.0.1:" + port}, Secret: "fedcba9876543210"}, nil)
	for _, n := range []*node{a, stranger} {
		hubtest.Eventually(t, "a complaint about the secret", func() bool {
			return strings.Contains(logText(n.logs.FilterLevelExact(zap.WarnLevel)), "its secret is another one")
		})
	}
	stranger.publish("from a stranger")
	expectCluster(t, a, b)
	if a.received("from a stranger") || stranger.received(a.name) {
		t.Error("a node with another secret takes part")
	}
}

// Whoever reaches the port for routes without the key hears nothing, and no client comes in over the network.
func TestStrangers(t *testing.T) {
	hubtest.CheckGoroutines(t)
	n := startNode(t, Embed{Listen: "127.0.0.1:" + freePort(t)}, nil)
	expectCluster(t, n)

	if _, err := nats.Connect("nats://"+n.name, nats.Timeout(time.Second)); err == nil {
		t.Error("the port for routes took a client")
	}
	for what, connect := range map[string]func() (net.Conn, error){
		"nothing":     func() (net.Conn, error) { return net.Dial("tcp", n.name) },
		"no key":      func() (net.Conn, error) { return dialRoute(n.name, tls.Certificate{}) },
		"another key": func() (net.Conn, error) { return dialRoute(n.name, certificateOf(t, "fedcba9876543210")) },
	} {
		if conn, err := connect(); err != nil {
			t.Errorf("with %s: %v", what, err)
		} else if said := eavesdrop(t, n, conn); strings.Contains(said, "told to nodes") || strings.Contains(said, testSecret) {
			t.Errorf("who has %s was told %q", what, said)
		}
	}
	own, err := dialRoute(n.name, certificateOf(t, testSecret))
	if err != nil {
		t.Fatal(err)
	}
	if said := eavesdrop(t, n, own); !strings.Contains(said, "told to nodes") {
		t.Errorf("who has the key was told %q only", said)
	}
	n.server.mu.Lock()
	address := n.server.nats.Addr().String()
	n.server.mu.Unlock()
	if !strings.HasPrefix(address, "127.0.0.1:") {
		t.Errorf("the port for clients is %s", address)
	}
	if _, err := nats.Connect("nats://" + address); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a client from the network: expected %v, got %v", nats.ErrAuthorization, err)
	}
}

// dialRoute connects to a port for routes as a node with that certificate does, and believes whoever answers.
func dialRoute(address string, certificate tls.Certificate) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate}}), nil
}

func certificateOf(t *testing.T, secret string) tls.Certificate {
	t.Helper()
	config, err := routeTLS(secret)
	if err != nil {
		t.Fatal(err)
	}
	return config.Certificates[0]
}

// eavesdrop speaks as another server would, has the node publish something, and returns what came of it until the node says goodbye, or the news.
func eavesdrop(t *testing.T, n *node, conn net.Conn) (said string) {
	t.Helper()
	defer conn.Close()
	const hello = `CONNECT {"verbose":false,"tls_required":true,"name":"stranger","cluster":"pusher_hub"}` + "\r\n" +
		`INFO {"server_id":"stranger","server_name":"stranger","version":"2.15.2","proto":1,"headers":true,"cluster":"pusher_hub","host":"127.0.0.1","port":1}` +
		"\r\nRS+ $G news\r\nPING\r\n"
	if _, err := conn.Write([]byte(hello)); err != nil {
		return err.Error()
	}
	got := make([]byte, 1<<16)
	for {
		n.publish("told to nodes")
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		c, err := conn.Read(got)
		said += string(got[:c])
		if strings.Contains(said, "told to nodes") || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return said
		}
	}
}

// Nodes that come and go are found by DNS, and DNS in trouble breaks nothing.
func TestDiscover(t *testing.T) {
	hubtest.CheckGoroutines(t)
	port := freePort(t)
	dns := new(fakeDNS)
	dns.set(nil, "127.0.0.1")
	config := func(i int) Embed {
		return Embed{Listen: fmt.Sprintf("127.0.0.%d:%s", i, port), Discover: []string{"hub.internal"}}
	}
	a := startNode(t, config(1), dns)
	expectCluster(t, a) // alone

	dns.set(nil, "127.0.0.1", "127.0.0.2")
	b := startNode(t, config(2), dns)
	expectCluster(t, a, b)

	dns.set(errors.New("no such host"))
	late := startNode(t, config(3), dns)
	hubtest.Eventually(t, "a complaint about DNS", func() bool { return strings.Contains(logText(late.logs), "discover hub.internal: no such host") })
	dns.set(nil, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	expectCluster(t, a, b, late)

	a.stop()
	dns.set(nil, "127.0.0.2", "127.0.0.3")
	expectCluster(t, b, late)
	dns.set(nil, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	a = startNode(t, config(1), dns)
	expectCluster(t, a, b, late)
}

// The network may be IPv6 only.
func TestIPv6(t *testing.T) {
	hubtest.CheckGoroutines(t)
	first, second := freePort(t), freePort(t)
	a := startNode(t, Embed{Listen: "[::1]:" + first}, nil)
	dns := new(fakeDNS)
	dns.set(nil, "::1")
	b := startNode(t, Embed{Listen: ":" + second, Discover: []string{"hub.internal:" + first}}, dns)
	expectCluster(t, a, b)
}

// A port that another still has is waited for.
func TestPortInUse(t *testing.T) {
	hubtest.CheckGoroutines(t)
	l, err := net.Listen("tcp", "127.0.0.1:"+freePort(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := startNode(t, Embed{Listen: l.Addr().String()}, nil)
	hubtest.Eventually(t, "a complaint", func() bool { return strings.Contains(logText(n.logs), "address already in use") })
	l.Close()
	expectCluster(t, n)
}

// Each reason for which a server does not start is said once, and again if there was another one meanwhile.
func TestComplain(t *testing.T) {
	s := new(server)
	one, other := errors.New("one"), errors.New("other")
	for i, c := range []struct {
		why  error
		said bool
	}{{one, true}, {errors.New("one"), false}, {other, true}, {one, true}, {nil, false}, {one, true}} {
		if said := s.complain(c.why); said != c.said || !errors.Is(s.trouble(), c.why) {
			t.Errorf("%d: found %v and %v, expected %v and %v", i, said, s.trouble(), c.said, c.why)
		}
	}
}
