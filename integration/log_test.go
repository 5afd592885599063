package integration

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// loggedSite has an access log.
const loggedSite = `
:{$PORT} {
	log
	pusher_hub {
		drain 100ms
	}
	respond "application"
}
`

// isAccess reports whether a line of the access log is about that path.
func isAccess(l logLine, path string) bool {
	request, _ := l["request"].(map[string]any)
	uri, _ := request["uri"].(string)
	return l.text("msg") == "handled request" && strings.HasPrefix(uri, path)
}

func TestAccessLogHasOneLinePerSocketWhenItConnects(t *testing.T) {
	s := startServer(t, loggedSite)
	const sockets = 3
	for i := range sockets {
		c := s.site().Dial(t)
		var lines []logLine
		// the line has to come while the socket is open and in use
		hubtest.Eventually(t, "a line for the socket", func() bool {
			lines = s.logLines(func(l logLine) bool { return isAccess(l, "/app/"+appKey) })
			return len(lines) > i
		})
		c.ExpectQuiet()
		if status := lines[i]["status"]; status != float64(http.StatusSwitchingProtocols) {
			t.Errorf("found status %v, expected 101", status)
		}
		c.Close()
	}
	// what the ends of the sockets write would stand before the line of a later request
	get(t, s.url()+"/later")
	s.expectLog("the later request", func(l logLine) bool { return isAccess(l, "/later") })
	if lines := s.logLines(func(l logLine) bool { return isAccess(l, "/app/") }); len(lines) != sockets {
		t.Errorf("found %d lines for %d sockets: %v", len(lines), sockets, lines)
	}
}

func TestNoDataRaceWithLogsAndMetrics(t *testing.T) {
	s := newServer(t)
	s.Binary = caddyRaceBinary(t)
	s.Globals = "metrics {\n\t\tper_host\n\t}\n\tdebug"
	sites := loggedSite + apiSite + `
https://app.onecharge.io {
	tls internal
	log
	encode
	pusher_hub
	respond "application"
}
`
	s.start(sites)

	var clients sync.WaitGroup
	for worker := range 4 {
		clients.Go(func() { churn(t, s, worker%2 == 0, 12) })
	}
	for n := range 120 {
		s.api().Publish("news", "tick", strconv.Itoa(n))
		if n%40 == 0 {
			if said, err := s.reload(sites); err != nil {
				t.Errorf("reloading: %v\n%s", err, said)
			}
			if res := s.admin("/metrics"); res.StatusCode != http.StatusOK {
				t.Errorf("metrics: found %s", res.Status)
			}
		}
	}
	clients.Wait()

	left := s.site().Dial(t) // for the drain to close
	s.signal(syscall.SIGTERM)
	left.ExpectClose(pusherhub.CodeReconnect)
	if code := s.wait(); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0 (66: data races)", code)
	}
	if strings.Contains(s.text(), "DATA RACE") {
		t.Error("the race detector found something, see Caddy's log")
	}
}

// churn opens sockets, talks and closes them in all ways that there are. It runs beside the test, so it reports
// errors and does not stop the test.
func churn(t *testing.T, s *server, secure bool, rounds int) {
	url := s.url()
	options := &websocket.DialOptions{}
	if secure {
		url = fmt.Sprintf("https://127.0.0.1:%d", s.tlsPort)
		options.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			ServerName:         "app.onecharge.io",
			InsecureSkipVerify: true, // Caddy's own certificate
		}}}
		options.Host = "app.onecharge.io"
	}
	for round := range rounds {
		ws, _, err := websocket.Dial(t.Context(), url+"/app/"+appKey, options)
		if err != nil {
			t.Errorf("connecting to %s: %v", url, err)
			return
		}
		talk := func(text string) {
			if err := ws.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
				t.Errorf("writing: %v", err)
			}
		}
		talk(hubtest.SubscribeFrame("news", "", ""))
		for range 4 { // the greeting, the subscription, and events if any
			talk(`{"event":"pusher:ping"}`)
			if _, _, err := ws.Read(t.Context()); err != nil {
				t.Errorf("reading: %v", err)
				return
			}
		}
		switch round % 3 {
		case 0:
			_ = ws.Close(websocket.StatusNormalClosure, "")
		case 1:
			_ = ws.CloseNow() // as a phone does in a tunnel
		case 2:
			talk("not JSON") // and then leave without reading the answer
			_ = ws.CloseNow()
		}
	}
}
