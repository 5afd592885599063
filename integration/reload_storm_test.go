package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// storm is a server under steady load while its config changes.
type storm struct {
	*server

	channels    []*stormChannel
	subscribers []*stormSubscriber
	client      *http.Client
	repeated    atomic.Int64 // requests that Caddy had dropped
	readers     sync.WaitGroup
	over        atomic.Bool // from here on sockets may end
	trouble     chan error  // what went wrong, the first time
}

// stormChannel has one publisher, so its events have numbers without a gap.
type stormChannel struct {
	name      string
	published atomic.Int64 // events that the API has accepted
}

// stormSubscriber notes how many events of its channel it has got.
type stormSubscriber struct {
	*hubtest.Client

	channel *stormChannel
	got     atomic.Int64
}

func (s *storm) fail(format string, args ...any) {
	select {
	case s.trouble <- fmt.Errorf(format, args...):
	default:
	}
}

// startStorm starts a server with so many subscribers spread over the channels.
func startStorm(t *testing.T, sites string, channels, subscribers int) *storm {
	s := &storm{
		server:  startServer(t, sites),
		client:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: hubtest.Patience},
		trouble: make(chan error, 1),
	}
	for i := range channels {
		s.channels = append(s.channels, &stormChannel{name: "drivers-" + strconv.Itoa(i)})
	}
	for i := range subscribers {
		sub := &stormSubscriber{Client: s.site().Dial(t), channel: s.channels[i%channels]}
		sub.Subscribe(sub.channel.name)
		s.subscribers = append(s.subscribers, sub)
		s.readers.Go(func() { s.read(sub) })
	}
	t.Cleanup(func() {
		s.over.Store(true)
		for _, sub := range s.subscribers {
			_ = sub.WS.CloseNow()
		}
		s.readers.Wait()
	})
	return s
}

// read reads until the storm is over: each number once and in order, and no end.
func (s *storm) read(sub *stormSubscriber) {
	for {
		_, text, err := sub.WS.Read(context.Background())
		if s.over.Load() {
			return
		}
		if err != nil {
			s.fail("a socket on %s was closed: %w", sub.channel.name, err)
			return
		}
		var f hubtest.Frame
		if err := json.Unmarshal(text, &f); err != nil || f.Event != "moved" || f.Text() != strconv.FormatInt(sub.got.Load()+1, 10) {
			s.fail("a subscriber of %s found %s after event %d", sub.channel.name, text, sub.got.Load())
			return
		}
		sub.got.Add(1)
	}
}

// publish publishes numbers at a steady rate until stop is closed. Each request has a connection of its own, as those of php-fpm
// have.
func (s *storm) publish(c *stormChannel, stop <-chan struct{}) {
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
		case <-stop:
			return
		}
		n := c.published.Load() + 1
		if err := s.post(fmt.Sprintf(`{"name":"moved","channel":%q,"data":"%d"}`, c.name, n)); err != nil {
			s.fail("publishing: %w", err)
			return
		}
		c.published.Store(n)
	}
}

// post publishes an event. Of the requests that come in the very moment of a reload Caddy, whatever it serves, drops some before
// anybody has seen them (Go's http.Server does when it shuts down, the kernel when a listener closes), so these are repeated. An event
// that was delivered all the same would come twice.
func (s *storm) post(body string) (err error) {
	for range 5 {
		var res *http.Response
		res, err = s.client.Post(s.api().SignedURL(http.MethodPost, "/apps/"+appID+"/events", body, nil), "application/json", strings.NewReader(body))
		if err != nil {
			s.repeated.Add(1)
			continue
		}
		answer, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("found %s %s", res.Status, answer)
		}
		return nil
	}
	return err
}

// check fails the test if something went wrong so far.
func (s *storm) check() {
	s.t.Helper()
	select {
	case err := <-s.trouble:
		s.t.Fatal(err)
	default:
	}
}

