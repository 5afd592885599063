//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The packages of the servers: what users get, and with the brokers that are packages of their own.
const (
	userCaddy    = "./caddymodule/caddy"
	clusterCaddy = "./integration/caddy_cluster"
)

// caddyBinary returns the server's binary, built of that package of this checkout if none is given.
func caddyBinary(given, pkg string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("finding the checkout (give the server with -caddy instead): %w", err)
	}
	dir := strings.TrimSpace(string(root))
	file := filepath.Join(dir, "integration", ".build", "bench-"+filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", file, pkg)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the server: %w\n%s", err, said)
	}
	return file, nil
}

// server is a Caddy process with the hub.
type server struct {
	*process

	dir     string
	site    Target // the hub over plain HTTP, with its HTTP API
	tls     Target // the hub over TLS
	respond string // address of a site that answers everything with {}
	admin   *http.Client
}

// caddyfile is what a user would write, with an access log. %[1]s is the directory, then the three ports and the broker.
const caddyfile = `{
	admin unix/%[1]s/admin.sock
	storage file_system %[1]s/storage
	persist_config off
	auto_https off
	grace_period 1s
	log {
		output file %[1]s/caddy.log
	}
}
(common) {
	bind 127.0.0.1
	log {
		output file %[1]s/access.log
	}
}
http://:%[2]d {
	import common
	pusher_hub {
		drain 100ms
		%[5]s
		app ` + appID + ` {
			key ` + appKey + `
			secret ` + appSecret + `
		}
	}
	respond 404
}
https://:%[3]d {
	import common
	tls %[1]s/cert.pem %[1]s/key.pem
	pusher_hub
	respond 404
}
http://:%[4]d {
	import common
	header Content-Type application/json
	respond "{}"
}
`

// startCaddy starts a server of its own and waits until it answers.
func (b *bench) startCaddy() (*server, error) { return b.startNode(b.caddy, "") }

// startNode is startCaddy for a binary, with the lines that say which broker it has.
func (b *bench) startNode(binary, broker string) (*server, error) {
	dir, err := os.MkdirTemp(b.dir, "caddy")
	if err != nil {
		return nil, err
	}
	if err := writeCertificate(dir); err != nil {
		return nil, err
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, fmt.Appendf(nil, caddyfile, dir, ports[0], ports[1], ports[2], broker), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "run", "--adapter", "caddyfile", "--config", config)
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	p, err := b.start("caddy", cmd)
	if err != nil {
		return nil, err
	}
	s := &server{
		process: p, dir: dir,
		site:    Target{Addr: local(ports[0]), Path: "/app/" + appKey + "?protocol=7&client=bench&version=1.0"},
		respond: local(ports[2]),
		admin: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "admin.sock"))
		}}},
	}
	s.tls = Target{Addr: local(ports[1]), Path: s.site.Path, TLS: true}
	return s, s.awaitReady()
}

func (s *server) awaitReady() error {
	for until := time.Now().Add(dialPatience); ; time.Sleep(10 * time.Millisecond) {
		if err := s.died(); err != nil {
			return err
		}
		socket, err := dial(s.tls, 1) // the last one to be up
		if err == nil {
			return socket.close()
		}
		if time.Now().After(until) {
			return fmt.Errorf("the server does not answer: %w", err)
		}
	}
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

var lastPort = 20_000 + os.Getpid()%9_000

// freePort returns a port below the range that the kernel gives to outgoing connections, so that none of these takes it before it is used.
func freePort() (int, error) {
	for range 1000 {
		lastPort++
		if l, err := net.Listen("tcp", local(lastPort)); err == nil {
			return lastPort, l.Close()
		}
	}
	return 0, errors.New("no free port found")
}

// ask asks the admin API.
func (s *server) ask(path string) ([]byte, error) {
	res, err := s.admin.Get("http://admin" + path)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("the admin API answers %s to %s", res.Status, path)
	}
	return body, err
}

// collect lets the server collect its garbage, as it would do by itself within two minutes of quiet.
func (s *server) collect() error {
	_, err := s.ask("/debug/pprof/heap?gc=1")
	return err
}

// memory is what the Go runtime of a server says of itself.
type memory struct {
	Mallocs, HeapAlloc, HeapInuse, HeapIdle, HeapReleased, StackInuse uint64

	MSpanInuse, MCacheInuse, BuckHashSys, GCSys, OtherSys uint64
}

func (s *server) memory() (m memory, err error) {
	text, err := s.ask("/debug/vars")
	if err != nil {
		return m, err
	}
	var vars struct{ Memstats memory }
	err = json.Unmarshal(text, &vars)
	return vars.Memstats, err
}

// profile writes a profile of the server while body runs, if profiles are asked for. A CPU profile costs a little, so figures of
// such a run are not the best ones.
func (b *bench) profile(s *server, what string, length time.Duration, body func() error) error {
	if b.profiles == "" {
		return body()
	}
	done := make(chan error, 1)
	go func() {
		done <- b.saveProfile(s, what+".cpu", fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(max(length.Seconds(), 1))))
	}()
	return errors.Join(body(), <-done)
}

// saveProfile writes one profile to a file.
func (b *bench) saveProfile(s *server, what, path string) error {
	if b.profiles == "" {
		return nil
	}
	text, err := s.ask(path)
	if err != nil {
		return err
	}
	name := strings.Map(func(r rune) rune {
		if r == ' ' || r == '/' || r == ',' {
			return '-'
		}
		return r
	}, b.scenario+"."+what+".pprof")
	return os.WriteFile(filepath.Join(b.profiles, name), text, 0o644)
}
