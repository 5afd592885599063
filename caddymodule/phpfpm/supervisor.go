package phpfpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

const (
	// orphanTimeout is how long children may live on whose parent has died, to finish what they do.
	orphanTimeout = 10 * time.Second

	// minUptime is the time between two starts of a program that ends well, as a scheduler may every time.
	minUptime = time.Second
)

// errStarting is the state of a program that does not answer yet.
var errStarting = errors.New("it is starting")

// program is what a supervisor keeps running.
type program struct {
	name        string                      // in the log
	key         string                      // in the pool
	command     func() *exec.Cmd            // a new command for every start
	ready       func(context.Context) error // nil once it answers; no function: as soon as it runs
	readyIn     time.Duration               // how long that may take
	owner       *account                    // of the output; nil for Caddy
	quitSignal  syscall.Signal              // asks it to end in its own time
	early       bool                        // ask when Caddy begins to stop, and not at the end
	mayEnd      bool                        // ending without an error is no failure
	stopTimeout time.Duration               // at the exit
	limit       failureLimit
	write       func(*zap.Logger, string) // logs a line of its output
	cleanup     func()                    // after its last end
	fatal       func()                    // called when it cannot be kept alive
}

// supervisor keeps a program running until it is told to quit. One goroutine, run, starts the program and waits
// for it.
type supervisor struct {
	program // static

	log atomic.Pointer[zap.Logger] // of the config that went live last

	quitting chan struct{} // closed when the program is to end
	killing  chan struct{} // closed when it has had its time
	done     chan struct{} // closed when it has ended for good
	orphans  sync.WaitGroup
	answered bool // owned by run: it was ready once

	mu      sync.Mutex
	process *os.Process // guarded by mu; nil if none runs
	quit    bool        // guarded by mu: quitting is closed
	killed  bool        // guarded by mu: killing is closed
	state   error       // guarded by mu: nil while the program answers
}

// supervise starts a program. If it has to get ready, supervise returns when it is, or with the reason why it does not.
func supervise(p program, log *zap.Logger) (*supervisor, error) {
	s := &supervisor{
		program: p, state: errStarting,
		quitting: make(chan struct{}), killing: make(chan struct{}), done: make(chan struct{}),
	}
	s.log.Store(log)
	running.add(s)
	if s.ready == nil {
		go s.run(nil)
		return s, nil
	}
	first := make(chan error, 1)
	go s.run(first)
	if err := <-first; err != nil {
		<-s.done
		return nil, fmt.Errorf("%s does not start: %w", s.name, err)
	}
	return s, nil
}

// run starts the program again and again. The first time that it is ready, or fails, is told to first, and ends
// the supervisor if it failed; without first every failure is followed by another try.
func (s *supervisor) run(first chan<- error) {
	// not unlocked: Linux takes the end of the thread that started a child for the end of the parent
	runtime.LockOSThread()
	defer running.remove(s)
	defer close(s.done)
	defer s.cleanup()
	defer s.orphans.Wait()

	tries := failures{failureLimit: s.limit}
	for {
		began := time.Now()
		err := s.runOnce(func() {
			if first != nil {
				first <- nil
				first = nil
			}
		})
		if first != nil {
			first <- err
			return
		}
		if s.isQuitting() {
			return
		}
		var delay time.Duration
		if err == nil && s.mayEnd {
			delay = max(0, minUptime-time.Since(began))
		} else {
			if err == nil {
				err = errors.New("it ended")
			}
			var again bool
			if delay, again = tries.add(time.Now()); !again {
				s.giveUp(err)
				return
			}
			s.setState(err)
			s.log.Load().Error(s.name+" has to be started again", zap.Error(err), zap.Duration("in", delay))
		}
		select {
		case <-time.After(delay):
		case <-s.quitting:
			return
		}
	}
}

// giveUp says why the program cannot be kept alive, and that it is the end.
func (s *supervisor) giveUp(err error) {
	err = fmt.Errorf("it failed %d times within %v; the last time: %w", s.limit.Max, s.limit.Window, err)
	s.setState(err)
	s.log.Load().Error(s.name+" cannot be kept alive", zap.Error(err))
	s.fatal()
}

