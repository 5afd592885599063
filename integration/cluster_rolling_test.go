package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// fleetLine is what clients/fleet.mjs says.
type fleetLine struct {
	Client  int      `json:"client"`
	At      int64    `json:"at"`
	State   string   `json:"state"`
	Event   string   `json:"event"`
	Members []string `json:"members"`
}

// fleet is a process with many pusher-js clients behind a balancer.
type fleet struct {
	*process

	clients int
	input   io.Writer
}

func startFleet(t *testing.T, edge *link, clients int) *fleet {
	t.Helper()
	cmd := exec.Command("node", "fleet.mjs", strconv.Itoa(clients))
	cmd.Dir = "clients"
	cmd.Env = append(cmd.Environ(), append(environmentApp, "HUB_URL=http://127.0.0.1:"+strconv.Itoa(edge.port))...)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return &fleet{startProcess(t, "node", cmd), clients, input}
}

// lines returns what was said so far.
func (f *fleet) lines() (lines []fleetLine) {
	for line := range strings.Lines(f.text()) {
		var l fleetLine
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &l) == nil {
			lines = append(lines, l)
		}
	}
	return lines
}

// states returns the last state of each client.
func (f *fleet) states() map[int]string {
	states := make(map[int]string)
	for _, l := range f.lines() {
		if l.State != "" {
			states[l.Client] = l.State
		}
	}
	return states
}

// expectSubscribed waits until all clients are connected and subscribed.
func (f *fleet) expectSubscribed(t *testing.T) {
	t.Helper()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(3 * hubtest.Patience); ; <-poll.C {
		states := f.states()
		if !slices.ContainsFunc(slices.Collect(maps.Values(states)), func(s string) bool { return s != "subscribed" }) && len(states) == f.clients {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not all of the clients are subscribed: %v", states)
		}
	}
}

// dispatch is one event that was published.
type dispatch struct {
	data         string
	before, done time.Time // when the request began, and when it was answered
}

// All nodes are restarted one after the other, as a platform does it, under load. Stock clients end connected, with true rosters, and miss nothing but
// what was published while they were on their way.
func TestClusterRollingRestart(t *testing.T) {
	const clients = 60
	onEveryEngineAtOnce(t, func(t *testing.T, e engine) {
		c := startCluster(t, e, 3, defaultLease, "drain 2s")
		ports := func(except int) (ports []int) {
			for i, n := range c.nodes {
				if i != except {
					ports = append(ports, n.port)
				}
			}
			return ports
		}
		edge := newLink(t, ports(-1)...)
		everybody := startFleet(t, edge, clients)
		everybody.expectSubscribed(t)

		var load sync.WaitGroup
		stop, sent, failed := make(chan struct{}), make([][]dispatch, 3), make([]int, 3)
		for i := range sent {
			p := newPublisher(fmt.Sprintf("p%d", i), c.nodes[i])
			load.Go(func() {
				pace := time.NewTicker(100 * time.Millisecond)
				defer pace.Stop()
				for {
					select {
					case <-stop:
						return
					case <-pace.C:
					}
					d := dispatch{data: fmt.Sprintf("%s:%d:", p.name, p.sent["news"]), before: time.Now()}
					if _, err := p.publish("news", ""); err != nil {
						// it may have been taken or not: the next one goes to another node
						failed[i]++
						p.sent["news"]++
						p.at = c.nodes[(slices.Index(c.nodes, p.at)+1)%3]
						continue
					}
					d.done = time.Now()
					sent[i] = append(sent[i], d)
				}
			})
		}
		for i, n := range c.nodes {
			edge.turnTo(ports(i)...)
			n.signal(syscall.SIGTERM)
			if code := n.wait(); code != 0 {
				t.Errorf("node %d ended with %d, expected 0", i, code)
			}
			n.start(n.sites)
			within(t, 3*hubtest.Patience, "the node is ready", n.ready)
			edge.turnTo(ports(-1)...)
		}
		everybody.expectSubscribed(t)
		close(stop)
		load.Wait()
		everybody.expectRosters(t, c)
		everybody.account(t, slices.Concat(sent...), failed)
	})
}

