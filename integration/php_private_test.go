package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The demo is open to the network, and its checkout may be closed to all but the account that starts it, root on many machines: it
// has to work from there, and PHP must not run as root for it.
func TestPHPIsNeverRoot(t *testing.T) {
	for _, tc := range []struct {
		name string
		mode os.FileMode // of the folder that holds the checkout
	}{{"open checkout", 0o755}, {"private checkout", 0o700}} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t)
			checkout := filepath.Join(s.dir, "checkout")
			demo := filepath.Join(checkout, "demo")
			if err := os.CopyFS(demo, os.DirFS("demo")); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(checkout, tc.mode); err != nil {
				t.Fatal(err)
			}
			master := s.startPHPFrom(demo)
			s.start(":{$PORT} {\n\troot * {$DEMO_ROOT}\n\tpusher_hub\n\tphp_fastcgi unix/{$DIR}/php.sock\n\tfile_server\n}\n")

			if a := get(t, s.url()+"/up"); a.status != http.StatusOK || strings.TrimSpace(a.body) != "ok from PHP" {
				t.Errorf("GET /up: found %d %q, expected PHP's answer", a.status, a.body)
			}
			if a := get(t, s.url()+"/assets/icon.svg"); a.status != http.StatusOK {
				t.Errorf("GET /assets/icon.svg: found %d, expected the file", a.status)
			}
			workers := children(t, master.cmd.Process.Pid)
			if len(workers) == 0 {
				t.Error("found no worker of php-fpm") // one has just answered, and they stay for a while
			}
			for _, worker := range workers {
				if ids := accounts(t, worker); slices.Contains(ids, "0") {
					t.Errorf("worker %d runs with the rights of root: %v", worker, ids)
				}
			}
		})
	}
}

// children returns the processes that a process of one thread has started.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	for field := range strings.FieldsSeq(string(text)) {
		var child int
		if _, err := fmt.Sscan(field, &child); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, child)
	}
	return pids
}

// accounts returns a process's user: real, effective, saved, of the file system. If root runs the tests, the groups are among them: those
// of another tester are not for the demo to change.
func accounts(t *testing.T, pid int) (ids []string) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		kind, numbers, _ := strings.Cut(line, ":")
		if kind == "Uid" || os.Getuid() == 0 && (kind == "Gid" || kind == "Groups") {
			ids = append(ids, strings.Fields(numbers)...)
		}
	}
	return ids
}
