//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// process is a program that runs beside this one.
type process struct {
	name    string
	cmd     *exec.Cmd
	said    tail
	exited  chan struct{} // closed when it has ended
	stopped atomic.Bool   // it was told to end
}

// start starts cmd, which dies with this program whatever happens.
func (b *bench) start(name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, exited: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = &p.said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(p.exited)
		if !p.stopped.Load() {
			b.mourn(p)
		}
	}()
	b.keep(p)
	return p, nil
}

// stop ends the process, the hard way if it takes too long.
func (p *process) stop() {
	if p.stopped.Swap(true) {
		<-p.exited
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// died reports how the process ended, nil if it still runs.
func (p *process) died() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s died: %v\n%s", p.name, p.cmd.ProcessState, p.said.text())
	default:
		return nil
	}
}

// cpu returns the CPU time that the process has used, in user mode and in the kernel. It is the sum of utime
// and stime in /proc/<pid>/stat, to the nanosecond instead of the hundredth of a second.
func (p *process) cpu() (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of clock_getcpuclockid(3)
	clock := ^p.cmd.Process.Pid<<3 | schedClock
	var t syscall.Timespec

	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0, fmt.Errorf("reading the CPU clock of %s: %w", p.name, errno)
	}
	return time.Duration(t.Nano()), nil
}

// rss returns the resident memory of the process in bytes.
func (p *process) rss() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("the kernel does not tell the memory of %s", p.name)
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	return kb << 10, err
}

// tail keeps the end of what a process writes to its standard error.
type tail struct {
	mu   sync.Mutex
	last []byte // guarded by mu
}

func (t *tail) Write(p []byte) (int, error) {
	const keep = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	if over := len(t.last) - keep; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.last))
}
