package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// artifactsDir takes what outlives a test: logs of failed ones and screenshots. It is not in git.
const artifactsDir = ".artifacts"

// process is a program that runs beside the test. It ends with the test at the latest; what it wrote is kept
// in artifactsDir if the test fails.
type process struct {
	*output

	name   string
	cmd    *exec.Cmd
	exited chan struct{} // closed when the program has ended
	t      testing.TB
}

// startProcess starts cmd and takes everything that it writes.
func startProcess(t testing.TB, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{output: newOutput(), name: name, cmd: cmd, exited: make(chan struct{}), t: t}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.WaitDelay = time.Second // for what a killed program leaves behind with our pipe in its hands
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		_ = cmd.Wait() // the exit code is in cmd.ProcessState
		p.end()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.stop(syscall.SIGTERM)
		if t.Failed() {
			p.keep()
		}
	})
	return p
}

// signal sends a signal to this one program.
func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("sending %v to %s: %v", sig, p.name, err)
	}
}

// wait returns the exit code of a program that has been told to end.
func (p *process) wait() int {
	p.t.Helper()
	return p.waitFor(2 * hubtest.Patience)
}

// waitFor returns the exit code of a program that ends by itself within that time.
func (p *process) waitFor(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(limit):
		_ = p.cmd.Process.Kill()
		<-p.exited
		p.t.Errorf("%s did not end within %v, so it was killed", p.name, limit)
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop ends the program if it still runs, and waits for it.
func (p *process) stop(sig os.Signal) {
	p.t.Helper()
	select {
	case <-p.exited:
	default:
		_ = p.cmd.Process.Signal(sig) // it may just have ended by itself
		p.wait()
	}
}

// keep writes the output to a file and its end to the test's log.
func (p *process) keep() {
	p.t.Helper()
	file := filepath.Join(artifactsDir, strings.ReplaceAll(p.t.Name(), "/", "_")+"."+p.name+".log")
	text := p.text()
	if err := os.MkdirAll(artifactsDir, 0o755); err != nil {
		p.t.Error(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Error(err)
	}
	lines := strings.SplitAfter(text, "\n")
	p.t.Logf("the end of what %s wrote (all of it: integration/%s):\n%s", p.name, file, strings.Join(lines[max(0, len(lines)-40):], ""))
}

// output collects what a program writes, and wakes those who wait for a line of it.
type output struct {
	mu      sync.Mutex
	written []byte        // guarded by mu
	ended   bool          // guarded by mu
	changed chan struct{} // guarded by mu: closed and replaced by every change
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

// Write takes a piece of output.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written = append(o.written, p...)
	o.wake()
	return len(p), nil
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.wake()
}

// wake tells those who wait. The caller holds mu.
func (o *output) wake() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// text returns everything written so far.
func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.written)
}

// await returns the first line, from the beginning of all output on, that match accepts. A last line without a
// line break counts, too.
func (o *output) await(match func(line string) bool) (string, error) {
	timeout := time.After(3 * hubtest.Patience)
	for seen := 0; ; {
		o.mu.Lock()
		fresh, ended, changed := string(o.written[seen:]), o.ended, o.changed
		o.mu.Unlock()
		for line := range strings.Lines(fresh) {
			if text, whole := strings.CutSuffix(line, "\n"); match(text) {
				return text, nil
			} else if whole {
				seen += len(line)
			}
		}
		if ended {
			return "", errors.New("the program ended without it")
		}
		select {
		case <-changed:
		case <-timeout:
			return "", errors.New("waited for too long")
		}
	}
}

// expectLine waits for a line that holds text.
func (p *process) expectLine(text string) string {
	p.t.Helper()
	line, err := p.await(func(line string) bool { return strings.Contains(line, text) })
	if err != nil {
		p.t.Fatalf("waiting for %q from %s: %v", text, p.name, err)
	}
	return line
}
