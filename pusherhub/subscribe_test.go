package pusherhub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// succeeded is the answer to a subscribe on a channel that is no presence channel.
func succeeded(channel string) string {
	return `{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":"{}"}`
}

// joinPrivate subscribes c to a private channel.
func joinPrivate(s *hubtest.Server, c *hubtest.Client, channel string) {
	c.SubscribeWith(channel, s.Auth(c, channel, ""), "")
}

func TestSubscribe(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	for name, data := range map[string]string{
		`auth ""`:                `{"auth":"","channel":"news"}`,
		"auth null":              `{"auth":null,"channel":"news","channel_data":null}`,
		"auth absent":            `{"channel":"news"}`,
		"an auth of any type":    `{"channel":"news","auth":{"key":5},"channel_data":{"user_id":1}}`,
		"an auth nobody asks":    `{"channel":"news","auth":"app-key:0123"}`,
		"shared_secret and more": `{"channel":"news","shared_secret":"c2VjcmV0","x":[1,{"y":null}]}`,
		"last duplicate wins":    `{"channel":"old","channel":"news"}`,
		"escaped name":           `{"\u0063hannel":"n\u0065ws"}`,
	} {
		t.Run("T15 public with "+name+", row 8", func(t *testing.T) {
			c := s.Dial(t)
			c.Send(`{"event":"pusher:subscribe","data":` + data + `}`)
			c.ExpectRaw(succeeded("news"))
			c.ExpectQuiet()
			s.Publish("news", "e", "x")
			c.ExpectRaw(`{"event":"e","channel":"news","data":"x"}`)
		})
	}
	t.Run("T16 private good", func(t *testing.T) {
		for _, channel := range []string{"private-x", "private-encrypted-x", "private-cache-x", "private-encrypted-cache-x"} {
			c := s.Dial(t)
			c.Send(hubtest.SubscribeFrame(channel, s.Auth(c, channel, ""), ""))
			c.ExpectRaw(succeeded(channel))
			s.Publish(channel, "e", "x")
			for c.Next().Event != "e" { // pusher:cache_miss comes before it
			}
			c.ExpectQuiet()
		}
	})
	t.Run("T16 private with signed channel_data, which is no member object", func(t *testing.T) {
		c := s.Dial(t)
		c.SubscribeWith("private-x", s.Auth(c, "private-x", `"foo"`), `"foo"`)
	})
	t.Run("T16 private with empty channel_data, which is not signed", func(t *testing.T) {
		c := s.Dial(t)
		c.Send(`{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"` + s.Auth(c, "private-x", "") + `","channel_data":""}}`)
		c.ExpectRaw(succeeded("private-x"))
	})
	t.Run("T27 data as JSON string accepted", func(t *testing.T) {
		c := s.Dial(t)
		c.Send(`{"event":"pusher:subscribe","data":"{\"channel\":\"news\",\"auth\":\"\"}"}`)
		c.ExpectRaw(succeeded("news"))
		c.Send(`{"event":"pusher:unsubscribe","data":"{\"channel\":\"news\"}"}`)
		c.ExpectQuiet()
		s.Publish("news", "e", "x")
		c.ExpectQuiet()
	})
	t.Run("a burst of 500 subscribes", func(t *testing.T) {
		c := s.Dial(t)
		var burst strings.Builder
		for i := range 500 {
			c.Send(hubtest.SubscribeFrame(fmt.Sprintf("c%d", i), "", ""))
			burst.WriteString(succeeded(fmt.Sprintf("c%d", i)))
		}
		var found strings.Builder
		for range 500 {
			found.WriteString(c.Next().Raw)
		}
		if found.String() != burst.String() {
			t.Error("the answers are not those to the subscribes, in order")
		}
	})
}

