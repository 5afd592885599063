package pusherhub_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// The cache channels of each kind. Row 16: encrypted ones are cached like the others.
var cacheChannels = []string{"cache-x", "private-cache-x", "private-encrypted-cache-x", "presence-cache-x"}

// visit subscribes a fresh socket to a channel and returns the frame behind subscription_succeeded.
func visit(t *testing.T, s *hubtest.Server, channel string) (c *hubtest.Client, second string) {
	t.Helper()
	c = s.Dial(t)
	data := ""
	if pusherhub.KindOf(channel).Access == pusherhub.AccessPresence {
		data = `{"user_id":"` + c.SocketID + `"}`
	}
	c.SubscribeWith(channel, s.Auth(c, channel, data), data)
	return c, c.Next().Raw
}

func cacheMiss(channel string) string {
	return `{"event":"pusher:cache_miss","channel":"` + channel + `","data":"{}"}`
}

func cached(event, channel, data string) string {
	return `{"event":"` + event + `","channel":"` + channel + `","data":"` + data + `"}`
}

func expectSecond(t *testing.T, s *hubtest.Server, channel, want string) *hubtest.Client {
	t.Helper()
	c, found := visit(t, s, channel)
	if found != want {
		t.Fatalf("found %s, expected %s", found, want)
	}
	return c
}

func TestCache(t *testing.T) {
	for _, channel := range cacheChannels {
		t.Run("T36 miss, hit on "+channel+", row 16", func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{})
			expectSecond(t, s, channel, cacheMiss(channel))
			s.Publish(channel, "one", "1")
			expectSecond(t, s, channel, cached("one", channel, "1"))
			s.Publish(channel, "two", "2")
			expectSecond(t, s, channel, cached("two", channel, "2"))
		})
		t.Run("T36 published while empty, survives vacate on "+channel, func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{})
			s.Publish(channel, "early", "e")
			for range 3 {
				c := expectSecond(t, s, channel, cached("early", channel, "e"))
				c.ExpectQuiet()
				c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"` + channel + `"}}`)
				c.ExpectQuiet()
			}
		})
		t.Run("T36 TTL of 30 minutes from the last publish on "+channel, bubble(func(t *testing.T) {
			s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
			s.Publish(channel, "one", "1")
			later(20 * time.Minute)
			s.Publish(channel, "two", "2")
			later(30*time.Minute - time.Second)
			c := expectSecond(t, s, channel, cached("two", channel, "2")) // a replay does not prolong it
			_ = c.WS.CloseNow()
			later(time.Second)
			if n := s.Hub.Stats().Channels; n != 0 {
				t.Errorf("found %d channels kept, expected none", n)
			}
			expectSecond(t, s, channel, cacheMiss(channel))
		}))
	}
	t.Run("T36 option cache_ttl, row 17", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{CacheTTL: pusherhub.Duration(time.Minute)})
		s.Publish("cache-x", "one", "1")
		later(time.Minute - time.Nanosecond)
		expectSecond(t, s, "cache-x", cached("one", "cache-x", "1"))
		later(time.Nanosecond)
		expectSecond(t, s, "cache-x", cacheMiss("cache-x"))
		s.Publish("cache-x", "two", "2") // the channel is as good as new
		expectSecond(t, s, "cache-x", cached("two", "cache-x", "2"))
	}))
	t.Run("T36 the event ends while there are subscribers, who stay", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{CacheTTL: pusherhub.Duration(time.Second)})
		c := expectSecond(t, s, "cache-x", cacheMiss("cache-x"))
		s.Publish("cache-x", "one", "1")
		c.Expect("one")
		later(2 * time.Second)
		s.Publish("cache-x", "two", "2")
		c.Expect("two")
		c.ExpectQuiet()
	}))
	t.Run("T36 names without the dash are no cache channels, row 15", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		s.Publish("cachefoo", "one", "1")
		c := s.Dial(t)
		c.Subscribe("cachefoo")
		c.ExpectQuiet()
	})
	t.Run("T36 presence: snapshot first, other members' frames are not cached", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		a, _ := visit(t, s, "presence-cache-x")
		expectSecond(t, s, "presence-cache-x", cacheMiss("presence-cache-x"))
		a.Expect("pusher_internal:member_added")
		a.ExpectQuiet()
	})
	t.Run("T36 a repeated subscribe replays again", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		s.Publish("cache-x", "one", "1")
		c := expectSecond(t, s, "cache-x", cached("one", "cache-x", "1"))
		c.Subscribe("cache-x")
		c.ExpectRaw(cached("one", "cache-x", "1"))
		c.ExpectQuiet()
	})
}

func TestCacheReplay(t *testing.T) {
	for name, data := range map[string]string{
		"JSON":       `{\"some\":\"data\"}`,
		"plain text": `plain string, not JSON`,
		"empty":      ``,
		"escapes":    `é\u2028\u0001\"<>&\\\/\t`,
	} {
		t.Run("T37 frame equality of replay: "+name, func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{})
			live, _ := visit(t, s, "cache-x")
			body := `{"name":"App\\Events\\X","channel":"cache-x","data":"` + data + `"}`
			if status, answer, _ := s.Do(http.MethodPost, "/events", body, nil); status != http.StatusOK {
				t.Fatalf("found %d %s", status, answer)
			}
			expectSecond(t, s, "cache-x", live.Next().Raw)
		})
	}
	t.Run("T37 an event with socket_id is replayed to that socket, too", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		c, _ := visit(t, s, "cache-x")
		body := fmt.Sprintf(`{"name":"e","channel":"cache-x","data":"d","socket_id":%q}`, c.SocketID)
		if status, answer, _ := s.Do(http.MethodPost, "/events", body, nil); status != http.StatusOK {
			t.Fatalf("found %d %s", status, answer)
		}
		c.ExpectQuiet()
		c.Subscribe("cache-x")
		c.ExpectRaw(cached("e", "cache-x", "d"))
	})
}
