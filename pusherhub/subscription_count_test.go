package pusherhub_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func subscriptionCount(channel string, n int) string {
	return fmt.Sprintf(`{"event":"pusher_internal:subscription_count","channel":"%s","data":"{\"subscription_count\":%d}"}`, channel, n)
}

func TestSubscriptionCount(t *testing.T) {
	on := pusherhub.AppConfig{SubscriptionCount: new(true)}
	for _, channel := range []string{"news", "private-x", "private-encrypted-x"} {
		t.Run("subscription_count on "+channel+", row 25", func(t *testing.T) {
			s := hubtest.NewServer(t, on)
			a, b := s.Dial(t), s.Dial(t)
			joinPrivate(s, a, channel)
			a.ExpectRaw(subscriptionCount(channel, 1)) // behind its own success
			joinPrivate(s, b, channel)
			a.ExpectRaw(subscriptionCount(channel, 2))
			b.ExpectRaw(subscriptionCount(channel, 2))
			b.Send(`{"event":"pusher:unsubscribe","data":{"channel":"` + channel + `"}}`)
			a.ExpectRaw(subscriptionCount(channel, 1))
			b.ExpectQuiet()
			joinPrivate(s, b, channel)
			a.ExpectRaw(subscriptionCount(channel, 2))
			_ = b.WS.CloseNow()
			a.ExpectRaw(subscriptionCount(channel, 1))
		})
	}
	t.Run("subscription_count on a cache channel comes last", func(t *testing.T) {
		c := hubtest.NewServer(t, on).Dial(t)
		c.Subscribe("cache-x")
		c.ExpectRaw(cacheMiss("cache-x"))
		c.ExpectRaw(subscriptionCount("cache-x", 1))
	})
	t.Run("subscription_count neither on presence nor on user channels", func(t *testing.T) {
		s := hubtest.NewServer(t, on)
		c := s.Join(t, "presence-room", `{"user_id":"1"}`)
		c.ExpectQuiet()
		s.Signin(t, c, `{"id":"7"}`)
		c.Subscribe("#server-to-user-7")
		c.ExpectQuiet()
	})
	t.Run("subscription_count is off by default in both profiles", func(t *testing.T) {
		for _, compat := range []string{"reverb", "pusher"} {
			c := hubtest.NewServer(t, pusherhub.AppConfig{Compat: compat}).Dial(t)
			c.Subscribe("news")
			c.ExpectQuiet()
		}
	})
	t.Run("subscription_count above 100 subscribers at most once per 5 s", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, on)
		watcher := dialRaw(t, s, "")
		subscribe := hubtest.SubscribeFrame("news", "", "")
		watcher.send(subscribe)
		watcher.expect("pusher_internal:subscription_succeeded")
		watcher.expectAfter(0, subscriptionCount("news", 1))
		var crowd []*rawClient
		enter := func() {
			c := dialRaw(t, s, "")
			c.send(subscribe)
			later(0)
			crowd = append(crowd, c)
		}
		for n := 2; n <= 100; n++ {
			enter()
			watcher.expectAfter(0, subscriptionCount("news", n))
		}
		for range 10 { // up to 110 within 900 ms
			enter()
			later(90 * time.Millisecond)
		}
		watcher.expectAfter(4*time.Second+100*time.Millisecond, subscriptionCount("news", 110)) // as it is by then
		for range 4 {
			_ = crowd[len(crowd)-1].Close()
			crowd = crowd[:len(crowd)-1]
			later(time.Second)
		}
		watcher.expectAfter(time.Second, subscriptionCount("news", 106))
		watcher.expectSilence(20 * time.Second) // nothing changed
		enter()
		watcher.expectAfter(0, subscriptionCount("news", 107)) // the last one is long ago
		for range 7 {
			_ = crowd[len(crowd)-1].Close()
			crowd = crowd[:len(crowd)-1]
			later(0)
		}
		watcher.expectAfter(5*time.Second, subscriptionCount("news", 100))
		_ = crowd[0].Close()
		watcher.expectAfter(0, subscriptionCount("news", 99)) // at 100 and below each change at once
		_ = crowd[1].Close()
		watcher.expectAfter(0, subscriptionCount("news", 98))
	}))
}
