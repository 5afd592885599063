package phpfpm

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketIsSharedAndRemovedByTheLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "s")
	first, err := acquireSocket(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := acquireSocket(path, nil)
	if err != nil || second != first {
		t.Fatalf("found another socket or %v, expected the same", err)
	}
	if err := releaseSocket(path); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the socket is gone while somebody has it: %v", err)
	}
	_ = conn.Close()
	if err := releaseSocket(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("found %v, expected no file", err)
	}
}

func TestWhatIsInTheWayOfTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acquireSocket(path, nil); err == nil || !strings.Contains(err.Error(), "somebody already answers") {
		t.Errorf("found %v, expected to hear that somebody answers", err)
	}
	l.SetUnlinkOnClose(false) // as after a kill
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := acquireSocket(path, nil); err != nil {
		t.Errorf("found %v, expected the socket in the place of the stale one", err)
	}
	if err := releaseSocket(path); err != nil {
		t.Error(err)
	}

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := acquireSocket(path, nil); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Errorf("found %v, expected to hear of the file", err)
	}
}
