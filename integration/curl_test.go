package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// reportersCurl is the command of the bug report, to the letter: no Sec-WebSocket-Version, for one.
const reportersCurl = `curl -si --http1.1 -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" "https://app.onecharge.io/app/5csvb4sew88zqnmcxuqg"`

// curlSites is the reporter's site, once with a certificate and once without.
const curlSites = `
(app) {
	pusher_hub
	respond "application"
}
https://app.onecharge.io {
	tls internal
	import app
}
http://app.onecharge.io {
	import app
}
`

// curl runs the reporter's command with another URL, or the same one, against s. All that is added is where to find
// that host, whom to trust, and not to hold back output.
func (s *server) curl(t *testing.T, url string) *process {
	t.Helper()
	command := strings.Replace(reportersCurl, "https://app.onecharge.io/app/5csvb4sew88zqnmcxuqg", url, 1)
	command += fmt.Sprintf(" --connect-to app.onecharge.io:443:127.0.0.1:%d --connect-to app.onecharge.io:80:127.0.0.1:%d", s.tlsPort, s.port)
	return startProcess(t, "curl", exec.Command("sh", "-c", "exec "+command+" --insecure --no-buffer"))
}

func TestReportersCurlGets101(t *testing.T) {
	s := newServer(t)
	s.start(curlSites)
	for _, url := range []string{"https://app.onecharge.io/app/5csvb4sew88zqnmcxuqg", "http://app.onecharge.io/app/5csvb4sew88zqnmcxuqg"} {
		t.Run(url[:strings.Index(url, ":")], func(t *testing.T) {
			c := s.curl(t, url)
			if line := c.expectLine("HTTP/"); strings.TrimSpace(line) != "HTTP/1.1 101 Switching Protocols" {
				t.Errorf("found %q, expected HTTP/1.1 101 Switching Protocols", line)
			}
			c.expectLine("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") // RFC 6455's own answer to that key
			c.expectLine(`{"event":"pusher:connection_established","data":"{\"socket_id\":\"`)
			c.stop(syscall.SIGTERM)
			if strings.Contains(c.text(), "X-Powered-By") {
				t.Errorf("PHP had a hand in it:\n%s", c.text())
			}
		})
	}
}

func TestCurlWithAnUnknownKeyIsToldWhy(t *testing.T) {
	t.Parallel() // curl does not close, so the server does, after a while
	s := newServer(t)
	s.start(curlSites)
	for _, scheme := range []string{"https", "http"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			c := s.curl(t, scheme+"://app.onecharge.io/app/nobodys-key")
			c.expectLine("HTTP/1.1 101 Switching Protocols")
			if code := c.wait(); code != 0 {
				t.Errorf("curl ended with %d, expected 0", code)
			}
			const errorFrame = `{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist"}}`
			const closeFrame = "\x0f\xa1Application does not exist" // 0x0fa1 is 4001
			if said := c.text(); !strings.Contains(said, errorFrame) || !strings.HasSuffix(said, closeFrame) {
				t.Errorf("found %q, expected the frame %s and close code 4001 at the end", said, errorFrame)
			}
		})
	}
}