// runOnce starts the program and returns when it has ended: with nil if it ended well, else with what happened. ready
// is called in the goroutine of run.
func (s *supervisor) runOnce(ready func()) error {
	cmd := s.command()
	out, err := s.openOutput(cmd)
	if err != nil {
		return err
	}
	err = s.start(cmd)
	out.started()
	if err != nil {
		out.finish()
		return err
	}

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	answers, err := s.becomeReady(ended)
	if answers {
		out.forget()
		s.answered = true
		s.setState(nil)
		s.log.Load().Info(s.name+" runs", zap.Int("pid", cmd.Process.Pid))
		ready()
	} else if err != nil {
		_ = killGroup(cmd.Process.Pid)
	}
	waited := <-ended

	s.mu.Lock()
	s.process, s.state = nil, errStarting
	s.mu.Unlock()
	s.orphans.Go(func() { s.sweep(cmd.Process.Pid) })
	if err == nil && waited != nil {
		err = endedBecause(cmd.ProcessState)
	}
	said := out.finish()
	if err != nil && said != "" {
		err = fmt.Errorf("%w; it said: %s", err, said)
	}
	return err
}

// start starts the command unless the program was told to quit before.
func (s *supervisor) start(cmd *exec.Cmd) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quit {
		return errors.New("it was told to end")
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process = cmd.Process
	return nil
}

// becomeReady waits until the program answers. It returns an error if it had its time and does not; nothing if
// it ended or was told to.
func (s *supervisor) becomeReady(ended chan error) (answers bool, err error) {
	if s.ready == nil {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.readyIn)
	defer cancel()
	for {
		err := s.ready(ctx)
		if err == nil {
			return true, nil
		}
		select {
		case waited := <-ended:
			ended <- waited
			return false, nil
		case <-s.quitting:
			return false, nil
		case <-ctx.Done():
			return false, fmt.Errorf("it did not answer within %v (%w)", s.readyIn, err)
		case <-time.After(20 * time.Millisecond):
		}
		// Caddy cannot stop before its config is loaded, which waits for us
		if !s.answered && caddy.Exiting() {
			return false, errors.New("it is not needed any more: Caddy is stopping")
		}
	}
}

// sweep ends what a program that has ended left behind. php-fpm's children do not notice that their parent was
// killed, and would answer for ever; they get the time to finish their request.
func (s *supervisor) sweep(group int) {
	if signalGroup(group, s.quitSignal) != nil {
		return
	}
	timeout := time.NewTimer(orphanTimeout)
	defer timeout.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	killing := s.killing
	for {
		select {
		case <-tick.C:
		case <-timeout.C:
			killing = nil
		case <-killing:
			killing = nil
		}
		reapGroup(group)
		if killing == nil {
			// what is left after this is for the system's init to collect
			_ = killGroup(group)
			reapGroup(group)
			return
		}
		if signalGroup(group, 0) != nil {
			return
		}
	}
}

// askToQuit asks the program to end, and not to be started again. It does not wait.
func (s *supervisor) askToQuit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quit {
		return
	}
	s.quit = true
	close(s.quitting)
	if s.process != nil {
		_ = s.process.Signal(s.quitSignal) // it may just have ended by itself
	}
}

// await waits for the end of a program that was asked to quit. When ctx ends it is killed.
func (s *supervisor) await(ctx context.Context) {
	select {
	case <-s.done:
		return
	case <-ctx.Done():
	}
	s.log.Load().Warn(s.name + " did not end in time and is killed")
	s.mu.Lock()
	if !s.killed {
		s.killed = true
		close(s.killing)
	}
	if s.process != nil {
		_ = killGroup(s.process.Pid)
	}
	s.mu.Unlock()
	<-s.done
}

func (s *supervisor) isQuitting() bool {
	select {
	case <-s.quitting:
		return true
	default:
		return false
	}
}

func (s *supervisor) setState(state error) {
	s.mu.Lock()
	s.state = state
	s.mu.Unlock()
}

// status is nil while the program answers, else the reason why it does not.
func (s *supervisor) status() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// endedBecause says how a program ended.
func endedBecause(state *os.ProcessState) error {
	if code := state.ExitCode(); code >= 0 {
		return fmt.Errorf("it ended with exit code %d", code)
	}
	return fmt.Errorf("it was ended by a signal (%v)", state)
}