// stormConfig is the app of the environment written out, with one of two settings of everything that a reload may change.
func stormConfig(changed bool) string {
	options, secret := "max_connections 5000\n\t\tmax_message_size 20000", appSecret
	if changed {
		options = "max_connections 6000\n\t\tactivity_timeout 20s\n\t\tallowed_origins *\n\t\tcompression on"
		secret = "next-" + appSecret + " " + appSecret
	}
	return fmt.Sprintf(`
:{$PORT} {
	log
	pusher_hub {
		drain 100ms
		%s
		app %s {
			key %s
			secret %s
		}
	}
	respond "application"
}
`, options, appID, appKey, secret) + apiSite
}

// Whatever is loaded, good or bad, changed or not: no socket ends, and every event reaches every subscriber once and in order.
func TestReloadsUnderLoadLoseNothing(t *testing.T) {
	const reloads = 50
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	portInUse := "http://" + taken.Addr().String() + " {\n\tbind 127.0.0.1\n}\n"

	s := startStorm(t, stormConfig(false), 20, 2000)
	stop := make(chan struct{})
	var publishers sync.WaitGroup
	for _, c := range s.channels {
		publishers.Go(func() { s.publish(c, stop) })
	}
	refused := func(sites, why string) {
		t.Helper()
		if said, err := s.reload(sites); err == nil || !strings.Contains(said, why) {
			t.Fatalf("found error %v and %q, expected a refusal that says %q", err, said, why)
		}
	}
	accepted := func(sites string) {
		t.Helper()
		if said, err := s.reload(sites); err != nil {
			t.Fatalf("reloading: %v\n%s", err, said)
		}
	}
	var memory int64
	var routines int
	for i := range reloads {
		switch i % 5 {
		case 0:
			accepted(stormConfig(true))
			next := s.api()
			next.App.Secret = "next-" + appSecret
			if status, answer, _ := next.Do(http.MethodGet, "/connections", "", nil); status != http.StatusOK {
				t.Fatalf("the new secret: found %d %s", status, answer)
			}
		case 1:
			refused(strings.Replace(stormConfig(false), "max_message_size", "max_mesage_size", 1), "did you mean")
		case 2:
			refused(stormConfig(false)+portInUse, "address already in use")
		case 3:
			accepted(stormConfig(false))
		case 4:
			s.Globals = fmt.Sprintf("log {\n\t\tlevel %s\n\t}", []string{"INFO", "DEBUG"}[i%2])
			accepted(stormConfig(false)) // only the log changes
		}
		s.check()
		if i == 9 {
			memory, routines = s.residentMemory(), s.goroutines()
		}
	}
	grown, more := s.residentMemory()-memory, s.goroutines()-routines
	close(stop)
	publishers.Wait()
	events := int64(0)
	for _, c := range s.channels {
		events += c.published.Load()
	}
	hubtest.Eventually(t, "every event has reached every subscriber", func() bool {
		s.check()
		for _, sub := range s.subscribers {
			if sub.got.Load() != sub.channel.published.Load() {
				return false
			}
		}
		return true
	})
	s.check()
	t.Logf("%d events in %d channels, %d subscribers, %d reloads, %d requests repeated; after the tenth reload: %+d KB, %+d goroutines",
		events, len(s.channels), len(s.subscribers), reloads, s.repeated.Load(), grown>>10, more)
	if grown > 20<<20 {
		t.Errorf("Caddy grew by %d KB in %d reloads", grown>>10, reloads-10)
	}
	if more > 50 { // requests are under way
		t.Errorf("found %d more goroutines after %d reloads", more, reloads-10)
	}
	if _, body, _ := s.api().Do(http.MethodGet, "/connections", "", nil); body != fmt.Sprintf(`{"connections":%d}`, len(s.subscribers)) {
		t.Errorf("found %s, expected %d", body, len(s.subscribers))
	}
}