// expectRosters waits until every client and every node knows that all are there.
func (f *fleet) expectRosters(t *testing.T, c *cluster) {
	t.Helper()
	all := make(map[string]bool)
	for i := range f.clients {
		all[strconv.Itoa(i)] = true
	}
	poll := time.NewTicker(500 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(defaultLease + settling); ; <-poll.C {
		asked := time.Now().UnixMilli()
		fmt.Fprintln(f.input)
		answers := make(map[int][]string)
		hubtest.Eventually(t, "every client says who is there", func() bool {
			for _, l := range f.lines() {
				if l.Members != nil && l.At >= asked {
					answers[l.Client] = l.Members
				}
			}
			return len(answers) == f.clients
		})
		wrong := ""
		for client, members := range answers {
			if d := difference(all, members); d != "" {
				wrong = fmt.Sprintf("client %d: %s", client, d)
			}
		}
		for i, n := range c.nodes {
			if d := difference(all, slices.Collect(maps.Keys(n.users("presence-fleet")))); d != "" {
				wrong = fmt.Sprintf("the HTTP API of node %d: %s", i, d)
			}
		}
		if wrong == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain for true rosters: %s", wrong)
		}
	}
}

// account counts what clients did not get, and says why: everything must have been published while its client was not subscribed, or in the moment in which it was
// sent away.
func (f *fleet) account(t *testing.T, sent []dispatch, failed []int) {
	t.Helper()
	const moment = 2 * time.Second // for what is under way to a node while a socket closes there, on a busy machine
	type stay struct{ from, to time.Time }
	stays, got, twice := make([][]stay, f.clients), make([]map[string]bool, f.clients), 0
	for i := range got {
		got[i] = make(map[string]bool)
	}
	for _, l := range f.lines() {
		at, own := time.UnixMilli(l.At), stays[l.Client]
		switch {
		case l.State == "subscribed":
			stays[l.Client] = append(own, stay{from: at})
		case l.State != "" && len(own) > 0 && own[len(own)-1].to.IsZero():
			own[len(own)-1].to = at
		case l.Event != "":
			if got[l.Client][l.Event] {
				twice++
			}
			got[l.Client][l.Event] = true
		}
	}
	lost, away, moving := 0, 0, 0
	for client := range got {
		for _, d := range sent {
			if got[client][d.data] {
				continue
			}
			lost++
			inside, close := false, false
			for _, s := range stays[client] {
				open := s.to.IsZero()
				if d.before.After(s.from.Add(time.Millisecond)) && (open || d.done.Before(s.to)) {
					inside = true
					close = close || !open && d.done.Add(moment).After(s.to)
				}
			}
			switch {
			case !inside:
				away++
			case close:
				moving++
			default:
				t.Errorf("client %d did not get %s, which was published while it was subscribed", client, d.data)
			}
		}
	}
	t.Logf("%d events for %d clients make %d deliveries, of which %d were lost: %d while the client was not subscribed, %d in the moment when its socket was closed; "+
		"%d came twice, over two sockets; %d publishes were not answered because their node was gone; the slowest that came took %v",
		len(sent), f.clients, len(sent)*f.clients, lost, away, moving, twice, failed[0]+failed[1]+failed[2], f.slowest(sent))
	if len(sent) < 100 {
		t.Errorf("%d events were published: that is no load", len(sent))
	}
}

// slowest is the longest time between the publishing of an event and its arrival at any of the clients.
func (f *fleet) slowest(sent []dispatch) (longest time.Duration) {
	published := make(map[string]time.Time)
	for _, d := range sent {
		published[d.data] = d.before
	}
	for _, l := range f.lines() {
		if before, ok := published[l.Event]; ok {
			longest = max(longest, time.UnixMilli(l.At).Sub(before))
		}
	}
	return longest
}
