package pusherhub_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// webhookTypes are the observations that the golden session names as webhooks.
var webhookTypes = []pusherhub.ObservationType{
	pusherhub.ChannelOccupied, pusherhub.ChannelVacated, pusherhub.MemberAdded, pusherhub.MemberRemoved,
}

// expectWebhooks expects these observations next, each written as its type, channel and user id. Others in between are skipped.
func expectWebhooks(t *testing.T, seen *hubtest.Recorder, want ...string) {
	t.Helper()
	for _, line := range want {
		o := seen.Next(t)
		for !slices.Contains(webhookTypes, o.Type) {
			o = seen.Next(t)
		}
		if found := strings.TrimSpace(string(o.Type) + " " + o.Channel + " " + o.UserID); found != line {
			t.Fatalf("observed %q, expected %q", found, line)
		}
	}
}

// The session of protocol section 15, in which A is a browser tab, B a second tab of the same user, and C another user. D
// reads along.
func TestGoldenSession(t *testing.T) {
	seen := hubtest.NewRecorder()
	s := vectorServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{seen}})
	foobar := func(c *hubtest.Client, data string) {
		c.Send(hubtest.SubscribeFrame("presence-foobar", s.Auth(c, "presence-foobar", data), data))
	}
	api := func(method, path, body string, params url.Values, want string) {
		t.Helper()
		if status, answer, _ := s.Do(method, path, body, params); status != http.StatusOK || answer != want {
			t.Fatalf("%s %s: found %d %s, expected 200 %s", method, path, status, answer, want)
		}
	}

	a := s.Open(t, s.App.Key, "protocol=7&client=js&version=8.6.0&flash=false&test_socket_id=1234.1234", nil)
	a.ExpectRaw(`{"event":"pusher:connection_established","data":"{\"socket_id\":\"1234.1234\",\"activity_timeout\":30}"}`)
	a.Send(`{"event":"pusher:subscribe","data":{"auth":"","channel":"my-channel"}}`)
	a.ExpectRaw(`{"event":"pusher_internal:subscription_succeeded","channel":"my-channel","data":"{}"}`)
	a.Send(`{"event":"pusher:subscribe","data":{"channel":"presence-foobar","auth":"278d425bdf160c739803:afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c",` +
		`"channel_data":"{\"user_id\":10,\"user_info\":{\"name\":\"Mr. Pusher\"}}"}}`)
	a.ExpectRaw(`{"event":"pusher_internal:subscription_succeeded","channel":"presence-foobar","data":"{\"presence\":{\"count\":1,\"ids\":[\"10\"],\"hash\":{\"10\":{\"name\":\"Mr. Pusher\"}}}}"}`)
	expectWebhooks(t, seen, "channel_occupied my-channel", "channel_occupied presence-foobar", "member_added presence-foobar 10")

	b := s.Dial(t)
	foobar(b, `{"user_id":10,"user_info":{"name":"Mr. Pusher"}}`)
	b.ExpectRaw(`{"event":"pusher_internal:subscription_succeeded","channel":"presence-foobar","data":"{\"presence\":{\"count\":1,\"ids\":[\"10\"],\"hash\":{\"10\":{\"name\":\"Mr. Pusher\"}}}}"}`)
	a.ExpectQuiet()

	c := s.Dial(t)
	foobar(c, `{"user_id":"11","user_info":{"name":"C"}}`)
	c.ExpectRaw(`{"event":"pusher_internal:subscription_succeeded","channel":"presence-foobar","data":"{\"presence\":{\"count\":2,\"ids\":[\"10\",\"11\"],\"hash\":{\"10\":{\"name\":\"Mr. Pusher\"},\"11\":{\"name\":\"C\"}}}}"}`)
	for _, other := range []*hubtest.Client{a, b} {
		other.ExpectRaw(`{"event":"pusher_internal:member_added","channel":"presence-foobar","data":"{\"user_id\":\"11\",\"user_info\":{\"name\":\"C\"}}"}`)
	}
	expectWebhooks(t, seen, "member_added presence-foobar 11")

	a.Send(`{"event":"client-typing","channel":"presence-foobar","data":{"t":1}}`)
	for _, other := range []*hubtest.Client{b, c} {
		other.ExpectRaw(`{"event":"client-typing","channel":"presence-foobar","data":"{\"t\":1}","user_id":"10"}`)
	}
	a.ExpectQuiet()

	d := s.Dial(t)
	d.Subscribe("my-channel")
	api(http.MethodPost, "/events", `{"name":"foo","channels":["my-channel"],"data":"{\"some\":\"data\"}","socket_id":"1234.1234"}`, nil, `{}`)
	d.ExpectRaw(`{"event":"foo","channel":"my-channel","data":"{\"some\":\"data\"}"}`)
	a.ExpectQuiet()
	api(http.MethodGet, "/channels", "", url.Values{"filter_by_prefix": {"presence-"}, "info": {"user_count"}}, `{"channels":{"presence-foobar":{"user_count":2}}}`)
	api(http.MethodGet, "/channels/presence-foobar/users", "", nil, `{"users":[{"id":"10"},{"id":"11"}]}`)

	d.Send(`{"event":"pusher:unsubscribe","data":{"channel":"my-channel"}}`)
	d.ExpectQuiet()
	a.Close()
	expectWebhooks(t, seen, "channel_vacated my-channel")
	b.ExpectQuiet()
	c.ExpectQuiet() // B still holds user 10
	b.Close()
	c.ExpectRaw(`{"event":"pusher_internal:member_removed","channel":"presence-foobar","data":"{\"user_id\":\"10\"}"}`)
	expectWebhooks(t, seen, "member_removed presence-foobar 10")

	c.Send(`{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"bad"}}`)
	c.ExpectRaw(`{"event":"pusher:subscription_error","channel":"private-x","data":{"type":"AuthError","error":"Connection is unauthorized","status":401,"code":4009}}`)
	c.ExpectRaw(`{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"Connection is unauthorized\"}"}`)
	c.Send(`not json`)
	c.ExpectRaw(`{"event":"pusher:error","data":"{\"code\":4200,\"message\":\"Invalid message format\"}"}`)
	api(http.MethodPost, "/users/11/terminate_connections", "{}", nil, `{}`)
	c.ExpectRaw(`{"event":"pusher:error","data":{"code":4009,"message":"You got disconnected by the app."}}`)
	c.ExpectClose(4009)
	expectWebhooks(t, seen, "member_removed presence-foobar 11", "channel_vacated presence-foobar")
}
