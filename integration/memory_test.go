package integration

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// residentMemory returns the bytes that the server occupies, after a garbage collection.
func (s *server) residentMemory() int64 {
	s.t.Helper()
	if _, err := io.Copy(io.Discard, s.admin("/debug/pprof/heap?gc=1").Body); err != nil {
		s.t.Fatal(err)
	}
	f, err := os.Open("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); fields[0] == "VmRSS:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	s.t.Fatal("the kernel does not say how much memory Caddy has")
	return 0
}

var goroutineTotal = regexp.MustCompile(`^goroutine profile: total (\d+)`)

// goroutines returns the number of the server's goroutines.
func (s *server) goroutines() int {
	s.t.Helper()
	profile, err := io.ReadAll(s.admin("/debug/pprof/goroutine?debug=1").Body)
	if err != nil {
		s.t.Fatal(err)
	}
	total := goroutineTotal.FindSubmatch(profile)
	if total == nil {
		s.t.Fatalf("found no number of goroutines in %.100s", profile)
	}
	n, _ := strconv.Atoi(string(total[1]))
	return n
}

func TestIdleSocketsTakeLittleMemoryAndLeaveNothingBehind(t *testing.T) {
	s := startServer(t, publicSite+apiSite)
	const sockets = 2000
	hub := s.api()
	for range 50 { // what one-time work allocates is there already
		c := hubtest.At(t, s.url(), hub.App).DialRaw(t, "/app/"+appKey)
		c.Expect("pusher:connection_established")
		_ = c.Close()
	}
	connections := func() string {
		_, body, _ := hub.Do(http.MethodGet, "/connections", "", nil)
		return body
	}
	hubtest.Eventually(t, "the first sockets are gone", func() bool { return connections() == `{"connections":0}` })
	memory, routines := s.residentMemory(), s.goroutines()

	var open []*hubtest.Raw
	for range sockets {
		c := s.site().DialRaw(t, "/app/"+appKey)
		c.Expect("pusher:connection_established")
		c.SendText(hubtest.SubscribeFrame("drivers", "", ""))
		c.Expect("pusher_internal:subscription_succeeded")
		open = append(open, c)
	}
	if found := connections(); found != `{"connections":2000}` {
		t.Errorf("found %s, expected 2000", found)
	}
	each := (s.residentMemory() - memory) / sockets
	t.Logf("%d bytes for each idle, subscribed socket", each)
	if each > 40<<10 {
		t.Errorf("found %d bytes for each idle socket, expected at most 40 KB", each)
	}
	if found := s.goroutines() - routines; found > sockets+20 {
		t.Errorf("found %d goroutines for %d sockets, expected one each", found, sockets)
	}

	for _, c := range open {
		_ = c.Close()
	}
	hubtest.Eventually(t, "the sockets are gone", func() bool { return connections() == `{"connections":0}` })
	hubtest.Eventually(t, "their goroutines are gone", func() bool { return s.goroutines() <= routines+5 })
}
