package redisbroker

import (
	"bytes"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// redisServer is a server of the test's own.
type redisServer struct {
	t    testing.TB
	port int
	args []string // on the command line
	cli  []string // what redis-cli needs
	dir  string

	cmd *exec.Cmd
	log *logged
}

// logged collects what a process says.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// startRedis runs a server with these settings. It keeps nothing on disk.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	s := newRedis(t, args...)
	s.start()
	return s
}

func newRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	port := freePort(t)
	s := &redisServer{t: t, port: port, dir: t.TempDir(), cli: []string{"-h", "127.0.0.1", "-p", strconv.Itoa(port)}}
	s.args = append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir}, args...)
	return s
}

func (s *redisServer) start() {
	s.t.Helper()
	s.log = &logged{}
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("%v: integration/install.sh test installs it", err)
	}
	cmd := s.cmd
	s.t.Cleanup(func() { kill(cmd) })
	hubtest.Eventually(s.t, "redis-server is ready", func() bool {
		return strings.Contains(s.log.String(), "Ready to accept connections") || strings.Contains(s.log.String(), "Sentinel ID is")
	})
}

func kill(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// stop ends it as a crash does.
func (s *redisServer) stop() { kill(s.cmd) }

// pause and resume freeze it.
func (s *redisServer) pause()  { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *redisServer) resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

func (s *redisServer) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// do runs a command and returns what the server says.
func (s *redisServer) do(args ...string) string {
	s.t.Helper()
	said, err := exec.Command("redis-cli", append(s.cli, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("redis-cli %q: %v\n%s", args, err, said)
	}
	return strings.TrimSpace(string(said))
}

// keys returns all keys that there are.
func (s *redisServer) keys() []string { return strings.Fields(s.do("--scan")) }

// lastPort is the port that freePort gave out last.
var lastPort atomic.Int64

// freePort returns a port from below the range that the kernel takes ports from. The one 10,000 above, for a cluster's bus, is free, too.
func freePort(t testing.TB) int {
	t.Helper()
	lastPort.CompareAndSwap(0, int64(12_000+syscall.Getpid()%8_000))
	for range 1000 {
		port := int(lastPort.Add(1))
		if free(port) && free(port+10_000) {
			return port
		}
	}
	t.Fatal("no free port found")
	return 0
}

func free(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
