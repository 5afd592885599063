package pusherhub

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsentBound is how much the kernel takes of what it cannot send yet, on sockets that conflate.
const unsentBound = 4 << 10

// keepUnsent lets what the network does not take wait in the socket's queue, where it may still give way to something newer,
// and not in the kernel, which buffers megabytes. If it cannot be set, everything works as without.
func keepUnsent(nc net.Conn) {
	_ = control(nc, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBound)
	})
}

// control calls f with the file descriptor below nc, with or without TLS.
func control(nc net.Conn, f func(fd int) error) error {
	tcp, ok := transportBelow(nc).(syscall.Conn)
	if !ok {
		return net.ErrClosed
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}
