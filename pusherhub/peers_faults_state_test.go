package pusherhub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Faults of what servers remember: presence, caches, sockets that are going.
func TestPeersFaultsOfState(t *testing.T) {
	t.Run("soketi: a client that closes with 4200 stays in presence", func(t *testing.T) {
		s := hostileServer(t, pusherhub.AppConfig{})
		watcher := s.Join(t, "presence-room", `{"user_id":"watcher"}`)
		guest := s.Join(t, "presence-room", `{"user_id":"guest"}`)
		watcher.Expect("pusher_internal:member_added")
		_ = guest.WS.Close(4200, "")
		watcher.Expect("pusher_internal:member_removed")
		if ids := usersOf(t, s, "presence-room"); len(ids) != 1 {
			t.Errorf("found users %v", ids)
		}
		watcher.Close()
	})

	t.Run("Reverb: a refused socket stays usable", func(t *testing.T) {
		seen := &subscribeLog{}
		s := hostileServer(t, pusherhub.AppConfig{MaxConnections: 1, Plugins: []pusherhub.Plugin{seen}}) // which the bystander has
		r := s.DialRaw(t, "/app/"+s.App.Key)
		r.SendText(hubtest.SubscribeFrame("news", "", ""))
		r.ExpectClose(4004)
		r.ExpectEnd()
		if !seen.has("bystander") || seen.has("news") {
			t.Error("the refused socket has subscribed")
		}
	})

	t.Run("Reverb: whispers by anybody", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		member := s.Dial(t)
		member.SubscribeWith("private-a", s.Auth(member, "private-a", ""), "")
		stranger := s.Dial(t)
		whisper := func() {
			t.Helper()
			stranger.Send(`{"event":"client-psst","channel":"private-a","data":{}}`)
			stranger.ExpectError(4009)
			member.ExpectQuiet()
		}
		whisper()
		stranger.SubscribeWith("private-a", s.Auth(stranger, "private-a", ""), "")
		stranger.Send(`{"event":"pusher:unsubscribe","data":{"channel":"private-a"}}`)
		whisper()
	})

	t.Run("Reverb: replay of what another socket signed", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		a, b := s.Dial(t), s.Dial(t)
		for _, replay := range []string{
			hubtest.SubscribeFrame("private-a", s.Auth(a, "private-a", ""), ""),
			hubtest.SubscribeFrame("private-b", s.Auth(b, "private-a", ""), ""),
			hubtest.SubscribeFrame("presence-a", s.Auth(b, "presence-a", `{"user_id":"1"}`), `{"user_id":"2"}`),
			hubtest.SubscribeFrame("presence-a", s.Auth(b, "presence-a", ""), `{"user_id":"2"}`),
		} {
			b.Send(replay)
			b.Expect("pusher:subscription_error")
			b.ExpectError(4009)
		}
		b.Send(s.SigninFrame(a, `{"id":"1"}`))
		b.ExpectError(4009)
	})

	t.Run("Reverb: the app secret in what the broker carries", func(t *testing.T) {
		app, err := pusherhub.NewApp(hubtest.WithCredentials(pusherhub.AppConfig{Secret: "hush-hush"}))
		if err != nil {
			t.Fatal(err)
		}
		broker := &eavesdropper{}
		s := hubtest.NewServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: broker})
		s.App.Secret = "hush-hush"
		c := s.Join(t, "presence-cache-a", `{"user_id":"1"}`)
		c.Expect("pusher:cache_miss")
		c.Send(`{"event":"client-x","channel":"presence-cache-a","data":1}`)
		c.ExpectQuiet()
		s.Publish("presence-cache-a", "e", "x")
		c.Expect("e")
		s.Do(http.MethodPost, "/users/nobody/terminate_connections", "{}", nil)
		broker.mu.Lock()
		defer broker.mu.Unlock()
		if len(broker.heard) != 3 || strings.Contains(strings.Join(broker.heard, ""), "hush") {
			t.Errorf("the broker carried %q", broker.heard)
		}
	})

	t.Run("Pylon: user_info of a socket that is gone", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		tab := func(info string) *hubtest.Client {
			return s.Join(t, "presence-room", `{"user_id":"ann","user_info":"`+info+`"}`)
		}
		expect := func(info string) {
			t.Helper()
			c := s.Dial(t)
			f := c.SubscribeWith("presence-room", s.Auth(c, "presence-room", `{"user_id":"bob"}`), `{"user_id":"bob"}`)
			if !strings.Contains(f.Text(), `"ann":"`+info+`"`) {
				t.Errorf("found %s, expected the user_info %q", f.Text(), info)
			}
			c.Close()
		}
		leave := func(c *hubtest.Client) {
			c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-room"}}`)
			c.Send(`{"event":"pusher:ping"}`)
			for c.Next().Event != "pusher:pong" { // it has seen bob come and go
			}
		}
		first, second, third := tab("first"), tab("second"), tab("third")
		expect("first")
		leave(second)
		expect("first")
		leave(first)
		expect("third")
		third.Close()
	})

	t.Run("Pylon: member_removed twice", func(t *testing.T) {
		s := hostileServer(t, pusherhub.AppConfig{})
		watcher := s.Join(t, "presence-room", `{"user_id":"watcher"}`)
		for range 50 {
			tabs := []*hubtest.Client{s.Join(t, "presence-room", `{"user_id":"ann"}`), s.Join(t, "presence-room", `{"user_id":"ann"}`)}
			watcher.Expect("pusher_internal:member_added")
			for _, tab := range tabs {
				go tab.WS.CloseNow()
			}
			watcher.Expect("pusher_internal:member_removed")
		}
		hubtest.Eventually(t, "all tabs are gone", func() bool { return s.Hub.Stats().Connections == 2 })
		watcher.ExpectQuiet()
		watcher.Close()
	})

	t.Run("Pylon: half messages are not in the memory budget", func(t *testing.T) {
		s := hostileServer(t, pusherhub.AppConfig{MaxMessageSize: 1 << 20})
		before := heap()
		for range 50 {
			attack(t, s).Send("\x81\xff\x00\x00\x00\x00\x00\x0f\xff\xff\x00\x00\x00\x00" + "half") // announces almost 1 MiB
		}
		s.Dial(t).Close()
		expectHeap(t, before, 4<<20)
	})

	t.Run("Pylon: the cache is written after the broadcast", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		early := s.Dial(t)
		early.Subscribe("cache-news")
		early.Expect("pusher:cache_miss")
		late := s.Dial(t)
		for i := range 200 {
			event := fmt.Sprintf("e%d", i)
			s.Publish("cache-news", event, "")
			early.Expect(event)
			late.Subscribe("cache-news")
			late.Expect(event)
			late.Send(`{"event":"pusher:unsubscribe","data":{"channel":"cache-news"}}`)
			late.ExpectQuiet()
		}
	})

	t.Run("Mercure: history for those who may not subscribe", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		for _, channel := range []string{"private-cache-a", "presence-cache-a", "private-encrypted-cache-a"} {
			s.Publish(channel, "secret", "for members")
			c := s.Dial(t)
			c.Send(hubtest.SubscribeFrame(channel, s.App.Key+":00", `{"user_id":"1"}`))
			c.Expect("pusher:subscription_error")
			c.ExpectError(4009)
			c.ExpectQuiet()
		}
	})

	t.Run("Pogo: a reload closes every socket", func(t *testing.T) {
		s := hostileServer(t, pusherhub.AppConfig{})
		c := s.Join(t, "presence-room", `{"user_id":"1"}`)
		for range 3 {
			app, err := pusherhub.NewApp(s.App)
			if err != nil {
				t.Fatal(err)
			}
			settings, err := pusherhub.NewSettings(pusherhub.Config{Apps: []*pusherhub.App{app}})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Hub.Apply(settings); err != nil {
				t.Fatal(err)
			}
			c.ExpectQuiet()
			s.Publish("presence-room", "e", "x")
			c.Expect("e")
		}
		c.Close()
	})

	t.Run("sockudo: maps that only grow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Watchlist: new(true)})
			var before int64
			for i := range 600 {
				if i == 100 {
					before = heap()
				}
				c := dialRaw(t, s, "")
				var friends []string
				for n := range 100 {
					friends = append(friends, fmt.Sprintf("%d-%d", i, n))
				}
				list, _ := json.Marshal(friends)
				c.send(s.SigninFrame(&hubtest.Client{SocketID: c.socketID}, fmt.Sprintf(`{"id":"user %d","watchlist":%s}`, i, list)))
				c.expect("pusher:signin_success")
				c.expect("pusher_internal:watchlist_events")
				_ = c.Close()
				synctest.Wait()
			}
			<-time.After(time.Minute) // the hold of users who may come back
			synctest.Wait()
			expectHeap(t, before, 2<<20)
		})
	})

	t.Run("Centrifuge: write after return", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		var late atomic.Int32
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			guarded := &guardedWriter{ResponseWriter: w, late: &late}
			s.Hub.ServeHTTP(guarded, r)
			guarded.returned.Store(true)
		}))
		defer web.Close()
		s.URL = web.URL
		c := s.Dial(t)
		c.Subscribe("news")
		for range 20 {
			s.Publish("news", "e", "x")
			c.Expect("e")
			c.ExpectQuiet()
		}
		_ = s.Hub.Drain(context.Background())
		c.ExpectClose(4200)
		if n := late.Load(); n > 0 {
			t.Errorf("the response was touched %d times after the handler had returned", n)
		}
	})
}

