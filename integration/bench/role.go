//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"time"
)

// roleCommand is the first argument of this program when it runs as one of its roles.
const roleCommand = "role"

// roles are what the program can be beside the one that conducts. Each is a value whose exported methods are called over
// the process's standard input and output.
var roles = map[string]func() any{
	"crowd":     func() any { return newCrowd() },
	"actor":     func() any { return new(Actor) },
	"publisher": func() any { return new(Publisher) },
	"bare":      func() any { return new(Bare) },
	"coder":     func() any { return new(Coder) },
}

// serveRole answers calls until the conductor is gone.
func serveRole(name string) {
	makeRole, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q\n", name)
		os.Exit(2)
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Role", makeRole()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	server.ServeConn(pipe{os.Stdin, os.Stdout})
}

// pipe joins two one-way pipes.
type pipe struct {
	io.ReadCloser
	io.Writer
}

// role is a process in a role, seen from the conductor.
type role struct {
	*process

	client *rpc.Client
}

// callLimit bounds every call.
const callLimit = 5 * time.Minute

func (b *bench) startRole(name string) (*role, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, roleCommand, name)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p, err := b.start(name, cmd)
	if err != nil {
		return nil, err
	}
	return &role{p, rpc.NewClient(struct {
		io.ReadCloser
		io.Writer
	}{out, in})}, nil
}

// call calls a method and waits for its answer.
func (r *role) call(method string, args, reply any) error {
	return r.begin(method, args, reply)()
}

// begin calls a method and returns a function that waits for its answer.
func (r *role) begin(method string, args, reply any) (wait func() error) {
	call := r.client.Go("Role."+method, args, reply, make(chan *rpc.Call, 1))
	return func() error {
		select {
		case <-call.Done:
		case <-time.After(callLimit):
			return fmt.Errorf("%s %s took more than %v", r.name, method, callLimit)
		}
		if err := r.died(); err != nil {
			return err
		}
		if call.Error != nil {
			return fmt.Errorf("%s: %w", r.name, errors.New(call.Error.Error()))
		}
		return nil
	}
}

// None is what methods take or answer that need nothing.
type None struct{}
