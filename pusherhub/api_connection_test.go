package pusherhub_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// wire is one HTTP/1.1 connection to the API on which a test writes what it likes.
type wire struct {
	*hubtest.Raw
	t  testing.TB
	in *bufio.Reader
}

func dialWire(t testing.TB, s *hubtest.Server) wire {
	raw := s.DialTCP(t)
	return wire{raw, t, bufio.NewReader(raw.Conn)}
}

// head is a signed POST /events for body up to the empty line, with more header lines.
func (w wire) head(s *hubtest.Server, body string, header ...string) string {
	target := strings.TrimPrefix(s.SignedURL("POST", "/apps/app-id/events", body, nil), s.URL)
	lines := append([]string{"POST " + target + " HTTP/1.1", "Host: hub.example"}, header...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func (w wire) expect(status int, answer string) *http.Response {
	w.t.Helper()
	res, err := http.ReadResponse(w.in, nil)
	if err != nil {
		w.t.Fatalf("waiting for an answer: %v", err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("reading an answer: %v", err)
	}
	if res.StatusCode != status || string(text) != answer {
		w.t.Fatalf("found %d %s, expected %d %s", res.StatusCode, text, status, answer)
	}
	return res
}

func TestConnections(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{MaxRequestSize: 1 << 10})

	t.Run("T56 keep-alive keeps the order", func(t *testing.T) {
		c := s.Dial(t)
		c.Subscribe("ordered")
		w := dialWire(t, s)
		const n = 200
		var requests strings.Builder // pipelined: nothing waits for an answer
		for i := range n {
			body := fmt.Sprintf(`{"name":"e","channel":"ordered","data":"%d"}`, i)
			requests.WriteString(w.head(s, body, fmt.Sprintf("Content-Length: %d", len(body))) + body)
		}
		w.Send(requests.String())
		for range n {
			w.expect(200, "{}")
		}
		for i := range n {
			c.ExpectRaw(fmt.Sprintf(`{"event":"e","channel":"ordered","data":"%d"}`, i))
		}
	})

	t.Run("T56 keep-alive goes on after a refusal", func(t *testing.T) {
		w := dialWire(t, s)
		w.Send(w.head(s, oneEvent, "Content-Length: 2") + "{}")
		w.expect(401, signatureInvalid)
		w.Send(w.head(s, oneEvent, fmt.Sprintf("Content-Length: %d", len(oneEvent))) + oneEvent)
		w.expect(200, "{}")
	})

	t.Run("T56 Expect", func(t *testing.T) {
		w := dialWire(t, s)
		w.Send(w.head(s, oneEvent, fmt.Sprintf("Content-Length: %d", len(oneEvent)), "Expect: 100-continue"))
		for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
			if line, err := w.in.ReadString('\n'); err != nil || line != want {
				t.Fatalf("found %q %v, expected %q", line, err, want)
			}
		}
		w.Send(oneEvent)
		w.expect(200, "{}")
	})

	t.Run("T56 Expect of a body that is too large", func(t *testing.T) {
		w := dialWire(t, s)
		w.Send(w.head(s, "x", "Content-Length: 1025", "Expect: 100-continue"))
		w.expect(413, "Payload too large.") // and nobody sends it
	})

	t.Run("T56 chunked bodies", func(t *testing.T) {
		w := dialWire(t, s)
		w.Send(w.head(s, oneEvent, "Transfer-Encoding: chunked") + "5\r\n" + oneEvent[:5] + "\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(oneEvent)-5, oneEvent[5:]))
		w.expect(200, "{}")
		w.Send(w.head(s, "x", "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 1025, strings.Repeat("x", 1025)))
		w.expect(413, "Payload too large.")
	})

	t.Run("T56 no Content-Type, any Content-Type", func(t *testing.T) {
		w := dialWire(t, s)
		for _, header := range []string{"X-Pusher-Library: pusher-http-ruby 2.0.3", "Content-Type: application/json", "Content-Type: text/plain", "Content-Type: ;"} {
			w.Send(w.head(s, oneEvent, header, fmt.Sprintf("Content-Length: %d", len(oneEvent))) + oneEvent)
			w.expect(200, "{}")
		}
	})

	t.Run("T56 two publishers keep their own order", func(t *testing.T) {
		c := s.Dial(t)
		c.Subscribe("busy")
		const n = 100
		var publishers sync.WaitGroup
		for p := range 2 {
			publishers.Go(func() {
				for i := range n {
					s.Publish("busy", fmt.Sprintf("p%d", p), fmt.Sprint(i))
				}
			})
		}
		next := map[string]int{}
		for range 2 * n {
			f := c.Next()
			if want := fmt.Sprint(next[f.Event]); f.Text() != want {
				t.Fatalf("found %s, expected data %s", f.Raw, want)
			}
			next[f.Event]++
		}
		publishers.Wait()
	})
}
