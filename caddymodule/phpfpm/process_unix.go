//go:build unix

package phpfpm

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// apply makes the command a leader of its own process group, so that Ctrl-C in a terminal reaches Caddy alone, and
// lets it run as owner, if there is one.
func apply(cmd *exec.Cmd, owner *account, quit syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if owner != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.UID, Gid: owner.GID, Groups: owner.Groups}
	}
	endWithParent(cmd.SysProcAttr, quit)
}

// signalGroup sends a signal to all processes of a group, 0 to find out whether there are any.
func signalGroup(group int, sig syscall.Signal) error { return syscall.Kill(-group, sig) }

func killGroup(group int) error { return signalGroup(group, syscall.SIGKILL) }

// reapGroup collects the orphans of a group that have ended, if they are ours: as PID 1 we are the parent of every
// orphan of a container. Under tini, which does this itself, there is nothing to collect.
func reapGroup(group int) {
	for {
		pid, err := syscall.Wait4(-group, nil, syscall.WNOHANG, nil)
		if pid <= 0 || err != nil {
			return
		}
	}
}

// signalByName returns the signal of a name such as SIGTERM.
func signalByName(name string) (syscall.Signal, error) {
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("found %q, expected a signal such as SIGTERM", name)
}

// writable reports whether files can be made in a folder.
func writable(folder string) bool { return unix.Access(folder, unix.W_OK) == nil }

// endCaddy sends Caddy the signal that makes it stop in order.
func endCaddy() error { return syscall.Kill(syscall.Getpid(), syscall.SIGTERM) }
