package phpfpm

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// maxSocketPath is the longest path that a unix socket may have everywhere.
const maxSocketPath = 103

// sockets holds the listening sockets by path. A socket is ours and not php-fpm's: the php-fpm before and after a reload, or
// before and after its death, accept from the same one, and in between requests wait in it.
var sockets = caddy.NewUsagePool()

// socket is a unix socket that php-fpm inherits.
type socket struct {
	path     string
	listener *net.UnixListener
}

// acquireSocket listens at path, or returns the socket that already does. releaseSocket gives it back.
func acquireSocket(path string, owner *account) (*socket, error) {
	pooled, _, err := sockets.LoadOrNew(path, func() (caddy.Destructor, error) { return listen(path) })
	if err != nil {
		return nil, err
	}
	s := pooled.(*socket)
	if err := s.give(owner); err != nil {
		return nil, errors.Join(err, releaseSocket(path))
	}
	return s, nil
}

func releaseSocket(path string) error {
	_, err := sockets.Delete(path)
	return err
}

// listen opens a socket at path.
func listen(path string) (*socket, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("opening the socket: %w", err)
	}
	return &socket{path, l}, nil
}

// removeStale removes a socket that a killed process has left behind.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("the socket %s cannot be opened: a file of that name is in the way", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("somebody already answers on %s: stop that php-fpm, or set another 'socket'", path)
	}
	return os.Remove(path)
}

// give lets the account that PHP runs as, and its group, talk to PHP as well.
func (s *socket) give(owner *account) error {
	if err := os.Chmod(s.path, 0o660); err != nil {
		return fmt.Errorf("setting the mode of the socket: %w", err)
	}
	if owner == nil {
		return nil
	}
	if err := os.Chown(s.path, int(owner.UID), int(owner.GID)); err != nil {
		return fmt.Errorf("giving the socket to %s: %w", owner.User, err)
	}
	return nil
}

// Destruct closes the socket, and removes it.
func (s *socket) Destruct() error { return s.listener.Close() }
