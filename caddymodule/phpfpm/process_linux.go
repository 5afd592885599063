package phpfpm

import "syscall"

// endWithParent lets a program end when Caddy is killed and can end it no more. For this the thread that starts the
// program has to live as long as the program does, see supervisor.run.
func endWithParent(attr *syscall.SysProcAttr, quit syscall.Signal) { attr.Pdeathsig = quit }
