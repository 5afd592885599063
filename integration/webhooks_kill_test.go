package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const (
	kills       = 20
	roomsOfLoad = 6  // with two members each, of whom one sends all the time
	inFlight    = 48 // events of a room that its other member has not seen yet
)

// load is what clients of a server that is killed again and again sent, and what they heard of it.
type load struct {
	mu   sync.Mutex
	seen []string // guarded by mu: webhooks that must come, because somebody was told of what they tell
	sent int      // guarded by mu
}

// saw notes that somebody was told of what the webhook tells.
func (l *load) saw(hook string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, hook)
}

// With a spool nothing that anybody saw is lost, however often the process is killed: each event of a client that reached another one,
// each channel and member whose subscription was confirmed. What they left open when the process died is told as ended.
func TestWebhooksSurviveKill9(t *testing.T) {
	r := newReceiver(t)
	sites := sitesWithWebhooks(r.URL, "spool {$DIR}/webhooks", "hold 500ms")
	s := newServer(t)
	var all load
	for round := range kills {
		s.start(sites)
		all.round(t, s, round)
		s.wait()
	}
	s.start(sites) // to deliver what is left

	var missing string
	defer func() {
		if missing != "" {
			t.Errorf("missing: %s", missing)
		}
	}()
	r.await("every event", func() bool {
		told := make(map[string]bool)
		for _, e := range r.events() {
			told[e.String()] = true
		}
		for _, hook := range all.seen {
			if !told[hook] {
				missing = hook
				return false
			}
			if ended := endOf(hook); ended != "" && !told[ended] {
				missing = ended
				return false
			}
		}
		missing = ""
		return true
	})
	repeated := expectOrder(t, r.events())
	t.Logf("%d kills: clients sent %d events, and saw %d events, members and channels; %d webhook requests brought %d events, %d of them again",
		kills, all.sent, len(all.seen), len(r.taken()), len(r.events()), repeated)
	if len(all.seen) < kills*100 {
		t.Errorf("only %d things were seen: that is no load", len(all.seen))
	}
}

// round lets clients talk until they have seen a while of it, kills the server and reads what is still in the sockets.
func (l *load) round(t *testing.T, s *server, round int) {
	t.Helper()
	enough := make(chan struct{}) // closed when enough was seen
	count, limit := 0, 100+rand.IntN(600)
	var mu sync.Mutex
	progress := func() {
		mu.Lock()
		defer mu.Unlock()
		if count++; count == limit {
			close(enough)
		}
	}
	dead := make(chan struct{})
	var clients sync.WaitGroup
	hub := s.site()
	for i := range roomsOfLoad {
		room := fmt.Sprintf("presence-%d-%d", round, i)
		listener := hub.Join(t, room, `{"user_id":"listener"}`)
		l.saw("channel_occupied " + room)
		l.saw("member_added " + room + " listener")
		sender := hub.Join(t, room, `{"user_id":"sender"}`)
		l.saw("member_added " + room + " sender")

		tokens := make(chan struct{}, inFlight)
		for range inFlight {
			tokens <- struct{}{}
		}
		clients.Go(func() { l.listen(t, listener, room, tokens, progress) })
		clients.Go(func() { l.send(t, sender, room, tokens, dead) })
	}
	<-enough
	s.signal(syscall.SIGKILL)
	<-s.exited
	close(dead)
	clients.Wait()
}

// listen reads to the end of a socket what the room's sender sent.
func (l *load) listen(t *testing.T, c *hubtest.Client, room string, tokens chan<- struct{}, progress func()) {
	for {
		_, text, err := c.WS.Read(t.Context())
		if err != nil {
			return
		}
		var f struct{ Event, Data string }
		if json.Unmarshal(text, &f) != nil || f.Event != "client-n" {
			continue
		}
		l.saw("client_event " + room + " sender client-n " + f.Data)
		progress()
		tokens <- struct{}{}
	}
}

// send sends numbered events until the server is dead.
func (l *load) send(t *testing.T, c *hubtest.Client, room string, tokens <-chan struct{}, dead <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-tokens:
		case <-dead:
			return
		}
		if c.WS.Write(t.Context(), 1, []byte(hubtest.EventFrame("client-n", room, fmt.Sprint(n)))) != nil {
			return
		}
		l.mu.Lock()
		l.sent++
		l.mu.Unlock()
	}
}

// endOf returns the webhook that follows when what another told is over; empty if nothing does.
func endOf(hook string) string {
	if channel, found := strings.CutPrefix(hook, "channel_occupied "); found {
		return "channel_vacated " + channel
	}
	if member, found := strings.CutPrefix(hook, "member_added "); found {
		return "member_removed " + member
	}
	return ""
}

// expectOrder makes sure that events come in the order in which they happened, if those are left out that came before: a request that a kill cut off
// is sent again. It returns how many those are.
func expectOrder(t *testing.T, events []hookEvent) (repeated int) {
	t.Helper()
	told := make(map[string]bool)
	next := make(map[string]int) // by room: the number of the sender's next event
	for _, e := range events {
		text := e.String()
		if told[text] {
			repeated++
			continue
		}
		told[text] = true
		room := e.text("channel")
		switch e.text("name") {
		case "client_event":
			if number := fmt.Sprint(next[room]); e.text("data") != number {
				t.Errorf("found %s, expected number %s", text, number)
			}
			next[room]++
		case "member_added":
			if !told["channel_occupied "+room] {
				t.Errorf("found %s before the channel was occupied", text)
			}
		case "channel_vacated", "member_removed":
			begun := strings.NewReplacer("channel_vacated", "channel_occupied", "member_removed", "member_added").Replace(text)
			if !told[begun] {
				t.Errorf("found %s, but not before it %s", text, begun)
			}
		}
	}
	return repeated
}
