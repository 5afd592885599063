package integration

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// phpSite is a site whose PHP Caddy runs itself.
const phpSite = `
:{$PORT} {
	root * {$DIR}/www
	php_fastcgi unix/{$DIR}/fpm.sock
}
`

// phpPage says which php-fpm answers, and does what it is asked to.
const phpPage = `<?php
file_put_contents("php://stderr", $_GET["log"] ?? "");
for ($end = microtime(true) + ($_GET["ms"] ?? 0) / 1000; microtime(true) < $end;) {
	usleep(5000); // in pieces, because a signal cuts a sleep short
}
header("X-Master: " . posix_getppid());
echo getenv("GREETING"), " ", ini_get("memory_limit"), " ", posix_getuid();
`

// phpServer prepares a server with that site and page. The options stand in its php_fpm block.
func phpServer(t *testing.T, options string) *server {
	t.Helper()
	s := newServer(t)
	s.Env = append(s.Env, "TMPDIR="+s.dir)
	s.setPHP(options)
	if err := os.Mkdir(filepath.Join(s.dir, "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "www", "index.php"), []byte(phpPage), 0o644); err != nil {
		t.Fatal(err)
	}
	// PHP is another user if the tests run as root
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// setPHP sets the options of the next start or reload.
func (s *server) setPHP(options string) {
	s.Globals = "php_fpm {\n\t\tsocket {$DIR}/fpm.sock\n\t\tmax_children 4\n\t\t" + options + "\n\t}"
}

// page asks for the page. It asks again if the connection broke without an answer: when Caddy takes a new config it
// closes the listening socket of the old one, and with it the connections that nobody has accepted yet.
func (s *server) page(query string) answer {
	for range 10 {
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(httptest.NewRequest(http.MethodGet, s.url()+"/"+query, nil))
		if err != nil {
			continue
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err == nil {
			return answer{res.StatusCode, string(body), res.Header}
		}
	}
	s.t.Error("the page: found no answer at all")
	return answer{}
}

// master asks the page and returns the pid of the php-fpm that answered.
func (s *server) master() int {
	s.t.Helper()
	a := s.page("")
	pid, err := strconv.Atoi(a.header.Get("X-Master"))
	if a.status != http.StatusOK || err != nil {
		s.t.Fatalf("found %d %q, expected PHP's page", a.status, a.body)
	}
	return pid
}

// started waits until Caddy has started php-fpm so many times in all, and returns the last one's pid. It is not taken from
// the page, because the children of a php-fpm that was killed go on for a moment, with another parent.
func (s *server) started(times int) int {
	s.t.Helper()
	var runs []logLine
	hubtest.Eventually(s.t, fmt.Sprintf("php-fpm was started %d times", times), func() bool {
		runs = s.logLines(func(l logLine) bool { return l.text("msg") == "php-fpm runs" })
		return len(runs) >= times
	})
	pid, _ := runs[times-1]["pid"].(float64)
	return int(pid)
}

// expectGone waits until a process has ended.
func expectGone(t *testing.T, pid int) {
	t.Helper()
	hubtest.Eventually(t, fmt.Sprintf("process %d has ended", pid), func() bool {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	})
}

// kill kills a process, as the kernel does that is out of memory.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("killing %d: %v", pid, err)
	}
}

// steady asks for the page, some at a time, until stop is called, which returns the answers that were no page.
func (s *server) steady() (stop func() (asked int, wrong []answer)) {
	var mu sync.Mutex
	var ended atomic.Bool
	var asked int
	var wrong []answer
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for !ended.Load() {
				a := s.page("?ms=20")
				mu.Lock()
				asked++
				if a.status != http.StatusOK || a.header.Get("X-Master") == "" {
					wrong = append(wrong, a)
				}
				mu.Unlock()
			}
		})
	}
	return func() (int, []answer) {
		ended.Store(true)
		all.Wait()
		return asked, wrong
	}
}
