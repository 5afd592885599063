//go:build !unix

package pusherhub

import (
	"net"
	"syscall"
)

// rawConn returns nil: every write goes through a flusher here.
func rawConn(net.Conn) syscall.RawConn { return nil }

// tryWrite is never called without a raw connection.
func (w *writer) tryWrite(syscall.RawConn, []byte) (int, error) { return 0, nil }

func (w *writer) writeOnce(uintptr) bool { return true }
