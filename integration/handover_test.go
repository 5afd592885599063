package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// crowdLine is what clients/crowd.mjs says.
type crowdLine struct {
	Client int    `json:"client"`
	At     int64  `json:"at"`
	State  string `json:"state"`
	Event  string `json:"event"`
}

// crowd is a process with many pusher-js clients.
type crowd struct {
	*process

	clients int
}

func startCrowd(t *testing.T, url string, clients int) *crowd {
	t.Helper()
	cmd := exec.Command("node", "crowd.mjs", strconv.Itoa(clients))
	cmd.Dir = "clients"
	cmd.Env = append(cmd.Environ(), append(environmentApp, "HUB_URL="+url)...)
	return &crowd{startProcess(t, "node", cmd), clients}
}

// lines returns what was said since the byte from, and where the next begins.
func (c *crowd) lines(from int) (lines []crowdLine, next int) {
	text := c.text()[from:]
	for line := range strings.Lines(text) {
		var l crowdLine
		if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &l) != nil {
			break
		}
		from += len(line)
		lines = append(lines, l)
	}
	return lines, from
}

// expect waits until every client has said what match accepts, and returns when each did so first.
func (c *crowd) expect(t *testing.T, what string, from int, match func(crowdLine) bool) map[int]time.Time {
	t.Helper()
	when := make(map[int]time.Time)
	hubtest.Eventually(t, fmt.Sprintf("%d clients: %s", c.clients, what), func() bool {
		var lines []crowdLine
		lines, from = c.lines(from)
		for _, l := range lines {
			if _, known := when[l.Client]; !known && match(l) {
				when[l.Client] = time.UnixMilli(l.At)
			}
		}
		return len(when) == c.clients
	})
	return when
}

// A deploy as platforms do it: the new server runs, the edge sends newcomers there, the old one gets SIGTERM.
func TestDeployHandsPusherJSClientsOver(t *testing.T) {
	const clients, slot = 200, 500 * time.Millisecond
	defaults := strings.Replace(publicSite, "drain 100ms", "", 1) + apiSite // the drain is 6 s
	before, after := startServer(t, defaults), startServer(t, defaults)
	edge := newTap(t, before.port)
	everybody := startCrowd(t, edge.url(), clients)
	everybody.expect(t, "subscribed", 0, func(l crowdLine) bool { return l.State == "subscribed" })

	_, mark := everybody.lines(0)
	edge.turnTo(after.port)
	began := time.Now()
	before.signal(syscall.SIGTERM)
	if code := before.wait(); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("the exit took %v, expected at most 9 s", took)
	}
	moved := everybody.expect(t, "connected again", mark, func(l crowdLine) bool { return l.State == "connected" })

	histogram := make(map[time.Duration]int)
	var last time.Duration
	for _, at := range moved {
		into := at.Sub(began).Truncate(slot)
		histogram[into]++
		last = max(last, into)
	}
	for into := time.Duration(0); into <= last; into += slot {
		t.Logf("%4.1f s %s %d", into.Seconds(), strings.Repeat("#", histogram[into]/2), histogram[into])
		if histogram[into] > clients/4 {
			t.Errorf("%d of %d clients came back within half a second", histogram[into], clients)
		}
	}
	if last < 4*time.Second {
		t.Errorf("all clients were back after %v, expected them spread over the drain of 6 s", last)
	}
	everybody.expect(t, "subscribed again", mark, func(l crowdLine) bool { return l.State == "subscribed" })
	if _, body, _ := after.api().Do(http.MethodGet, "/connections", "", nil); body != fmt.Sprintf(`{"connections":%d}`, clients) {
		t.Errorf("the new server says %s, expected %d", body, clients)
	}
	_, mark = everybody.lines(mark)
	after.api().Publish("news", "headline", "1")
	everybody.expect(t, "told", mark, func(l crowdLine) bool { return l.Event == "headline" })
}
