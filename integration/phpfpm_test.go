package integration

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestPHPFPMAnswersAndLogs(t *testing.T) {
	s := phpServer(t, "env GREETING hello\n\t\tphp_admin_value memory_limit 77M")
	s.start(phpSite)
	if a := s.page(""); !strings.HasPrefix(a.body, "hello 77M ") {
		t.Errorf("found %d %q, expected the settings", a.status, a.body)
	} else if os.Getuid() == 0 && strings.HasSuffix(a.body, " 0") {
		t.Errorf("found %q, expected PHP not to be root", a.body)
	}
	s.page("?log=%5B2026-11-23+01:52:51%5D+local.ERROR:+it+burns%0A")
	burns := s.expectLog("PHP's own line", func(l logLine) bool { return l.text("msg") == "it burns" })
	if burns.text("level") != "error" || burns.text("logger") != "php_fpm.php" || burns.text("channel") != "local" {
		t.Errorf("found %v, expected an error of php_fpm.php", burns)
	}
	s.expectLog("php-fpm's own line", func(l logLine) bool {
		return l.text("logger") == "php_fpm" && l.text("msg") == "ready to handle connections" && l.text("level") == "info"
	})
}

func TestPHPFPMThatIsKilledIsStartedAgain(t *testing.T) {
	s := phpServer(t, "")
	s.start(phpSite)
	before := s.started(1)
	stop := s.steady()
	kill(t, before)
	after := s.started(2)
	hubtest.Eventually(t, "the new php-fpm answers", func() bool { return s.master() == after })
	expectGone(t, before) // which it would not be if nobody waited for it
	// the children of the killed one finish their requests, and others wait in the socket
	if asked, wrong := stop(); len(wrong) > 0 {
		t.Errorf("%d of %d requests failed: %+v", len(wrong), asked, wrong[0])
	}
	s.expectLog("the reason", func(l logLine) bool {
		return l.text("level") == "error" && l.text("msg") == "php-fpm has to be started again" && strings.Contains(l.text("error"), "killed")
	})
}

func TestReloadKeepsPHPFPMWithTheSameSettings(t *testing.T) {
	s := phpServer(t, "env GREETING hello")
	s.start(phpSite)
	before := s.master()
	for range 3 {
		if said, err := s.reload(phpSite + apiSite); err != nil {
			t.Fatalf("reloading: %v\n%s", err, said)
		}
		if now := s.master(); now != before {
			t.Fatalf("found php-fpm %d, expected %d to go on", now, before)
		}
		if said, err := s.reload(phpSite); err != nil {
			t.Fatalf("reloading: %v\n%s", err, said)
		}
	}
}

func TestReloadWithOtherSettingsFailsNoRequest(t *testing.T) {
	s := phpServer(t, "env GREETING one")
	s.start(phpSite)
	before := s.master()
	stop := s.steady()
	slow := make(chan answer, 1)
	go func() { slow <- s.page("?ms=1500&log=slow%0A") }()
	s.expectLog("the slow request runs", func(l logLine) bool { return l.text("msg") == "slow" })

	for i := range 5 {
		s.setPHP(fmt.Sprintf("env GREETING again%d", i))
		if said, err := s.reload(phpSite); err != nil {
			t.Fatalf("reloading: %v\n%s", err, said)
		}
	}
	hubtest.Eventually(t, "the last settings are in use", func() bool {
		return strings.HasPrefix(s.page("").body, "again4 ")
	})
	if a := <-slow; a.status != http.StatusOK || a.header.Get("X-Master") != strconv.Itoa(before) {
		t.Errorf("found %d from %s, expected the first php-fpm (%d) to finish its request", a.status, a.header.Get("X-Master"), before)
	}
	expectGone(t, before)
	if asked, wrong := stop(); len(wrong) > 0 {
		t.Errorf("%d of %d requests failed: %+v", len(wrong), asked, wrong[0])
	}
}

func TestReloadThatFailsLeavesPHPFPMAlone(t *testing.T) {
	s := phpServer(t, "env GREETING one")
	s.start(phpSite)
	before := s.master()
	stop := s.steady()
	s.setPHP("directive no.such_word 1")
	said, err := s.reload(phpSite)
	if err == nil || !strings.Contains(said, "php-fpm does not start") || !strings.Contains(said, "no.such_word") {
		t.Errorf("found %v and %q, expected php-fpm's own words", err, said)
	}
	if now := s.master(); now != before {
		t.Errorf("found php-fpm %d, expected %d to go on", now, before)
	}
	if asked, wrong := stop(); len(wrong) > 0 {
		t.Errorf("%d of %d requests failed: %+v", len(wrong), asked, wrong[0])
	}
	// and without the block it goes
	s.Globals = ""
	if said, err := s.reload(publicSite); err != nil {
		t.Fatalf("reloading: %v\n%s", err, said)
	}
	expectGone(t, before)
}

