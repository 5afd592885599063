//go:build unix

package phpfpm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }

// shell is a program that a shell reads, which appends to the file $out.
type shell struct {
	program

	out   string
	fatal chan struct{}
}

func newShell(t *testing.T, script string) *shell {
	t.Helper()
	sh := &shell{out: filepath.Join(t.TempDir(), "out"), fatal: make(chan struct{})}
	sh.program = program{
		name: "sh", quitSignal: syscall.SIGTERM, limit: failureLimit{Max: 3, Window: time.Minute},
		command: func() *exec.Cmd {
			cmd := exec.Command("sh", "-c", script)
			cmd.Env = append(os.Environ(), "out="+sh.out)
			apply(cmd, nil, syscall.SIGKILL)
			return cmd
		},
		readyIn: hubtest.Patience,
		write:   func(*zap.Logger, string) {},
		cleanup: func() {},
		fatal:   func() { close(sh.fatal) },
	}
	return sh
}

// says reports whether the file has the text so often.
func (sh *shell) says(text string, times int) func() bool {
	return func() bool {
		written, _ := os.ReadFile(sh.out)
		return strings.Count(string(written), text) == times
	}
}

// answers is ready once the program has written.
func (sh *shell) answers(context.Context) error {
	_, err := os.Stat(sh.out)
	return err
}

func (sh *shell) supervise(t *testing.T) *supervisor {
	t.Helper()
	s, err := supervise(sh.program, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(s, hubtest.Patience) })
	return s
}

// end asks a program to quit and gives it some time.
func end(s *supervisor, limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s.askToQuit()
	s.await(ctx)
}

// pid returns the program's process, or 0.
func (s *supervisor) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.Pid
}

func TestSupervisorStartsAgainWhatIsKilled(t *testing.T) {
	sh := newShell(t, "echo up >>$out; exec sleep 100")
	sh.ready = sh.answers
	s := sh.supervise(t)
	if err := s.status(); err != nil {
		t.Errorf("found %v, expected it to be ready", err)
	}
	if err := syscall.Kill(s.pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	hubtest.Eventually(t, "it runs again", sh.says("up", 2))
}

func TestSupervisorGivesUp(t *testing.T) {
	sh := newShell(t, "echo up >>$out; exit 7")
	s := sh.supervise(t)
	<-sh.fatal
	<-s.done
	if !sh.says("up", 3)() {
		t.Error("it did not run three times")
	}
	if err := s.status(); err == nil || !strings.Contains(err.Error(), "exit code 7") {
		t.Errorf("found %v, expected the last exit code", err)
	}
}

func TestSupervisorCountsNoGoodEnd(t *testing.T) {
	sh := newShell(t, "echo up >>$out")
	sh.mayEnd, sh.limit.Max = true, 1
	began := time.Now()
	sh.supervise(t)
	hubtest.Eventually(t, "it ran twice", sh.says("up", 2))
	if took := time.Since(began); took < minUptime {
		t.Errorf("it ran again after %v, expected a pause of %v", took, minUptime)
	}
	select {
	case <-sh.fatal:
		t.Error("a good end was taken for a failure")
	default:
	}
}

func TestSupervisorSaysWhyTheFirstStartFails(t *testing.T) {
	for _, tc := range []struct{ script, says string }{
		{"echo no such user >&2; exit 78", "sh does not start: it ended with exit code 78; it said: no such user"},
		{"kill -KILL $$", "signal: killed"},
		{"exec sleep 100", "it did not answer within"},
	} {
		sh := newShell(t, tc.script)
		sh.ready, sh.readyIn = sh.answers, 300*time.Millisecond
		cleaned := new(atomic.Int32)
		sh.cleanup = func() { cleaned.Add(1) }
		_, err := supervise(sh.program, zap.NewNop())
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: found %v, expected %q", tc.script, err, tc.says)
		}
		if cleaned.Load() != 1 {
			t.Errorf("%s: cleaned up %d times, expected once", tc.script, cleaned.Load())
		}
	}
}

func TestSupervisorEndsWithTheSignalAndKillsWhatDoesNot(t *testing.T) {
	sh := newShell(t, "trap 'echo asked >>$out; exit 0' TERM; echo up >>$out; while :; do sleep 0.02; done")
	sh.ready = sh.answers
	s := sh.supervise(t)
	end(s, hubtest.Patience)
	if !sh.says("asked", 1)() {
		t.Error("it was not asked by the signal")
	}

	sh = newShell(t, "trap '' TERM; echo up >>$out; while :; do sleep 0.02; done")
	sh.ready = sh.answers
	s = sh.supervise(t)
	pid := s.pid()
	end(s, 50*time.Millisecond)
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("found %v, expected no such process", err)
	}
}

// As php-fpm's children do, that do not notice the death of their parent.
func TestSupervisorAsksOrphansToEnd(t *testing.T) {
	sh := newShell(t, "(trap 'echo orphan >>$out; exit 0' TERM; while :; do sleep 0.02; done) & sleep 0.1; echo up >>$out; wait")
	sh.ready = sh.answers
	s := sh.supervise(t)
	if err := syscall.Kill(s.pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	hubtest.Eventually(t, "the orphan was asked to end", sh.says("orphan", 1))
}

func TestAwaitEndsTheWaitForAnotherTry(t *testing.T) {
	sh := newShell(t, "echo up >>$out; exit 1")
	sh.limit.Max = 100
	s := sh.supervise(t)
	hubtest.Eventually(t, "it ran three times", sh.says("up", 3))
	end(s, hubtest.Patience)
	select {
	case <-s.done:
	default:
		t.Error("it is still there")
	}
}

func TestLongLinesDoNotStopTheProgram(t *testing.T) {
	sh := newShell(t, "head -c 300000 /dev/zero | tr '\\0' x; echo; echo up >>$out; exec sleep 100")
	sh.ready = sh.answers
	var bytes atomic.Int64
	sh.write = func(_ *zap.Logger, line string) { bytes.Add(int64(len(line))) }
	sh.supervise(t)
	hubtest.Eventually(t, "all of it was read", func() bool { return bytes.Load() == 300_000 })
}
