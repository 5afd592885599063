package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// startRun starts what `make run` starts, with its temporary files in the server's directory. s itself does not run.
func startRun(t *testing.T, s *server, env ...string) *process {
	t.Helper()
	caddyBinary(t) // where run.sh expects it
	script, err := filepath.Abs("run.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(script)
	cmd.Dir = s.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir}, env...)
	return startProcess(t, "run.sh", cmd)
}

// occupy makes sure that a port is taken.
func occupy(t *testing.T, address string) {
	t.Helper()
	if l, err := net.Listen("tcp", address); err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
}

var printedCurl = regexp.MustCompile(`(?m)^ +(curl -si .*"(http://localhost:\d+)/app/([^"]+)")$`)

func TestRunShowsTheDemoAndStopsOnCtrlC(t *testing.T) {
	occupy(t, ":8080")
	occupy(t, "127.0.0.1:6001")
	s := newServer(t)
	run := startRun(t, s, "REVERB_HOST=nowhere.invalid") // as a Laravel .env in the shell may say
	run.expectLine("Ctrl-C stops everything.")
	printed := printedCurl.FindStringSubmatch(run.text())
	if printed == nil {
		t.Fatalf("found %q, expected the URL in the reporter's curl line", run.text())
	}
	command, url, key := printed[1], printed[2], printed[3]
	if strings.HasSuffix(url, ":8080") {
		t.Errorf("found %s, whose port was taken", url)
	}

	curl := startProcess(t, "curl", exec.Command("sh", "-c", "exec "+command+" --no-buffer"))
	curl.expectLine("HTTP/1.1 101 Switching Protocols")
	curl.stop(syscall.SIGTERM)
	if a := get(t, url+"/"); a.status != 200 || !strings.Contains(a.body, key) {
		t.Errorf("the page: found %d and no key in it", a.status)
	}
	viewer := hubtest.Dial(t, strings.Replace(url, "localhost", "127.0.0.1", 1), key, "")
	viewer.Subscribe("drivers")
	viewer.Expect("driver.moved")

	run.signal(syscall.SIGINT)
	viewer.ExpectClose(pusherhub.CodeReconnect)
	if code := run.wait(); code != 0 {
		t.Errorf("run.sh ended with %d, expected 0", code)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "pusher-hub.*")); left != nil {
		t.Errorf("found %v, expected nothing to be left", left)
	}
	if c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		_ = c.Close()
		t.Errorf("%s is still open", url)
	}
}

func TestRunSaysWhyItCannotStart(t *testing.T) {
	run := startRun(t, newServer(t), "SITE_ADDRESS=:99999")
	if code := run.wait(); code == 0 {
		t.Error("run.sh ended with 0, expected a failure")
	}
	if said := run.text(); !strings.Contains(said, "caddy did not start.") || !strings.Contains(said, "99999") {
		t.Errorf("found %q, expected Caddy's own words", said)
	}
}