// eavesdropper is a broker that writes down what it carries.
type eavesdropper struct {
	pusherhub.MemoryBroker
	mu    sync.Mutex
	heard []string // guarded by mu
}

func (b *eavesdropper) Publish(ctx context.Context, m *pusherhub.Message) error {
	b.note(fmt.Sprintf("%+v %s", *m, m.Payload))
	return b.MemoryBroker.Publish(ctx, m)
}

func (b *eavesdropper) Broadcast(ctx context.Context, c pusherhub.Command) error {
	b.note(fmt.Sprintf("%+v", c))
	return b.MemoryBroker.Broadcast(ctx, c)
}

func (b *eavesdropper) note(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, text)
}

// guardedWriter counts how often it is used when its handler has returned.
type guardedWriter struct {
	http.ResponseWriter
	returned atomic.Bool
	late     *atomic.Int32
}

func (w *guardedWriter) used() {
	if w.returned.Load() {
		w.late.Add(1)
	}
}

func (w *guardedWriter) Unwrap() http.ResponseWriter { w.used(); return w.ResponseWriter }
func (w *guardedWriter) Header() http.Header         { w.used(); return w.ResponseWriter.Header() }
func (w *guardedWriter) WriteHeader(status int)      { w.used(); w.ResponseWriter.WriteHeader(status) }
func (w *guardedWriter) Write(p []byte) (int, error) { w.used(); return w.ResponseWriter.Write(p) }
