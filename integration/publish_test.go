package integration

import (
	"io"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// recorder stands between a publisher and the loopback listener and keeps what the publisher sends, byte by byte.
type recorder struct {
	port int

	mu          sync.Mutex
	sent        []byte // guarded by mu
	connections int    // guarded by mu
}

func newRecorder(t *testing.T, target string) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	r := &recorder{port: l.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			r.mu.Lock()
			r.connections++
			r.mu.Unlock()
			go r.forward(t, from, target)
		}
	}()
	return r
}

func (r *recorder) forward(t *testing.T, from net.Conn, target string) {
	defer from.Close()
	to, err := net.Dial("tcp", target)
	if err != nil {
		t.Errorf("connecting to the hub: %v", err)
		return
	}
	go func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}()
	_, _ = io.Copy(to, io.TeeReader(from, r)) // ends when the publisher hangs up
	_ = to.Close()
}

// Write takes a piece of what the publisher sent.
func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, p...)
	return len(p), nil
}

// publishRequest is what pusher-http-php 7.2.6 over Guzzle sends: its parameters, headers and members, in its order.
var publishRequest = regexp.MustCompile(`^` + strings.ReplaceAll(
	`POST /apps/app-id/events\?auth_key=`+appKey+`&auth_timestamp=\d{10}&auth_version=1\.0&body_md5=[0-9a-f]{32}&auth_signature=[0-9a-f]{64} HTTP/1\.1
Host: 127\.0\.0\.1:(\d+)
User-Agent: GuzzleHttp/7
Content-Type: application/json
X-Pusher-Library: pusher-http-php 7\.2\.6
Content-Length: (\d+)

`, "\n", "\r\n") + `\{"name":"driver\.moved","data":"\{\\"id\\":\d+,[^{}]*\}","channel":"drivers"\}$`)

func TestDemoPublishesAsPusherHTTPPHPDoes(t *testing.T) {
	s := startServer(t, publicSite+apiSite)
	c := s.site().Dial(t)
	c.Subscribe("drivers")

	proxy := newRecorder(t, "127.0.0.1:"+strconv.Itoa(s.apiPort))
	const events = 3
	cmd := exec.Command("php", demoFile(t, "publish.php"), "--count="+strconv.Itoa(events), "--interval=0.01", "--drivers=2")
	cmd.Env = append(s.environ(), "REVERB_HOST=127.0.0.1", "REVERB_PORT="+strconv.Itoa(proxy.port), "REVERB_SCHEME=http")
	p := startProcess(t, "publish.php", cmd)
	p.expectLine("published " + strconv.Itoa(events) + " positions")
	if code := p.wait(); code != 0 {
		t.Errorf("publish.php ended with %d", code)
	}
	for range events {
		if f := c.Expect("driver.moved"); !strings.HasPrefix(f.Text(), `{"id":`) {
			t.Errorf("found %s, expected a position in a string", f.Raw)
		}
	}

	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	requests := strings.SplitAfter(string(proxy.sent), `"channel":"drivers"}`)
	if requests = requests[:len(requests)-1]; len(requests) != events || proxy.connections != 1 {
		t.Errorf("found %d requests on %d connections, expected %d on one", len(requests), proxy.connections, events)
	}
	for _, request := range requests {
		parts := publishRequest.FindStringSubmatch(request)
		if parts == nil {
			t.Errorf("found %q, expected what the SDK sends", request)
			continue
		}
		_, body, _ := strings.Cut(request, "\r\n\r\n")
		if parts[1] != strconv.Itoa(proxy.port) || parts[2] != strconv.Itoa(len(body)) {
			t.Errorf("found Host port %s and Content-Length %s for %d bytes", parts[1], parts[2], len(body))
		}
	}
}

// A publisher whose hub is not there must say so in words, not hang.
func TestDemoPublisherSaysThatTheHubIsNotThere(t *testing.T) {
	s := newServer(t)
	cmd := exec.Command("php", demoFile(t, "publish.php"), "--count=1")
	cmd.Env = append(s.environ(), "REVERB_PORT="+strconv.Itoa(s.apiPort))
	p := startProcess(t, "publish.php", cmd)
	p.expectLine("cannot be reached")
	if code := p.waitFor(hubtest.Patience); code == 0 {
		t.Error("publish.php ended with 0, expected a failure")
	}
}
