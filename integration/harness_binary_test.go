package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// The binaries under test, built from this checkout when the first test asks for them.
var (
	plainBinary = sync.OnceValues(func() (string, error) { return buildCaddy("caddy", userCaddy, "CGO_ENABLED=0") })
	raceBinary  = sync.OnceValues(func() (string, error) { return buildCaddy("caddy-race", userCaddy, "CGO_ENABLED=1", "-race") })
	appsBinary  = sync.OnceValues(func() (string, error) { return buildCaddy("caddy-apps", "./caddy_apps", "CGO_ENABLED=0") })

	clusterBinary = sync.OnceValues(func() (string, error) { return buildCaddy("caddy-cluster", "./caddy_cluster", "CGO_ENABLED=0") })
)

// userCaddy is the package of the Caddy that users get.
const userCaddy = "../caddymodule/caddy"

// buildCaddy builds a package. Go knows by itself whether anything has changed since the last time.
func buildCaddy(name, pkg, env string, flags ...string) (string, error) {
	file, err := filepath.Abs(filepath.Join(".build", name))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", file, pkg)...)
	cmd.Env = append(os.Environ(), env)
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, said)
	}
	return file, nil
}

// caddyBinary returns the path of the binary that users get.
func caddyBinary(t testing.TB) string {
	t.Helper()
	file, err := plainBinary()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// caddyRaceBinary returns the path of one that reports data races to its log.
func caddyRaceBinary(t testing.TB) string {
	t.Helper()
	file, err := raceBinary()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// caddyAppsBinary returns the path of one with the app sources that are packages of their own.
func caddyAppsBinary(t testing.TB) string {
	t.Helper()
	file, err := appsBinary()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// caddyClusterBinary returns the path of one with the brokers that are packages of their own.
func caddyClusterBinary(t testing.TB) string {
	t.Helper()
	file, err := clusterBinary()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// lastPort is the port that freePort gave out last.
var lastPort atomic.Int64

func init() { lastPort.Store(20_000 + int64(os.Getpid())%9_000) }

// freePort returns a port that is free on every interface. It lies below the range from which the kernel takes
// ports for outgoing connections, so none of these can snatch it before it is used.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := int(lastPort.Add(1))
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port found")
	return 0
}
