package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// engine is what the nodes of a cluster share: a server of its own, or nothing but themselves.
type engine interface {
	// join returns the lines of a node's broker, and prepares its way to the others. link is nil for nodes that need no server.
	join(i int, lease time.Duration) (lines string, link *link)
}

// served is an engine with a server that can go away.
type served interface {
	engine
	server() *engineServer

	// spy is somebody else on the bus.
	spy() spy
}

// engines are all that a cluster can be made of, by the name that subtests get. Those with a server come first.
var engines = []struct {
	name  string
	start func(testing.TB) engine
}{
	{"redis", func(t testing.TB) engine { return startRedis(t) }},
	{"nats", func(t testing.TB) engine { return startNATS(t) }},
	{"nats with JetStream", func(t testing.TB) engine { return startNATS(t, "-js") }},
	{"nats embedded", func(t testing.TB) engine { return newEmbedded(t) }},
}

const enginesWithServer = 3

// cluster is some Caddy processes with one hub.
type cluster struct {
	nodes  []*node
	engine engine
	t      testing.TB
}

// node is one of them.
type node struct {
	*server

	link  *link // to the engine's server; nil if there is none
	sites string
}

// defaultLease is what the README promises: how long a dead node's members stay at most.
const defaultLease = 10 * time.Second

// settling is how long after a lease everybody may take to agree.
const settling = 10 * time.Second

// clusterSite is the site of a node.
const clusterSite = `
:{$PORT} {
	pusher_hub {
		BROKER
		LINES
	}
	respond "application"
}
` + apiSite

// startCluster starts nodes that are joined by e. lines are further ones of the hub.
func startCluster(t testing.TB, e engine, nodes int, lease time.Duration, lines ...string) *cluster {
	t.Helper()
	c := &cluster{engine: e, t: t}
	for range nodes {
		c.add(lease, lines...)
	}
	c.expectReady()
	return c
}

// add starts one more node.
func (c *cluster) add(lease time.Duration, lines ...string) *node {
	c.t.Helper()
	n := c.prepare(lease, lines...)
	n.start(n.sites)
	return n
}

// prepare makes one more node that does not run yet.
func (c *cluster) prepare(lease time.Duration, lines ...string) *node {
	c.t.Helper()
	broker, link := c.engine.join(len(c.nodes), lease)
	options := strings.Join(append([]string{"watchlist", "subscription_count"}, lines...), "\n")
	if !strings.Contains(options, "drain ") {
		options += "\ndrain 100ms" // at the end of most tests some sockets are still open
	}
	n := &node{server: newServer(c.t), link: link, sites: strings.NewReplacer("BROKER", broker, "LINES", options).Replace(clusterSite)}
	n.Binary, n.Env = caddyClusterBinary(c.t), append(slices.Clone(n.Env), "ENGINE_PASSWORD="+enginePassword)
	n.Name = fmt.Sprintf("caddy-%d", len(c.nodes))
	c.nodes = append(c.nodes, n)
	return n
}

// expectReady waits until every node reaches the others.
func (c *cluster) expectReady() {
	c.t.Helper()
	for i, n := range c.nodes {
		within(c.t, 3*hubtest.Patience, fmt.Sprintf("node %d is ready", i), n.ready)
	}
}

// ready asks the node's readiness endpoint.
func (n *node) ready() bool {
	res, err := http.Get(n.url() + "/.well-known/pusher-hub/ready")
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// within waits, for as long as a cluster needs for what it has promised, until done reports true.
func within(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(limit); !done(); <-poll.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", limit, what)
		}
	}
}

// onEveryEngine runs a test for each engine.
func onEveryEngine(t *testing.T, test func(t *testing.T, e engine)) {
	t.Helper()
	for _, of := range engines {
		t.Run(of.name, func(t *testing.T) { test(t, of.start(t)) })
	}
}

// onEveryEngineAtOnce is for tests that wait more than they work.
func onEveryEngineAtOnce(t *testing.T, test func(t *testing.T, e engine)) {
	t.Helper()
	t.Parallel()
	for _, of := range engines {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			test(t, of.start(t))
		})
	}
}

// onEveryServerAtOnce is for those that do something to the engine's server.
func onEveryServerAtOnce(t *testing.T, test func(t *testing.T, e served)) {
	t.Helper()
	t.Parallel()
	for _, of := range engines[:enginesWithServer] {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			test(t, of.start(t).(served))
		})
	}
}
