package pusherhub_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Clients come, subscribe, sign in, unsubscribe and go while others look at them and take them out of channels. Afterwards the hub is empty.
func TestListsAndTakingOutUnderChurn(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{SubscriptionErrorFrames: "subscription_error"})
	ctx, cancel := context.WithCancel(t.Context())
	var lookers, clients sync.WaitGroup
	for range 2 {
		lookers.Go(func() {
			for ctx.Err() == nil {
				look(t, s)
			}
		})
	}
	for i := range 8 {
		clients.Go(func() { comeAndGo(t, s, i) })
	}
	clients.Wait()
	cancel()
	lookers.Wait()
	hubtest.Eventually(t, "the hub is empty", func() bool {
		stats := s.Hub.Stats()
		return stats.Connections == 0 && stats.Subscriptions == 0 && stats.Channels == 0
	})
	if n := s.Hub.Stats().PluginPanics; n != 0 {
		t.Errorf("found %d panics", n)
	}
}

// look asks for everything that can be told, and takes users and sockets out of the channels that they are on.
func look(t *testing.T, s *hubtest.Server) {
	ctx, app := context.Background(), hubtest.AppID
	list, _, err := s.Hub.Connections(ctx, app, pusherhub.ConnectionQuery{})
	if err != nil {
		t.Error(err)
	}
	for _, c := range list {
		detail, _, err := s.Hub.Connection(ctx, app, c.SocketID, pusherhub.Page{})
		if err != nil {
			continue // it has gone
		}
		for _, sub := range detail.Channels {
			target := pusherhub.Target{UserID: sub.UserID}
			if target.UserID == "" {
				target = pusherhub.Target{SocketID: c.SocketID}
			}
			if _, err := s.Hub.Unsubscribe(ctx, app, target, sub.Channel); err != nil {
				t.Error(err)
			}
		}
	}
	channels, _, err := s.Hub.Channels(ctx, app, pusherhub.ChannelQuery{})
	if err != nil {
		t.Error(err)
	}
	for _, ch := range channels {
		_, _, _ = s.Hub.Channel(ctx, app, ch.Name, pusherhub.Page{})
		if _, _, err := s.Hub.Connections(ctx, app, pusherhub.ConnectionQuery{Channel: ch.Name}); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := s.Hub.Apps(pusherhub.Page{}); err != nil {
		t.Error(err)
	}
}

// comeAndGo connects some times. Each time the client subscribes again and again, to fewer and to more channels than a list holds, and
// goes without having been read to the end.
func comeAndGo(t *testing.T, s *hubtest.Server, i int) {
	for round := range 4 {
		c := s.Dial(t)
		user := fmt.Sprintf(`{"id":"%d"}`, i%3)
		c.Send(s.SigninFrame(c, user))
		for n := range 20 {
			data := fmt.Sprintf(`{"user_id":"%d"}`, i%3)
			c.Send(hubtest.SubscribeFrame("presence-x", s.Auth(c, "presence-x", data), data))
			c.Send(hubtest.SubscribeFrame(fmt.Sprintf("news-%d", n), "", ""))
			c.Send(hubtest.EventFrame("client-e", "presence-x", "x"))
			if n%3 == round%3 {
				c.Send(hubtest.EventFrame("pusher:unsubscribe", "", map[string]string{"channel": fmt.Sprintf("news-%d", n/2)}))
			}
		}
		_ = c.WS.CloseNow()
	}
}
