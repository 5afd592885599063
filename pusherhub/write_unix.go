//go:build unix

package pusherhub

import (
	"net"
	"syscall"
)

// rawConn returns access to nc's file descriptor, nil if bytes cannot go there as they are.
func rawConn(nc net.Conn) syscall.RawConn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// tryWrite writes what the kernel takes without waiting: fewer bytes than p has are no error.
func (w *writer) tryWrite(raw syscall.RawConn, p []byte) (int, error) {
	w.pending, w.written, w.err = p, 0, nil
	err := raw.Write(w.callback)
	w.pending = nil
	if err == nil {
		err = w.err
	}
	return w.written, err
}

// writeOnce is tryWrite's callback. It always reports that it is done, so nobody waits for the socket.
func (w *writer) writeOnce(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), w.pending)
		switch err {
		case nil:
			w.written = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			w.err = err
		}
		return true
	}
}
