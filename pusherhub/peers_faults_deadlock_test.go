package pusherhub_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// sockudo, Centrifuge: deadlocks, concurrent maps, panics while something is being closed. Everything that takes a lock happens at
// once: sockets, requests, new settings with a new broker each time, statistics. A watchdog looks on.
func TestPeersFaultsDeadlocks(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{Watchlist: new(true), CacheTTL: pusherhub.Duration(50 * time.Millisecond), MaxQueue: 64 << 10})
	var working sync.WaitGroup
	var steps atomic.Int64
	repeat := func(times int, seed uint64, act func(*rand.Rand)) {
		random := rand.New(rand.NewPCG(5, seed))
		working.Go(func() {
			for range times {
				act(random)
				steps.Add(1)
			}
		})
	}
	for worker := range uint64(6) {
		repeat(60, worker, func(random *rand.Rand) { crowdedVisit(t, s, random) })
	}
	for worker := range uint64(3) {
		repeat(150, 10+worker, func(random *rand.Rand) { crowdedRequest(t, s, random) })
	}
	repeat(100, 20, func(*rand.Rand) { reapply(t, s) })
	repeat(2000, 21, func(*rand.Rand) { s.Hub.Stats() })

	done := make(chan struct{})
	go func() { working.Wait(); close(done) }()
	for last := int64(-1); ; {
		watchdog := time.NewTimer(hubtest.Patience)
		select {
		case <-done:
			watchdog.Stop()
			return
		case <-watchdog.C:
			if now := steps.Load(); now != last {
				last = now
				continue
			}
			stacks := make([]byte, 1<<20)
			t.Fatalf("nothing moves any more:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// crowdedVisit does as many different things on one socket as it can. The socket may be terminated at any moment.
func crowdedVisit(t *testing.T, s *hubtest.Server, random *rand.Rand) {
	raw := s.DialRaw(t, "/app/"+s.App.Key)
	defer raw.Close()
	id := &hubtest.Client{SocketID: socketID(t, raw.Expect("pusher:connection_established"))}
	user := fmt.Sprint(random.IntN(4))
	member := `{"user_id":"` + user + `"}`
	send := func(text string) { _ = raw.TrySend(hubtest.ClientFrame(hubtest.Fin|hubtest.OpText, []byte(text))) }
	channel := []string{"crowd", "cache-crowd", "presence-crowd", "presence-cache-crowd", "#server-to-user-" + user}[random.IntN(5)]

	send(s.SigninFrame(id, `{"id":"`+user+`","watchlist":["0","1","2","3"]}`))
	for range 3 {
		send(hubtest.SubscribeFrame(channel, s.Auth(id, channel, member), member))
		send(`{"event":"client-e","channel":"` + channel + `","data":{}}`)
		if random.IntN(2) == 0 {
			send(`{"event":"pusher:unsubscribe","data":{"channel":"` + channel + `"}}`)
		}
	}
	send(`{"event":"pusher:ping"}`)
	for {
		_ = raw.SetReadDeadline(time.Now().Add(hubtest.Patience))
		frame, err := raw.ReadFrame()
		if err != nil {
			return // terminated
		}
		var f hubtest.Frame
		if frame.First == hubtest.Fin|hubtest.OpText && json.Unmarshal(frame.Payload, &f) != nil {
			t.Errorf("found %v", frame)
		}
		if f.Event == "pusher:pong" {
			return
		}
	}
}

func crowdedRequest(t *testing.T, s *hubtest.Server, random *rand.Rand) {
	const everywhere = `"channels":["crowd","cache-crowd","presence-crowd","presence-cache-crowd","#server-to-user-1"],"info":"user_count,subscription_count"`
	r := []struct{ method, path, body string }{
		{http.MethodPost, "/events", `{"name":"e","data":"x",` + everywhere + `}`},
		{http.MethodPost, "/batch_events", `{"batch":[{"name":"e","data":"x","channel":"cache-crowd"},{"name":"f","data":"y","channel":"presence-crowd","info":"user_count"}]}`},
		{http.MethodPost, fmt.Sprintf("/users/%d/terminate_connections", random.IntN(4)), "{}"},
		{http.MethodGet, "/channels", ""},
		{http.MethodGet, "/channels/cache-crowd", ""},
		{http.MethodGet, "/channels/presence-crowd/users", ""},
		{http.MethodGet, "/connections", ""},
	}[random.IntN(7)]
	switch status, answer, _ := s.Do(r.method, r.path, r.body, nil); status {
	case http.StatusOK, http.StatusServiceUnavailable: // the latter while the broker is being exchanged
	default:
		t.Errorf("%s %s: found %d %s", r.method, r.path, status, answer)
	}
}

func reapply(t *testing.T, s *hubtest.Server) {
	app, err := pusherhub.NewApp(s.App)
	if err != nil {
		t.Error(err)
		return
	}
	settings, err := pusherhub.NewSettings(pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: pusherhub.NewMemoryBroker()})
	if err == nil {
		err = s.Hub.Apply(settings)
	}
	if err != nil {
		t.Error(err)
	}
}
