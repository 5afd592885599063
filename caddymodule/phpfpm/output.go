package phpfpm

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// lineLimit is the longest line that is logged in one piece, which is also what php-fpm passes on in one.
	lineLimit = 64 << 10

	// keptLines is how many lines are kept to explain why a program does not start.
	keptLines = 5
)

// output takes what a program and its children write, line by line.
type output struct {
	read, write *os.File
	line        func(string)
	ended       chan struct{} // closed when everything was read

	mu      sync.Mutex
	keep    bool     // guarded by mu
	written []string // guarded by mu: the last lines, while keep is set
}

// openOutput makes a pipe for the command's output. It is no cmd.StdoutPipe, because Wait would then wait for
// every orphan that holds the other end.
func (s *supervisor) openOutput(cmd *exec.Cmd) (*output, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for the output: %w", err)
	}
	if s.owner != nil {
		// else the program could write to it, but not open it again as /dev/stderr
		if err := w.Chown(int(s.owner.UID), int(s.owner.GID)); err != nil {
			return nil, errors.Join(fmt.Errorf("giving the output to %s: %w", s.owner.User, err), r.Close(), w.Close())
		}
	}
	cmd.Stdout, cmd.Stderr = w, w
	return &output{
		read: r, write: w, ended: make(chan struct{}), keep: true,
		line: func(line string) { s.write(s.log.Load(), line) },
	}, nil
}

// started begins to read. From now on only the program holds the other end.
func (o *output) started() {
	_ = o.write.Close()
	go func() {
		defer close(o.ended)
		lines := bufio.NewReaderSize(o.read, lineLimit)
		for {
			// a line that is too long comes in pieces; not to read it would stop the program
			piece, _, err := lines.ReadLine()
			if err != nil {
				return
			}
			if line := strings.TrimRight(string(piece), " \t"); line != "" {
				o.take(line)
			}
		}
	}()
}

func (o *output) take(line string) {
	o.mu.Lock()
	if o.keep {
		o.written = append(o.written, line)
		o.written = o.written[max(0, len(o.written)-keptLines):]
	}
	o.mu.Unlock()
	o.line(line)
}

// forget keeps no more lines: the program has started.
func (o *output) forget() {
	o.mu.Lock()
	o.keep, o.written = false, nil
	o.mu.Unlock()
}

// finish reads what is left after the program has ended and returns what was kept. Orphans that still hold the pipe
// have the rest of it thrown away.
func (o *output) finish() (said string) {
	if err := o.read.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		_ = o.read.Close()
	}
	<-o.ended
	_ = o.read.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.written, " / ")
}
