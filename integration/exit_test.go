package integration

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// readiness asks whether the server wants clients.
func (s *server) readiness() (status int, body string) {
	s.t.Helper()
	res, err := http.Get(s.url() + "/.well-known/pusher-hub/ready")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// startDraining starts a server and tells it to exit, which its sockets make last for some seconds.
func startDraining(t *testing.T, sig os.Signal) (s *server, said string) {
	t.Helper()
	s = startServer(t, strings.Replace(publicSite, "drain 100ms", "drain 1m", 1)+apiSite)
	if status, body := s.readiness(); status != http.StatusOK || body != "{\"ready\":true}\n" {
		t.Errorf("found %d %s, expected to be ready", status, body)
	}
	for range 60 {
		s.site().Dial(t)
	}
	s.signal(sig)
	hubtest.Eventually(t, "the server is not ready any more", func() bool {
		var status int
		status, said = s.readiness()
		return status == http.StatusServiceUnavailable
	})
	return s, said
}

func TestReadinessIsGoneWhileDraining(t *testing.T) {
	s, said := startDraining(t, syscall.SIGTERM)
	if !strings.Contains(said, "shutting down") {
		t.Errorf("found %s, expected the reason", said)
	}
	s.api().Publish("news", "goodbye", "1") // which still works
	s.signal(syscall.SIGTERM)
	s.wait()
}

func TestSecondSignalEndsTheExit(t *testing.T) {
	for _, tc := range []struct {
		name          string
		first, second os.Signal
	}{
		{"SIGTERM twice", syscall.SIGTERM, syscall.SIGTERM},
		{"SIGTERM, then SIGINT", syscall.SIGTERM, os.Interrupt},
		{"SIGINT, then SIGTERM", os.Interrupt, syscall.SIGTERM},
		{"SIGINT twice", os.Interrupt, os.Interrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := startDraining(t, tc.first)
			began := time.Now()
			s.signal(tc.second)
			if code := s.waitFor(9 * time.Second); code != 2 {
				t.Errorf("Caddy ended with %d after %v, expected 2, at once", code, time.Since(began))
			}
		})
	}
}

// A request that never ends must not keep the process, though Caddy's default is to wait for it for ever.
func TestHungRequestDoesNotKeepTheProcess(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	s := newServer(t)
	file := filepath.Join(s.dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(`{
	admin off
	auto_https off
}
http://127.0.0.1:{$PORT} {
	pusher_hub
	reverse_proxy `+mute.Addr().String()+`
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(file)
	s.expectLine(`"msg":"serving initial configuration"`)
	c := s.site().Dial(t)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if res, err := http.Get(s.url() + "/slow"); err == nil {
			_ = res.Body.Close()
		}
	}()
	waiting, err := mute.Accept() // Caddy has passed it on
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()

	began := time.Now()
	s.signal(syscall.SIGTERM)
	c.ExpectClose(pusherhub.CodeReconnect)
	if code := s.waitFor(9 * time.Second); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("the exit took %v: requests that are under way get no time to finish", took)
	}
	<-asked
}

// A client that does not answer its close frame has some seconds to do so. The exit waits for it and is not cut short, however
// little requests get.
func TestMuteClientDoesNotMakeTheExitFail(t *testing.T) {
	s := startServer(t, publicSite)
	mute := s.site().DialRaw(t, "/app/"+appKey)
	mute.Expect("pusher:connection_established")
	s.signal(syscall.SIGTERM)
	if code := s.waitFor(9 * time.Second); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
}
