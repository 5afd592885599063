package pusherhub_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A hub that changes its broker has two for a moment.
func TestExchange(t *testing.T) {
	config := watchlistApp()

	t.Run("what both bring is delivered once, and what is said again, again", func(t *testing.T) {
		s, old := newRegistered(t, config)
		c := s.Dial(t)
		c.Subscribe("x")
		next := newRegistrar()
		tick := func(b *registrar) {
			b.node.Deliver(&pusherhub.Message{App: hubtest.AppID, Channel: "x", Event: "tick", Payload: []byte(`{"event":"tick","channel":"x","data":"1"}`)})
		}
		next.rosters["x"] = func(*pusherhub.Roster) {
			s.Publish("x", "own", "1") // by the old one
			next.node.Deliver(&pusherhub.Message{App: hubtest.AppID, Channel: "x", Event: "own", Payload: []byte(`{"event":"own","channel":"x","data":"1"}`)})
			for _, b := range []*registrar{old, old, next, next, next, old} {
				tick(b)
			}
			s.Publish("x", "own", "1")
		}
		apply(t, s, pusherhub.Config{Broker: next}, config)
		tick(next)
		s.Publish("x", "end", "1")
		for _, event := range []string{"own", "tick", "tick", "tick", "own", "tick", "end"} {
			c.Expect(event)
		}
	})

	t.Run("the one before holds nothing any more when it is closed", func(t *testing.T) {
		for _, next := range []pusherhub.Broker{newRegistrar(), nil} {
			s, old := newRegistered(t, config)
			c := s.Join(t, "presence-x", `{"user_id":"7"}`)
			s.Signin(t, c, `{"id":"7"}`)
			want := []string{"app: 1", "presence-x/7 ", "presence-x: 1", "user 7: 1"}
			old.expect(t, want...)
			apply(t, s, pusherhub.Config{Broker: next}, config)
			if held := old.holdings(); len(held) != 0 {
				t.Errorf("found %q, expected the old broker to hold nothing", held)
			}
			if next, keeps := next.(*registrar); keeps {
				next.expect(t, want...)
			}
		}
	})

	t.Run("observers hear of no loss of what is still here", func(t *testing.T) {
		recorder := hubtest.NewRecorder()
		config := config
		config.Plugins = []pusherhub.Plugin{recorder}
		s, old := newRegistered(t, config)
		c := s.Join(t, "presence-x", `{"user_id":"7"}`)
		s.Signin(t, c, `{"id":"7"}`)
		old.expect(t, "app: 1", "presence-x/7 ", "presence-x: 1", "user 7: 1")
		apply(t, s, pusherhub.Config{Broker: newRegistrar()}, config)
		recorder.Rest()
		for _, of := range []pusherhub.Transition{
			{Topic: onChannel("presence-x")},
			{Topic: onChannel("presence-x"), Member: "7"},
			{Topic: onUser("7")},
			{Topic: onChannel("presence-x"), Member: "8"},
		} {
			old.node.Report(of)
		}
		recorder.Expect(t, pusherhub.Observation{Type: pusherhub.MemberRemoved, App: hubtest.AppID, Channel: "presence-x", UserID: "8"})
		if rest := recorder.Rest(); len(rest) != 0 {
			t.Errorf("found %v, expected nothing more", rest)
		}
	})

	t.Run("what the one before says meanwhile does not stay", func(t *testing.T) {
		s, old := newRegistered(t, config)
		s.Join(t, "presence-x", `{"user_id":"7"}`)
		for range 100 {
			var saying sync.WaitGroup
			stop := make(chan struct{})
			saying.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						old.node.Roster(pusherhub.Roster{Topic: onChannel("presence-x"), Count: 1, Members: []pusherhub.Member{{UserID: "8"}}, Full: true})
					}
				}
			})
			next := newRegistrar()
			apply(t, s, pusherhub.Config{Broker: next}, config)
			close(stop)
			saying.Wait()
			if _, found, _ := s.Do(http.MethodGet, "/channels/presence-x/users", "", nil); found != `{"users":[{"id":"7"}]}` {
				t.Fatalf("found %s, expected 7 alone", found)
			}
			old = next
		}
	})
}

// lastWords is a broker whose other nodes still die while the hub closes.
type lastWords struct {
	*registrar
	closed chan struct{}
	saying sync.WaitGroup
}

func (b *lastWords) Settle(context.Context) error {
	b.saying.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-b.closed:
				return
			default:
				b.node.Report(pusherhub.Transition{Topic: onChannel(fmt.Sprint(i))})
			}
		}
	})
	return nil
}

func (b *lastWords) Close() error {
	close(b.closed)
	b.saying.Wait()
	return b.MemoryBroker.Close()
}

func TestReportWhileClosing(t *testing.T) {
	for range 50 {
		b := &lastWords{registrar: newRegistrar(), closed: make(chan struct{})}
		app := mustApp(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{hubtest.NewRecorder()}})
		s := hubtest.NewServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: b})
		s.Publish("x", "e", "1") // gives the app a live side
		if err := s.Hub.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
