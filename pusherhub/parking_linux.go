package pusherhub

import (
	"os"
	"sync"
	"syscall"
	"time"
)

const canPark = true

// parkingLot holds the parked sockets of a hub. Its goroutine waits for all of them and exists from the first one to close.
type parkingLot struct {
	mu    sync.Mutex    // a leaf in the lock order
	epoll *os.File      // guarded by mu; nil before the first socket
	fd    int           // guarded by mu: epoll's descriptor
	spots []*conn       // guarded by mu: who is parked, by the socket's descriptor; nil: nobody
	done  chan struct{} // closed when the goroutine has ended
}

// Only the goroutine of a socket closes it, so a descriptor's number means that socket for as long as it is parked. What
// the kernel reports may come late and wake another one that got the number since. It finds nothing to read, which does no harm.

// enter parks c until something happens, but not longer than the given moment. From then on c is not the caller's.
func (l *parkingLot) enter(c *conn, until time.Time) (parked bool) {
	err := c.queue.raw.Control(func(fd uintptr) { parked = l.take(c, int(fd), until) })
	return err == nil && parked
}

func (l *parkingLot) take(c *conn, fd int, until time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoll == nil && l.open() != nil {
		return false
	}
	if missing := fd + 1 - len(l.spots); missing > 0 {
		l.spots = append(l.spots, make([]*conn, missing)...)
	}
	op := syscall.EPOLL_CTL_MOD
	if !c.watched {
		op = syscall.EPOLL_CTL_ADD
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(fd)}
	if syscall.EpollCtl(l.fd, op, fd, &event) != nil {
		return false
	}
	l.spots[fd], c.fd, c.watched = c, fd, true
	if c.alarm == nil {
		c.alarm = time.AfterFunc(time.Until(until), c.wake)
	} else {
		c.alarm.Reset(time.Until(until))
	}
	return true
}

// leave takes c out, which is then the caller's, and reports whether it was parked.
func (l *parkingLot) leave(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.fd >= len(l.spots) || l.spots[c.fd] != c {
		return false
	}
	l.spots[c.fd] = nil
	c.alarm.Stop()
	return true
}

// open starts watching. The caller holds mu.
func (l *parkingLot) open() error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	_ = syscall.SetNonblock(fd, true) // lets the runtime wait for it, without a thread
	epoll := os.NewFile(uintptr(fd), "epoll")
	raw, err := epoll.SyscallConn()
	if err != nil {
		_ = epoll.Close()
		return err
	}
	l.epoll, l.fd, l.done = epoll, fd, make(chan struct{})
	go l.watch(raw)
	return nil
}

// watch wakes sockets until the lot is closed.
func (l *parkingLot) watch(raw syscall.RawConn) {
	defer close(l.done)
	var events [128]syscall.EpollEvent
	for {
		n := 0
		if err := raw.Read(func(fd uintptr) bool {
			n, _ = syscall.EpollWait(int(fd), events[:], 0)
			return n > 0
		}); err != nil {
			return
		}
		for _, event := range events[:n] {
			if c := l.at(int(event.Fd)); c != nil {
				c.wake()
			}
		}
	}
}

// at returns the socket that is parked under a descriptor, nil if none is.
func (l *parkingLot) at(fd int) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spots[fd]
}

// close ends the goroutine. No socket is left.
func (l *parkingLot) close() {
	l.mu.Lock()
	epoll := l.epoll
	l.mu.Unlock()
	if epoll != nil {
		_ = epoll.Close()
		<-l.done
	}
}
