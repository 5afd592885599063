package pusherhub_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// keeper keeps observations, one batch each time it is let.
type keeper struct {
	t   *testing.T
	let chan struct{} // nil: at once

	mu   sync.Mutex
	kept []pusherhub.Observation // guarded by mu
}

func (*keeper) Name() string { return "keeper" }

func (k *keeper) Observe(pusherhub.Observation) {
	k.t.Error("an observer that keeps was told as others are")
}

func (k *keeper) Keep(ctx context.Context, batch []pusherhub.Observation) {
	if k.let != nil {
		select {
		case <-k.let:
		case <-ctx.Done():
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, batch...)
}

func (k *keeper) has(what pusherhub.ObservationType) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range k.kept {
		if o.Type == what {
			return true
		}
	}
	return false
}

// What a client did is kept before anybody hears of it.
func TestKeepComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{t: t}
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{k}})
		a, b := s.Dial(t), s.Dial(t)
		for _, c := range []*hubtest.Client{a, b} {
			id := `{"user_id":"` + c.SocketID + `"}`
			c.SubscribeWith("presence-x", s.Auth(c, "presence-x", id), id)
		}
		a.Expect("pusher_internal:member_added")
		k.let = make(chan struct{}) // from now on it has to be let

		for _, step := range []struct {
			sender, hearer *hubtest.Client
			message, heard string
		}{
			{a, b, hubtest.EventFrame("client-x", "presence-x", "1"), "client-x"},
			{a, a, hubtest.SubscribeFrame("y", "", ""), "pusher_internal:subscription_succeeded"},
			{b, a, `{"event":"pusher:unsubscribe","data":{"channel":"presence-x"}}`, "pusher_internal:member_removed"},
		} {
			heard := make(chan hubtest.Frame, 1)
			go func() { heard <- step.hearer.Next() }()
			step.sender.Send(step.message)
			synctest.Wait()
			if len(heard) > 0 {
				t.Fatalf("%s was heard of before it was kept", step.heard)
			}
			k.let <- struct{}{}
			if f := <-heard; f.Event != step.heard {
				t.Fatalf("found %s, expected %s", f.Raw, step.heard)
			}
		}
		close(k.let)
	})
}

// A keeper that is stuck holds up no event that it is not told of.
func TestKeepHoldsUpNoPublish(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		answered   bool // while the keeper is stuck
	}{
		"one event": {"/events", `{"name":"e","data":"1","channel":"x"}`, true},
		"a burst":   {"/batch_events", `{"batch":[{"name":"e","data":"1","channel":"x"},{"name":"e","data":"2","channel":"x"}]}`, true},
		"a burst of which one reaches nobody": {
			"/batch_events", `{"batch":[{"name":"e","data":"1","channel":"x"},{"name":"e","data":"2","channel":"x","socket_id":"ID"}]}`, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &keeper{t: t}
				s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{k}})
				a, b := s.Dial(t), s.Dial(t)
				a.Subscribe("x")
				synctest.Wait()
				k.let = make(chan struct{})
				b.Send(hubtest.SubscribeFrame("y", "", "")) // which is not kept
				synctest.Wait()
				answered := make(chan int, 1)
				go func() {
					status, _, _ := s.Do("POST", c.path, strings.ReplaceAll(c.body, "ID", a.SocketID), nil)
					answered <- status
				}()
				a.ExpectRaw(`{"event":"e","channel":"x","data":"1"}`)
				synctest.Wait()
				if found := len(answered) > 0; found != c.answered {
					t.Errorf("answered: found %v, expected %v", found, c.answered)
				}
				close(k.let)
				if status := <-answered; status != 200 {
					t.Errorf("found status %d", status)
				}
			})
		})
	}
}

// Nothing is dropped for an observer that keeps: whoever finds its queue full waits, until the hub closes.
func TestKeepMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{t: t, let: make(chan struct{})}
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{k}})
		const sockets, events = 20, 1000
		go func() {
			for range 50 {
				k.let <- struct{}{}
			}
			close(k.let)
		}()
		var crowd sync.WaitGroup
		for range sockets {
			c := s.Dial(t)
			c.Subscribe("x")
			crowd.Go(func() {
				for range events {
					c.Send(`{"event":"client-x","channel":"x"}`)
				}
				c.Send(`{"event":"pusher:ping"}`)
				for c.Next().Event != "pusher:pong" {
				}
			})
		}
		crowd.Wait()
		if err := s.Hub.Close(); err != nil {
			t.Fatal(err)
		}
		counts := map[pusherhub.ObservationType]int{}
		for _, o := range k.kept {
			counts[o.Type]++
		}
		if counts[pusherhub.ClientEvent] != sockets*events || counts[pusherhub.Disconnected] != sockets {
			t.Errorf("kept %v, expected %d client events and %d disconnected", counts, sockets*events, sockets)
		}
		if n := s.Hub.Stats().ObservationsDropped; n != 0 {
			t.Errorf("dropped %d", n)
		}
	})
}

// A keeper that is stuck does not hold up the end for ever, and gets everything in the end.
func TestKeepAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{t: t, let: make(chan struct{})}
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{k}})
		k.letOne()
		c := s.Dial(t)
		c.Send(hubtest.SubscribeFrame("x", "", ""))
		synctest.Wait()
		if err := s.Hub.Close(); err != nil {
			t.Fatal(err)
		}
		for _, what := range []pusherhub.ObservationType{pusherhub.Connected, pusherhub.ChannelOccupied, pusherhub.ChannelVacated, pusherhub.Disconnected} {
			if !k.has(what) {
				t.Errorf("%s was not kept", what)
			}
		}
	})
}

// letOne lets the next batch pass, whenever it comes.
func (k *keeper) letOne() {
	go func() { k.let <- struct{}{} }()
}
