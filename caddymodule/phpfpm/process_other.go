//go:build !unix

package phpfpm

import (
	"errors"
	"os/exec"
	"syscall"
)

// php-fpm exists on unix systems only. Elsewhere Caddy shall still build; Provision fails, because there is no php-fpm to be found.
var errNoUnix = errors.New("this needs a unix system")

func apply(*exec.Cmd, *account, syscall.Signal)   {}
func signalGroup(int, syscall.Signal) error       { return errNoUnix }
func killGroup(int) error                         { return errNoUnix }
func reapGroup(int)                               {}
func signalByName(string) (syscall.Signal, error) { return 0, errNoUnix }
func writable(string) bool                        { return false }
func endCaddy() error                             { return errNoUnix }
