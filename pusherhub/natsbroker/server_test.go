package natsbroker

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }

// natsServer is a NATS server without JetStream, in this process.
type natsServer struct {
	t       *testing.T
	options server.Options
	server  *server.Server
}

// startServer starts a server on a port that is free; change, if any, changes its options.
func startServer(t *testing.T, change func(*server.Options)) *natsServer {
	t.Helper()
	s := &natsServer{t: t, options: server.Options{Host: "127.0.0.1", Port: freePort(t), NoSigs: true, NoLog: true, MaxControlLine: 4096}}
	if change != nil {
		change(&s.options)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *natsServer) start() {
	s.t.Helper()
	options := s.options
	var err error
	if s.server, err = server.NewServer(&options); err != nil {
		s.t.Fatalf("making a NATS server: %v", err)
	}
	s.server.Start()
	if !s.server.ReadyForConnections(hubtest.Patience) {
		s.t.Fatal("the NATS server does not start")
	}
}

func (s *natsServer) stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

func (s *natsServer) url() string {
	return "nats://" + net.JoinHostPort(s.options.Host, strconv.Itoa(s.options.Port))
}

// testLease makes the council's times short.
const testLease = 2500 * time.Millisecond

func (s *natsServer) broker(prefix string) Options {
	return Options{
		Servers: []string{s.url()}, Prefix: prefix, JetStream: JetStreamOff, Cluster: cluster.Options{Lease: testLease},
	}.withDefaults()
}

// nextPort is the port that the next server may have.
var nextPort atomic.Int64

// freePort returns a port that nobody listens on, below those that the system hands out, and each one once.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 21000 + (os.Getpid()*7+int(nextPort.Add(1)))%10000
		if listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("found no free port")
	return 0
}
