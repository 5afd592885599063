package integration

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// startPHP runs the demo's php-fpm, with the server's environment, on the socket that Caddyfiles
// find as {$DIR}/php.sock. What it serves they find as {$DEMO_ROOT}.
func (s *server) startPHP() *process {
	s.t.Helper()
	return s.startPHPFrom(demoFile(s.t, "."))
}

// startPHPFrom is startPHP for the demo in another folder than the checkout's.
func (s *server) startPHPFrom(demo string) *process {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(demo, "php-fpm.sh"), filepath.Join(s.dir, "php.sock"))
	cmd.Env = append(s.environ(),
		"REVERB_HOST=127.0.0.1",
		"REVERB_PORT="+strconv.Itoa(s.apiPort),
		"REVERB_SCHEME=http",
		"DEMO_TEST_USERS=1", // programs may say who they are
	)
	p := startProcess(s.t, "php-fpm", cmd)
	p.expectLine("ready to handle connections")
	return p
}

// demoRoot is what php-fpm.sh serves, wherever the checkout is.
func (s *server) demoRoot() string { return filepath.Join(s.dir, "php.sock.demo", "public") }

// demoFile returns the absolute path of a file of the demo.
func demoFile(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("demo", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// answer is what a server said to a plain request.
type answer struct {
	status int
	body   string
	header http.Header
}

// get asks for a page, following no redirect.
func get(t testing.TB, url string) answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

// do sends a request on a connection of its own, following no redirect.
func do(t testing.TB, r *http.Request) answer {
	t.Helper()
	return doWith(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, r)
}

// doWith sends a request as that client does, but follows no redirect.
func doWith(t testing.TB, client *http.Client, r *http.Request) answer {
	t.Helper()
	res, err := client.Transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return answer{res.StatusCode, string(body), res.Header}
}
