//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// clusterNodes is how many nodes a cluster has.
const clusterNodes = 3

// cluster is some nodes and what joins them.
type cluster struct {
	name   string
	nodes  []*server
	engine *process // the server between them; nil: there is none
}

// engines are what can join nodes: each starts its server, if it has one, and returns it with the lines of each node's broker.
var engines = []struct {
	name  string
	start func(b *bench) (server *process, brokers [clusterNodes]string, err error)
}{
	{"redis", startRedis},
	{"nats", startNATS},
	{"nats embedded", embedNATS},
}

// startCluster starts an engine and its nodes, and waits until each reaches the others.
func (b *bench) startCluster(binary, name string, start func(*bench) (*process, [clusterNodes]string, error)) (*cluster, error) {
	c := &cluster{name: name}
	engine, brokers, err := start(b)
	if err != nil {
		return nil, err
	}
	c.engine = engine
	for _, broker := range brokers {
		node, err := b.startNode(binary, broker)
		if err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, node)
	}
	for _, node := range c.nodes {
		if err := node.awaitOthers(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// awaitOthers waits until the node says that it is ready.
func (s *server) awaitOthers() error {
	for until := time.Now().Add(dialPatience); ; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get("http://" + s.site.Addr + "/.well-known/pusher-hub/ready")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("the answer is %s", res.Status)
		}
		if time.Now().After(until) {
			return fmt.Errorf("a node is not ready: %w", err)
		}
	}
}

func startRedis(b *bench) (*process, [clusterNodes]string, error) {
	port, err := freePort()
	if err != nil {
		return nil, [clusterNodes]string{}, err
	}
	p, err := b.startEngine("redis-server", port, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", b.dir, "--save", "", "--appendonly", "no")
	return p, sameFor(fmt.Sprintf("broker redis {\n\t\turl redis://127.0.0.1:%d\n\t\t}", port)), err
}

func startNATS(b *bench) (*process, [clusterNodes]string, error) {
	port, err := freePort()
	if err != nil {
		return nil, [clusterNodes]string{}, err
	}
	p, err := b.startEngine("nats-server", port, "--addr", "127.0.0.1", "--port", fmt.Sprint(port))
	return p, sameFor(fmt.Sprintf("broker nats nats://127.0.0.1:%d", port)), err
}

// embedNATS has every node listen for the others.
func embedNATS(*bench) (_ *process, brokers [clusterNodes]string, err error) {
	var routes [clusterNodes]string
	for i := range routes {
		port, err := freePort()
		if err != nil {
			return nil, brokers, err
		}
		routes[i] = local(port)
	}
	for i, own := range routes {
		brokers[i] = fmt.Sprintf("broker nats {\n\t\tembed {\n\t\tlisten %s\n\t\troutes %s\n\t\tsecret bench-cluster-secret\n\t\t}\n\t\t}", own, strings.Join(routes[:], " "))
	}
	return nil, brokers, nil
}

func sameFor(broker string) (brokers [clusterNodes]string) {
	for i := range brokers {
		brokers[i] = broker
	}
	return brokers
}

// startEngine starts a server that stores nothing, and waits until it listens.
func (b *bench) startEngine(name string, port int, args ...string) (*process, error) {
	file, err := exec.LookPath(name)
	if err != nil {
		file = filepath.Join("/usr/sbin", name) // not in everybody's PATH
	}
	cmd := exec.Command(file, args...)
	cmd.Dir, cmd.Env = b.dir, []string{"PATH=" + os.Getenv("PATH")}
	p, err := b.start(name, cmd)
	if err != nil {
		return nil, err
	}
	for until := time.Now().Add(dialPatience); ; time.Sleep(10 * time.Millisecond) {
		nc, err := net.Dial("tcp", local(port))
		if err == nil {
			return p, nc.Close()
		}
		if died := p.died(); died != nil {
			return nil, died
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("%s does not listen: %w", name, err)
		}
	}
}

// times are the CPU times of all processes of a cluster, the engine last.
type times []time.Duration

func (c *cluster) cpu() (t times, err error) {
	processes := make([]*process, 0, len(c.nodes)+1)
	for _, node := range c.nodes {
		processes = append(processes, node.process)
	}
	if c.engine != nil {
		processes = append(processes, c.engine)
	}
	for _, p := range processes {
		used, err := p.cpu()
		if err != nil {
			return nil, err
		}
		t = append(t, used)
	}
	return t, nil
}

// shares are CPU times per event of all processes of a cluster, in microseconds, the engine's last.
type shares []float64

func (c shares) sum() (sum float64) {
	for _, cost := range c {
		sum += cost
	}
	return sum
}

// per divides what was used since before by a number of events.
func (t times) per(before times, events int64) shares {
	costs := make(shares, len(t))
	for i := range t {
		costs[i] = micros(t[i]-before[i]) / float64(max(events, 1))
	}
	return costs
}
