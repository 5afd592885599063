//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// poller reads all plain sockets of a crowd in one thread.
type poller struct {
	crowd *Crowd
	epoll int
	buf   []byte
	byFD  map[int32]*member // guarded by the crowd's mu
}

func newPoller(c *Crowd) (*poller, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll set: %w", err)
	}
	p := &poller{crowd: c, epoll: epoll, buf: make([]byte, 256<<10), byFD: make(map[int32]*member)}
	go p.run()
	return p, nil
}

// detach takes the socket away from Go's own poller: m.fd is it from now on.
func (m *member) detach() error {
	raw, err := m.nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var dupErr error
	if err := raw.Control(func(fd uintptr) { m.fd, dupErr = syscall.Dup(int(fd)) }); err != nil {
		return err
	}
	if dupErr != nil {
		return dupErr
	}
	return m.nc.Close()
}

// add puts a detached socket into the set.
func (p *poller) add(m *member) error {
	p.crowd.mu.Lock()
	p.byFD[int32(m.fd)] = m
	p.crowd.mu.Unlock()
	return syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, m.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(m.fd)})
}

func (p *poller) run() {
	events := make([]syscall.EpollEvent, 512)
	for {
		n, err := syscall.EpollWait(p.epoll, events, -1)
		if err != nil && err != syscall.EINTR {
			fmt.Fprintln(os.Stderr, "waiting for sockets:", err)
			os.Exit(1)
		}
		p.crowd.mu.Lock()
		for _, e := range events[:max(n, 0)] {
			if m := p.byFD[e.Fd]; m != nil {
				p.read(m)
			}
		}
		p.crowd.arrived()
		p.crowd.mu.Unlock()
	}
}

// read reads once: if there is more, epoll says so again. The caller holds the crowd's mu.
func (p *poller) read(m *member) {
	n, err := syscall.Read(m.fd, p.buf)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return
	}
	if n <= 0 || err != nil {
		p.crowd.lost(m)
		delete(p.byFD, int32(m.fd))
		_ = syscall.Close(m.fd) // which also takes it out of the set
		m.fd = -1
		return
	}
	for range p.crowd.received(m, p.buf[:n]) {
		_, _ = syscall.Write(m.fd, pongFrame) // a dead socket shows in read
	}
}

// addDeaf keeps a socket open and never reads it again.
func (c *Crowd) addDeaf(s *socket) error {
	if err := s.nc.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members = append(c.members, &member{socket: s, fd: -1})
	return nil
}