func TestOwnConfigFileOfPHPFPM(t *testing.T) {
	s := phpServer(t, "config {$DIR}/pool.conf")
	write := func(limit string) {
		t.Helper()
		text := "[www]\nlisten = 127.0.0.1:1\npm = ondemand\nphp_admin_value[memory_limit] = " + limit + "\n"
		if err := os.WriteFile(filepath.Join(s.dir, "pool.conf"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("88M")
	s.start(phpSite)
	if a := s.page(""); !strings.HasPrefix(a.body, " 88M ") {
		t.Errorf("found %d %q, expected the file's setting", a.status, a.body)
	}
	write("99M")
	if said, err := s.command("reload", "--force", "--adapter", "caddyfile", "--config", s.write(phpSite), "--address", "unix/"+s.dir+"/admin.sock"); err != nil {
		t.Fatalf("reloading: %v\n%s", err, said)
	}
	hubtest.Eventually(t, "the file's new setting is in use", func() bool {
		return strings.HasPrefix(s.page("").body, " 99M ")
	})
}

func TestSIGTERMEndsPHPFPMLast(t *testing.T) {
	s := phpServer(t, `worker sh -c "trap 'echo worker was asked; exit 0' TERM; echo worker runs; while :; do sleep 0.02; done"`)
	s.start(strings.Replace(phpSite, "\tphp_fastcgi", "\tpusher_hub {\n\t\tdrain 2s\n\t}\n\tphp_fastcgi", 1))
	master := s.master()
	s.expectLog("the worker runs", func(l logLine) bool { return l.text("msg") == "worker runs" })
	for range 20 { // enough for a drain that takes its time
		s.site().Dial(t)
	}
	slow := make(chan answer, 1)
	go func() { slow <- s.page("?ms=500&log=slow%0A") }()
	s.expectLog("the slow request runs", func(l logLine) bool { return l.text("msg") == "slow" })

	s.signal(syscall.SIGTERM)
	if a := <-slow; a.status != http.StatusOK {
		t.Errorf("found %d, expected the request in flight to be answered", a.status)
	}
	if code := s.wait(); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
	expectGone(t, master)
	said := func(msg string) float64 {
		at, _ := s.expectLog(msg, func(l logLine) bool { return l.text("msg") == msg })["ts"].(float64)
		return at
	}
	// the worker has all the time of the drain
	if asked, ended := said("worker was asked"), said("exiting, bye-bye!"); ended-asked < 1 {
		t.Errorf("the worker ended at %f and php-fpm at %f, expected the drain in between", asked, ended)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "php-fpm-*")); left != nil {
		t.Errorf("found %v, expected no folder to be left", left)
	}
	if _, err := os.Lstat(filepath.Join(s.dir, "fpm.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("found %v, expected no socket to be left", err)
	}
}

// The hub's own limit for the exit would be 6.5 s.
func TestSIGTERMWaitsForAWorkerThatFinishesItsJob(t *testing.T) {
	s := phpServer(t, `worker sh -c "trap 'sleep 7; echo job done; exit 0' TERM; echo worker runs; while :; do sleep 0.02; done"`)
	s.start(strings.Replace(phpSite, "\tphp_fastcgi", "\tpusher_hub {\n\t\tdrain 100ms\n\t}\n\tphp_fastcgi", 1))
	s.expectLog("the worker runs", func(l logLine) bool { return l.text("msg") == "worker runs" })
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
	s.expectLog("the job is done", func(l logLine) bool { return l.text("msg") == "job done" })
}

func TestPHPFPMThatIsBusyIsKilledAtTheEnd(t *testing.T) {
	s := phpServer(t, "stop_timeout 1s")
	s.start(phpSite)
	master := s.master()
	go func() {
		if res, err := http.Get(s.url() + "/?ms=60000&log=slow%0A"); err == nil {
			_ = res.Body.Close()
		}
	}()
	s.expectLog("the slow request runs", func(l logLine) bool { return l.text("msg") == "slow" })
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
	expectGone(t, master)
	s.expectLog("the reason", func(l logLine) bool { return l.text("msg") == "php-fpm did not end in time and is killed" })
}

func TestPHPFPMEndsWithACaddyThatIsKilled(t *testing.T) {
	s := phpServer(t, "")
	s.start(phpSite)
	master := s.master()
	s.signal(syscall.SIGKILL)
	s.wait()
	expectGone(t, master)
}

func TestPHPFPMThatCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct{ name, options, sites, says string }{
		{"no binary", "binary php-fpm0.1", phpSite, "binary: found no program php-fpm0.1"},
		{"unknown word", "max_childs 3", phpSite, "unknown option 'max_childs' of php_fpm"},
		{"refused by php-fpm", "directive no.such_word 1", phpSite, "unknown entry 'no.such_word'"},
		{"no such worker", "worker no-such-program", phpSite, "worker 1: finding the program"},
		// which may be found out when php-fpm runs already
		{"port in use", "", phpSite + "http://" + taken.Addr().String() + " {\n\tbind 127.0.0.1\n}\n", "address already in use"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := phpServer(t, tc.options)
			s.run(s.write(tc.sites))
			if code := s.wait(); code != 1 {
				t.Errorf("Caddy ended with %d, expected 1", code)
			}
			if said := s.process.text(); !strings.Contains(said, tc.says) {
				t.Errorf("found %q, expected %q", said, tc.says)
			}
			if left, _ := filepath.Glob(filepath.Join(s.dir, "*fpm*")); left != nil {
				t.Errorf("found %v, expected no socket and no folder to be left", left)
			}
		})
	}
}

func TestPHPFPMThatDiesForGoodEndsCaddy(t *testing.T) {
	s := phpServer(t, "max_failures 3 1m")
	s.start(phpSite)
	for times := range 3 {
		kill(t, s.started(times+1))
	}
	if code := s.wait(); code != 3 {
		t.Errorf("Caddy ended with %d, expected 3", code)
	}
	s.expectLog("the reason", func(l logLine) bool {
		return l.text("msg") == "php-fpm cannot be kept alive" && strings.Contains(l.text("error"), "3 times within 1m")
	})
}

func TestWorkers(t *testing.T) {
	const loop = `trap 'echo bye; exit 0' USR1; echo $WHO $$; while :; do sleep 0.02; done`
	s := phpServer(t, fmt.Sprintf("env WHO nobody\n\t\tworker sh -c %q {\n\t\t\tcount 2\n\t\t\tstop_signal SIGUSR1\n\t\t\tenv WHO me\n\t\t}", loop))
	s.start(phpSite)
	var mu sync.Mutex
	pids := make(map[int]bool)
	found := func(number int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			for _, l := range s.logLines(func(l logLine) bool { return l.text("logger") == "php_fpm.worker" }) {
				if pid, ok := strings.CutPrefix(l.text("msg"), "me "); ok {
					n, _ := strconv.Atoi(pid)
					pids[n] = true
				}
			}
			return len(pids) == number
		}
	}
	hubtest.Eventually(t, "two workers run", found(2))
	for pid := range pids {
		kill(t, pid)
		break
	}
	hubtest.Eventually(t, "a third was started", found(3))

	// a reload that does not touch them does not touch them, and one that removes them ends them
	master := s.master()
	if said, err := s.reload(phpSite + apiSite); err != nil {
		t.Fatalf("reloading: %v\n%s", err, said)
	}
	s.setPHP("env WHO nobody")
	if said, err := s.reload(phpSite); err != nil {
		t.Fatalf("reloading: %v\n%s", err, said)
	}
	for pid := range pids {
		expectGone(t, pid)
	}
	if now := s.master(); now != master {
		t.Errorf("found php-fpm %d, expected %d not to care for workers", now, master)
	}
	if byes := s.logLines(func(l logLine) bool { return l.text("msg") == "bye" }); len(byes) != 2 {
		t.Errorf("found %d workers that were asked by the signal, expected 2", len(byes))
	}
}

func TestWorkerThatFailsForGoodEndsCaddy(t *testing.T) {
	s := phpServer(t, "worker sh -c \"echo no database >/dev/stderr; exit 1\" {\n\t\t\tmax_failures 3 1m\n\t\t}")
	s.run(s.write(phpSite))
	if code := s.wait(); code != 3 {
		t.Errorf("Caddy ended with %d, expected 3", code)
	}
	s.expectLog("its last words", func(l logLine) bool {
		return l.text("logger") == "php_fpm.worker" && l.text("msg") == "no database"
	})
}