func TestSubscribeAgain(t *testing.T) {
	t.Run("T23 duplicate subscribe idempotent", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{SubscriptionCount: new(true)})
		c, other := s.Dial(t), s.Dial(t)
		other.Subscribe("news")
		other.Expect("pusher_internal:subscription_count")
		c.Subscribe("news")
		c.Expect("pusher_internal:subscription_count")
		other.Expect("pusher_internal:subscription_count")
		for range 3 {
			c.Send(hubtest.SubscribeFrame("news", "", ""))
			c.ExpectRaw(succeeded("news"))
		}
		other.ExpectQuiet()
		s.Publish("news", "once", "x")
		c.ExpectRaw(`{"event":"once","channel":"news","data":"x"}`)
		c.ExpectQuiet()
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`) // once is enough
		c.ExpectQuiet()
		s.Publish("news", "gone", "x")
		c.ExpectQuiet()
	})
	t.Run("T23 duplicate subscribe is authorized again", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		c := s.Dial(t)
		joinPrivate(s, c, "private-x")
		c.Send(hubtest.SubscribeFrame("private-x", "bad", ""))
		c.ExpectRaw(subscriptionRefused("private-x"))
		c.ExpectRaw(connectionUnauthorized)
		s.Publish("private-x", "e", "x") // the subscription is what it was
		c.Expect("e")
	})
	t.Run("T23 duplicate subscribe in profile pusher, row 12", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: "pusher"})
		c := s.Dial(t)
		c.Subscribe("news")
		c.Send(hubtest.SubscribeFrame("news", "", ""))
		c.ExpectRaw(`{"event":"pusher:error","channel":"news","data":{"code":null,"message":"Existing subscription to channel news"}}`)
		s.Publish("news", "e", "x")
		c.Expect("e")
		c.ExpectQuiet()
	})
}

func TestUnsubscribe(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	t.Run("T24 unknown unsubscribe silent", func(t *testing.T) {
		c := s.Dial(t)
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"never-subscribed"}}`)
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":""}}`)
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-x"}}`)
		c.ExpectQuiet()
	})
	t.Run("T24 unknown unsubscribe in profile pusher, row 13", func(t *testing.T) {
		c := hubtest.NewServer(t, pusherhub.AppConfig{Compat: "pusher"}).Dial(t)
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`)
		c.ExpectRaw(`{"event":"pusher:error","channel":"news","data":{"code":null,"message":"No current subscription to channel news, or subscription in progress"}}`)
	})
	t.Run("no answer, and no event afterwards", func(t *testing.T) {
		c := s.Dial(t)
		for range 20 {
			c.Subscribe("news")
			s.Publish("news", "before", "x")
			c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`)
			c.Send(`{"event":"pusher:ping"}`)
			if c.Next().Event == "before" { // it may be on its way still, but not behind the pong
				c.Expect("pusher:pong")
			}
			s.Publish("news", "after", "x")
			c.ExpectQuiet()
		}
	})
}

func TestOrder(t *testing.T) {
	t.Run("T26 event right after success never overtakes it", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		for i := range 100 {
			c := s.Dial(t)
			published := make(chan int)
			go func() {
				status, _, _ := s.Do(http.MethodPost, "/events", `{"name":"e","channel":"race","data":"x"}`, nil)
				published <- status
			}()
			c.Send(hubtest.SubscribeFrame("race", "", ""))
			c.ExpectRaw(succeeded("race"))
			if status := <-published; status != http.StatusOK {
				t.Fatalf("publishing: found status %d", status)
			}
			c.Send(`{"event":"pusher:ping"}`)
			if f := c.Next(); f.Event == "e" { // it came in time
				c.Expect("pusher:pong")
			} else if f.Event != "pusher:pong" {
				t.Fatalf("round %d: found %s", i, f.Raw)
			}
			c.Close()
		}
	})
	t.Run("T26 subscribers who come while events flow miss none after success", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		const last = 300
		steps := make(chan int)
		go func() {
			defer close(steps)
			for i := range last + 1 {
				steps <- i
				s.Do(http.MethodPost, "/events", fmt.Sprintf(`{"name":"e","channel":"flow","data":"%d"}`, i), nil)
			}
		}()
		var clients []*hubtest.Client
		for range steps {
			if len(clients) < 20 {
				c := s.Dial(t)
				c.Send(hubtest.SubscribeFrame("flow", "", "")) // and the next event is on its way
				clients = append(clients, c)
			}
		}
		for _, c := range clients {
			c.ExpectRaw(succeeded("flow"))
			next := -1
			for next <= last {
				var n int
				f := c.Expect("e")
				if _, err := fmt.Sscan(f.Text(), &n); err != nil || next >= 0 && n != next {
					t.Fatalf("found event %s, expected number %d", f.Raw, next)
				}
				next = n + 1
			}
			c.ExpectQuiet()
		}
	})
}
