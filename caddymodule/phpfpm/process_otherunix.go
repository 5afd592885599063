//go:build unix && !linux

package phpfpm

import "syscall"

// endWithParent does nothing: only Linux tells a program that its parent was killed.
func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}
