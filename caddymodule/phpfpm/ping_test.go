package phpfpm

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveFastCGI answers FastCGI requests on a socket.
func serveFastCGI(t *testing.T, body string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		_ = fcgi.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && fcgi.ProcessEnv(r)["SCRIPT_FILENAME"] == pingPath {
				_, _ = io.WriteString(w, body)
			}
		}))
	}()
	return path
}

func TestPing(t *testing.T) {
	for _, tc := range []struct{ body, says string }{
		{"pong", ""},
		{"File not found.", "expected pong"},
		{strings.Repeat("x", 200_000) + "pong", ""}, // in several records
	} {
		err := ping(t.Context(), serveFastCGI(t, tc.body), pingPath)
		if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%.20s: found %v, expected %q", tc.body, err, tc.says)
		}
	}
}

func TestPingWithoutAnAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := ping(t.Context(), path, pingPath); err == nil {
		t.Error("found an answer where nobody listens")
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := ping(ctx, path, pingPath); err == nil {
		t.Error("found an answer from somebody who is silent")
	}
}
