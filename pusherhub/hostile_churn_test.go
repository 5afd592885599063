package pusherhub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Channels that nobody is subscribed to any more cost nothing, however many there were and of whatever kind.
func TestChannelsDoNotPileUp(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	kinds := []string{"news-%d", "cache-news-%d", "private-%d", "private-cache-%d", "presence-%d", "presence-cache-%d", "private-encrypted-%d"}
	cycle := func(i int) {
		channel := fmt.Sprintf(kinds[i%len(kinds)], i)
		member := ""
		if strings.HasPrefix(channel, "presence-") {
			member = fmt.Sprintf(`{"user_id":%d,"user_info":{"name":"n"}}`, i)
		}
		c.Send(hubtest.SubscribeFrame(channel, s.Auth(c, channel, member), member))
		c.Send(hubtest.EventFrame("pusher:unsubscribe", "", map[string]string{"channel": channel}))
	}
	drain := func() {
		c.Send(`{"event":"pusher:ping"}`)
		for c.Next().Event != "pusher:pong" {
		}
	}
	var before int64
	for i := range 5000 {
		if i == 1000 {
			before = heap() // from here on nothing is new
		}
		if cycle(i); i%100 == 99 {
			drain()
		}
	}
	expectHeap(t, before, 512<<10)
	if n := s.Hub.Stats().Channels; n != 1 {
		t.Errorf("found %d channels, expected the bystander's", n)
	}
	c.Close()
}

// Sockets that come and go leave nothing behind either, signed in or not.
func TestSocketsDoNotPileUp(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	visit := func(i int) {
		r := s.DialRaw(t, "/app/"+s.App.Key)
		r.Expect("pusher:connection_established")
		r.SendText(hubtest.SubscribeFrame(fmt.Sprintf("news-%d", i), "", ""))
		r.Expect("pusher_internal:subscription_succeeded")
		_ = r.Close()
	}
	gone := func() {
		t.Helper()
		hubtest.Eventually(t, "the visitors have left", func() bool { return s.Hub.Stats().Connections == 1 })
	}
	for i := range 100 {
		visit(i)
	}
	gone()
	before := heap()
	for i := range 1000 {
		visit(i)
	}
	gone()
	expectHeap(t, before, 2<<20) // most of it is the test's own: a cleanup for each connection
}

// Leaving and coming back at once is seen by the others as just that, in that order.
func TestUnsubscribeAndResubscribePresence(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	watcher := s.Join(t, "presence-room", `{"user_id":"watcher"}`)
	c := s.Join(t, "presence-room", `{"user_id":"guest"}`)
	watcher.Expect("pusher_internal:member_added")
	back := hubtest.SubscribeFrame("presence-room", s.Auth(c, "presence-room", `{"user_id":"guest"}`), `{"user_id":"guest"}`)
	for range 200 {
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-room"}}`)
		c.Send(back)
	}
	for range 200 {
		if f := c.Expect("pusher_internal:subscription_succeeded"); !strings.HasPrefix(f.Text(), `{"presence":{"count":2,`) {
			t.Fatalf("found %s, expected two members", f.Raw)
		}
		watcher.ExpectRaw(`{"event":"pusher_internal:member_removed","channel":"presence-room","data":"{\"user_id\":\"guest\"}"}`)
		watcher.ExpectRaw(`{"event":"pusher_internal:member_added","channel":"presence-room","data":"{\"user_id\":\"guest\",\"user_info\":{}}"}`)
	}
	c.ExpectQuiet() // in particular no member_added of itself
	watcher.ExpectQuiet()
	c.Close()
	watcher.Close()
}
