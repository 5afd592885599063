package pusherhub_test

import (
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const rateLimited = `{"event":"pusher:error","data":"{\"code\":4301,\"message\":\"Rate limit exceeded\"}"}`

// Reverb's limiter counts every message of a socket. Pings and pongs are exempt here, because Pysher's come unasked.
func TestRateLimiting(t *testing.T) {
	t.Run("rate_limiting counts subscribes, unsubscribes, client events and nonsense alike", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{RateLimiting: &pusherhub.RateLimiting{
			MaxAttempts: 4, Decay: pusherhub.Duration(10 * time.Second),
		}})
		c := s.Dial(t)
		for range 3 { // windows
			c.Subscribe("news")
			c.Send(whisper("news", ""))
			c.Send("nonsense")
			c.ExpectError(4200)
			c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`)
			for _, frame := range []string{hubtest.SubscribeFrame("news", "", ""), "nonsense", whisper("news", "")} {
				c.Send(frame)
				c.ExpectRaw(rateLimited)
			}
			for range 20 {
				c.Send(`{"event":"pusher:pong"}`)
				c.ExpectQuiet()
			}
			later(10 * time.Second)
		}
	}))
	t.Run("rate_limiting drops what is over the limit", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{RateLimiting: &pusherhub.RateLimiting{MaxAttempts: 2}})
		a, b := s.Dial(t), s.Dial(t)
		joinPrivate(s, a, "private-x")
		joinPrivate(s, b, "private-x")
		a.Send(whisper("private-x", ""))
		b.Expect("client-x")
		a.Send(whisper("private-x", ""))
		a.ExpectRaw(rateLimited)
		b.ExpectQuiet()
	}))
	t.Run("rate_limiting defaults: 60 in 60 seconds", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{RateLimiting: &pusherhub.RateLimiting{}})
		c := s.Dial(t)
		for range 60 {
			c.Subscribe("news")
		}
		c.Send(hubtest.SubscribeFrame("news", "", ""))
		c.ExpectRaw(rateLimited)
		later(time.Minute - time.Nanosecond)
		c.Send(hubtest.SubscribeFrame("news", "", ""))
		c.ExpectRaw(rateLimited)
		later(time.Nanosecond)
		c.Subscribe("news")
	}))
	t.Run("rate_limiting with terminate_on_limit closes with 4100, not with 4301", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{RateLimiting: &pusherhub.RateLimiting{MaxAttempts: 1, TerminateOnLimit: new(true)}})
		c := dialRaw(t, s, "")
		c.send(hubtest.SubscribeFrame("news", "", ""))
		c.expect("pusher_internal:subscription_succeeded")
		c.send(hubtest.SubscribeFrame("more", "", ""))
		c.expectRefusal(4100, "Rate limit exceeded")
	}))
	t.Run("without rate_limiting a socket may send what it likes", bubble(func(t *testing.T) {
		c := hubtest.NewPipeServer(t, pusherhub.AppConfig{}).Dial(t)
		for range 500 {
			c.Subscribe("news")
		}
	}))
}
