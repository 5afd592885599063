package integration

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// The app of the environment that a server has unless a test says otherwise.
const (
	appID     = "app-id"
	appKey    = "5csvb4sew88zqnmcxuqg"
	appSecret = "integration-secret-7bQ2"
)

// environmentApp is what a Laravel app has in its .env.
var environmentApp = []string{"REVERB_APP_ID=" + appID, "REVERB_APP_KEY=" + appKey, "REVERB_APP_SECRET=" + appSecret}

// server is a Caddy process with everything of its own: ports, admin socket, certificates, log.
type server struct {
	*process

	// Env is the environment beside the server's own variables (see environ). Nothing of the
	// tester's shell gets in. Default: environmentApp.
	Env []string

	// Globals stand in the Caddyfile's global options.
	Globals string

	// Binary is the program. Default: the one that users get.
	Binary string

	// Name tells the server's log from those of others of the same test. Default: caddy.
	Name string

	dir                    string
	port, tlsPort, apiPort int // of the site by http and by https, and of the loopback listener
	t                      testing.TB
}

// newServer prepares a server that does not run yet.
func newServer(t testing.TB) *server {
	t.Helper()
	// not t.TempDir: a unix socket's path must be short
	dir, err := os.MkdirTemp("", "hub")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	// PHP's account has to pass through when root runs the tests
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return &server{
		Env: environmentApp, dir: dir,
		port: freePort(t), tlsPort: freePort(t), apiPort: freePort(t), t: t,
	}
}

// startServer starts a server with these sites and the app of the environment.
func startServer(t testing.TB, sites string) *server {
	t.Helper()
	s := newServer(t)
	s.start(sites)
	return s
}

// apiSite is the listener for publishing, as the README has it.
const apiSite = `
:{$API_PORT} {
	bind 127.0.0.1
	pusher_hub
}
`

// publicSite answers everything that the hub leaves with one word. A short drain is no more than
// impatience: at the end of a test some sockets may still be open.
const publicSite = `
:{$PORT} {
	pusher_hub {
		drain 100ms
	}
	respond "application"
}
`

// environ is the server's environment: a Caddyfile says {$PORT}, as on any platform.
func (s *server) environ() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + s.dir,
		"DIR=" + s.dir,
		"PORT=" + strconv.Itoa(s.port),
		"TLS_PORT=" + strconv.Itoa(s.tlsPort),
		"API_PORT=" + strconv.Itoa(s.apiPort),
		"DEMO_ROOT=" + s.demoRoot(),
	}, s.Env...)
}

// write puts the Caddyfile with these sites into the server's directory.
func (s *server) write(sites string) (file string) {
	s.t.Helper()
	file = filepath.Join(s.dir, "Caddyfile")
	text := `{
	admin unix/{$DIR}/admin.sock
	storage file_system {$DIR}/storage
	http_port {$PORT}
	https_port {$TLS_PORT}
	auto_https disable_redirects
	skip_install_trust
	grace_period 1s
	` + s.Globals + `
}
` + sites
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// start starts the server and waits until it serves. It is stopped with the test.
func (s *server) start(sites string) {
	s.t.Helper()
	s.run(s.write(sites))
	s.expectLine(`"msg":"serving initial configuration"`)
	if strings.Contains(sites, "tls internal") {
		obtained := parseLog(s.expectLine(`"msg":"certificate obtained successfully"`))
		trust := &tls.Config{ServerName: obtained.text("identifier"), InsecureSkipVerify: true} // Caddy's own certificate
		hubtest.Eventually(s.t, "the certificate is in use", func() bool {
			conn, err := tls.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.tlsPort), trust)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
	}
}

// run starts the server with a Caddyfile.
func (s *server) run(caddyfile string) {
	s.t.Helper()
	cmd := exec.Command(cmp.Or(s.Binary, caddyBinary(s.t)), "run", "--adapter", "caddyfile", "--config", caddyfile)
	cmd.Dir, cmd.Env = s.dir, s.environ()
	s.process = startProcess(s.t, cmp.Or(s.Name, "caddy"), cmd)
}

// command runs another command of the binary, such as `caddy validate`, with the server's environment.
func (s *server) command(args ...string) (said string, err error) {
	s.t.Helper()
	cmd := exec.Command(cmp.Or(s.Binary, caddyBinary(s.t)), args...)
	cmd.Dir, cmd.Env = s.dir, s.environ()
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// reload loads the Caddyfile with these sites as `caddy reload` does. When it returns, requests come to the config that counts: Caddy closes the listeners of one
// that is gone, or failed, in the background, with whoever has just come to them.
func (s *server) reload(sites string) (said string, err error) {
	s.t.Helper()
	said, err = s.command("reload", "--adapter", "caddyfile", "--config", s.write(sites), "--address", "unix/"+s.dir+"/admin.sock")
	hubtest.Eventually(s.t, "one listener at each address", func() bool {
		for _, port := range []int{s.port, s.tlsPort, s.apiPort} {
			found := listening(s.t, port)
			slices.Sort(found)
			if len(slices.Compact(slices.Clone(found))) < len(found) {
				return false
			}
		}
		return true
	})
	return said, err
}

// url is the site by plain http, apiURL the loopback listener.
func (s *server) url() string    { return "http://127.0.0.1:" + strconv.Itoa(s.port) }
func (s *server) apiURL() string { return "http://127.0.0.1:" + strconv.Itoa(s.apiPort) }

// api is the environment's app, seen from a server SDK at the loopback listener.
func (s *server) api() *hubtest.Server {
	return hubtest.At(s.t, s.apiURL(), pusherhub.AppConfig{ID: appID, Key: appKey, Secret: appSecret})
}

// site is the environment's app at the public site.
func (s *server) site() *hubtest.Server {
	return hubtest.At(s.t, s.url(), pusherhub.AppConfig{ID: appID, Key: appKey, Secret: appSecret})
}

// admin asks the admin API.
func (s *server) admin(path string) *http.Response {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, "admin.sock"))
		},
	}}
	var res *http.Response
	hubtest.Eventually(s.t, "the admin API answers", func() (answered bool) { // one that a reload ends may have taken the first request
		var err error
		res, err = client.Get("http://admin" + path)
		return err == nil
	})
	s.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// logLine is one line of Caddy's log.
type logLine map[string]any

func (l logLine) text(field string) string {
	s, _ := l[field].(string)
	return s
}

// parseLog returns the line as JSON, or nil if it is none.
func parseLog(line string) (l logLine) {
	_ = json.Unmarshal([]byte(line), &l)
	return l
}

// logLines returns the lines so far that match accepts.
func (s *server) logLines(match func(logLine) bool) (found []logLine) {
	for line := range strings.Lines(s.process.text()) {
		if l := parseLog(line); l != nil && match(l) {
			found = append(found, l)
		}
	}
	return found
}

// expectLog waits for a line that match accepts.
func (s *server) expectLog(what string, match func(logLine) bool) logLine {
	s.t.Helper()
	line, err := s.await(func(line string) bool {
		l := parseLog(line)
		return l != nil && match(l)
	})
	if err != nil {
		s.t.Fatalf("waiting for a log line: %s: %v", what, err)
	}
	return parseLog(line)
}
