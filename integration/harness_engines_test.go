package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// enginePassword is what nodes show to the engine's server, or to each other; nothing else may show it. It is in their environment.
const enginePassword = "engine-pass-8xQw"

// engineServer is a server in the test's hands. Each node reaches it by a link of its own.
type engineServer struct {
	*process // nil while it is away

	t     testing.TB
	name  string
	port  int
	cmd   func() *exec.Cmd
	links []*link
}

// start starts it, with nothing of what it knew before.
func (s *engineServer) start() {
	s.t.Helper()
	s.process = startProcess(s.t, s.name, s.cmd())
	hubtest.Eventually(s.t, s.name+" listens", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// kill ends it at once.
func (s *engineServer) kill() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	<-s.exited
}

// link makes the next node's way to it.
func (s *engineServer) link() *link {
	l := newLink(s.t, s.port)
	s.links = append(s.links, l)
	return l
}

// server is what can be taken from a cluster that is not embedded.
func (s *engineServer) server() *engineServer { return s }

// redisServer is a Redis that stores nothing.
type redisServer struct{ *engineServer }

func startRedis(t testing.TB) *redisServer {
	t.Helper()
	port := freePort(t)
	dir, as := databaseDir(t)
	s := &redisServer{&engineServer{t: t, name: "redis", port: port, cmd: func() *exec.Cmd {
		return as(exec.Command(program(t, "redis-server", "/usr/bin"), "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
			"--dir", dir, "--save", "", "--appendonly", "no", "--requirepass", enginePassword))
	}}}
	s.start()
	return s
}

func (s *redisServer) join(_ int, lease time.Duration) (string, *link) {
	l := s.link()
	return fmt.Sprintf("broker redis {\n url redis://:{env.ENGINE_PASSWORD}@127.0.0.1:%d\n lease %v\n}", l.port, lease), l
}

// redisClient is a connection by which a test looks at what is in Redis.
type redisClient struct {
	net.Conn

	in *bufio.Reader
	t  testing.TB
}

// client connects, past the links.
func (s *redisServer) client() *redisClient {
	s.t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	c := &redisClient{conn, bufio.NewReader(conn), s.t}
	c.do("AUTH", enginePassword)
	return c
}

// do sends a command and returns the lines of its answer as they are on the wire, without those that say how long the next is.
func (c *redisClient) do(args ...string) []string {
	c.t.Helper()
	fmt.Fprintf(c.Conn, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(c.Conn, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return c.answer()
}

func (c *redisClient) answer() (values []string) {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatalf("Redis's answer: %v", err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	switch kind, rest := line[0], line[1:]; kind {
	case '-':
		c.t.Fatalf("Redis: %s", rest)
	case '$':
		size, _ := strconv.Atoi(rest)
		if size < 0 {
			return nil
		}
		data := make([]byte, size+2)
		if _, err := io.ReadFull(c.in, data); err != nil {
			c.t.Fatalf("Redis's answer: %v", err)
		}
		return []string{string(data[:size])}
	case '*':
		for n, _ := strconv.Atoi(rest); n > 0; n-- {
			values = append(values, c.answer()...)
		}
		return values
	default:
		return []string{rest}
	}
	return nil
}

// natsServer is a NATS server that stores nothing.
type natsServer struct{ *engineServer }

func startNATS(t testing.TB, flags ...string) *natsServer {
	t.Helper()
	port := freePort(t)
	dir, as := databaseDir(t)
	starts := 0
	s := &natsServer{&engineServer{t: t, name: "nats", port: port, cmd: func() *exec.Cmd {
		starts++
		args := append([]string{"--addr", "127.0.0.1", "--port", strconv.Itoa(port), "--user", "hub", "--pass", enginePassword}, flags...)
		if len(flags) > 0 {
			// an own one each time: it comes back empty
			args = append(args, "--store_dir", filepath.Join(dir, strconv.Itoa(starts)))
		}
		return as(exec.Command(program(t, "nats-server", "/usr/sbin"), args...))
	}}}
	s.start()
	return s
}

func (s *natsServer) join(_ int, lease time.Duration) (string, *link) {
	l := s.link()
	return fmt.Sprintf("broker nats {\n servers nats://hub:{env.ENGINE_PASSWORD}@127.0.0.1:%d\n lease %v\n}", l.port, lease), l
}

// embedded are nodes that run the NATS servers inside of themselves.
type embedded struct {
	t     testing.TB
	ports []int // of the routes between them
}

func newEmbedded(t testing.TB) *embedded {
	e := &embedded{t: t}
	for range 4 {
		e.ports = append(e.ports, freePort(t))
	}
	return e
}

func (e *embedded) join(i int, lease time.Duration) (string, *link) {
	routes := make([]string, len(e.ports))
	for j, port := range e.ports {
		routes[j] = "127.0.0.1:" + strconv.Itoa(port)
	}
	return fmt.Sprintf("broker nats {\n embed {\n listen 127.0.0.1:%d\n routes %s\n secret {env.ENGINE_PASSWORD}\n}\n lease %v\n}",
		e.ports[i], strings.Join(routes, " "), lease), nil
}
