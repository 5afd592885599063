package pusherhub_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestErrorForm(t *testing.T) {
	const (
		invalidString = `{"event":"pusher:error","data":"{\"code\":4200,\"message\":\"Invalid message format\"}"}`
		invalidNull   = `{"event":"pusher:error","data":{"code":null,"message":"Invalid message format"}}`
		off           = "The app does not have client messaging enabled."
		memberReverb  = "The client is not a member of the specified channel."
		memberPusher  = "Cannot broadcast client event (connection not subscribed to channel private-x)"
	)
	for _, o := range []struct {
		name    string
		config  pusherhub.AppConfig
		invalid string // answer to what is no JSON
		member  string // answer to a client event of who is no member
	}{
		{
			"profile reverb",
			pusherhub.AppConfig{},
			invalidString, `{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"` + memberReverb + `\"}"}`,
		},
		{
			"profile reverb, auto",
			pusherhub.AppConfig{ErrorData: "auto"},
			invalidString, `{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"` + memberReverb + `\"}"}`,
		},
		{
			"profile reverb, object",
			pusherhub.AppConfig{ErrorData: "object"},
			`{"event":"pusher:error","data":{"code":4200,"message":"Invalid message format"}}`, `{"event":"pusher:error","data":{"code":4009,"message":"` + memberReverb + `"}}`,
		},
		{
			"profile pusher",
			pusherhub.AppConfig{Compat: "pusher"},
			invalidNull, `{"event":"pusher:error","data":{"code":null,"message":"` + memberPusher + `"}}`,
		},
		{
			"profile pusher, string",
			pusherhub.AppConfig{Compat: "pusher", ErrorData: "string"},
			`{"event":"pusher:error","data":"{\"code\":null,\"message\":\"Invalid message format\"}"}`, `{"event":"pusher:error","data":"{\"code\":null,\"message\":\"` + memberPusher + `\"}"}`,
		},
	} {
		t.Run("T63 error form: "+o.name+", row 1", func(t *testing.T) {
			c := hubtest.NewServer(t, o.config).Dial(t)
			c.Send("not json")
			c.ExpectRaw(o.invalid)
			c.Send(whisper("private-x", ""))
			c.ExpectRaw(o.member)
			c.ExpectQuiet()
		})
		t.Run("T63 a fatal error is an object whatever the option: "+o.name, func(t *testing.T) {
			c := openRaw(t, hubtest.NewPipeServer(t, o.config), "unknown", "", nil)
			c.expectRefusal(4001, noSuchApp)
		})
	}
	for _, o := range []struct{ compat, want string }{
		{"reverb", `{"event":"pusher:error","data":"{\"code\":4301,\"message\":\"` + off + `\"}"}`},
		{"pusher", `{"event":"pusher:error","channel":"private-x","data":{"code":4301,"message":"` + off + `"}}`},
	} {
		t.Run("T63 4301 keeps its code in profile "+o.compat, func(t *testing.T) {
			c := hubtest.NewServer(t, pusherhub.AppConfig{Compat: o.compat, AcceptClientEventsFrom: "none"}).Dial(t)
			c.Send(whisper("private-x", ""))
			c.ExpectRaw(o.want)
			c.ExpectQuiet()
		})
	}
}

// Rows 2 and 3: who is refused is told by a close frame, too, and cannot go on.
func TestPluginCloseCodes(t *testing.T) {
	for found, want := range map[int]int{4000: 4000, 4100: 4100, 4299: 4299, 4300: 4009, 4301: 4009, 4999: 4009, 0: 4009, 1000: 4009, -1: 4009} {
		t.Run("T64 a plugin cannot close with "+strconv.Itoa(found)+" if that is no good code", func(t *testing.T) {
			refusal := &pusherhub.CloseError{Code: found, Reason: "no " + strconv.Itoa(found)}
			s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{refuser{onConnect: refusal}}})
			openRaw(t, s, s.App.Key, "", nil).expectRefusal(want, refusal.Reason)
		})
	}
	t.Run("T64 other errors of a plugin are not told", func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{refuser{onConnect: errors.New("the database says: secret")}}})
		openRaw(t, s, s.App.Key, "", nil).expectRefusal(4009, "Connection refused")
	})
}

func TestNoInputAfterFatalError(t *testing.T) {
	t.Run("T65 refused socket", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{MaxConnections: 1, AcceptClientEventsFrom: "all"})
		bystander := s.Dial(t)
		bystander.Subscribe("news")
		c := openRaw(t, s, s.App.Key, "", nil)
		c.send(hubtest.SubscribeFrame("news", "", ""))
		c.send(whisper("news", ""))
		c.send(`{"event":"pusher:ping"}`)
		c.send("not json")
		c.send("")
		c.sendFrame(hubtest.Fin|opPing, "p")
		c.sendFrame(hubtest.Fin|opBinary, strings.Repeat("x", 100_000))
		bystander.ExpectQuiet()
		c.expectRefusal(4004, "Application is over connection quota")
	}))
	for name, end := range map[string]struct {
		act  func(s *hubtest.Server, c *rawClient)
		code int
	}{
		"a terminated socket": {func(s *hubtest.Server, _ *rawClient) {
			s.Do(http.MethodPost, "/users/7/terminate_connections", "{}", nil)
		}, 4009},
		"an oversize message": {func(_ *hubtest.Server, c *rawClient) { c.send(strings.Repeat(" ", 32<<10+1)) }, 1009},
		"the second binary": {func(_ *hubtest.Server, c *rawClient) {
			c.sendFrame(hubtest.Fin|opBinary, "")
			c.sendFrame(hubtest.Fin|opBinary, "")
		}, 1003},
		"invalid UTF-8":          {func(_ *hubtest.Server, c *rawClient) { c.send("\xff") }, 1007},
		"the rate limiter's end": {func(_ *hubtest.Server, c *rawClient) { c.send("1"); c.send("2"); c.send("3") }, 4100},
	} {
		t.Run("T65 after "+name, bubble(func(t *testing.T) {
			s := hubtest.NewPipeServer(t, pusherhub.AppConfig{RateLimiting: &pusherhub.RateLimiting{MaxAttempts: 4, TerminateOnLimit: new(true)}})
			bystander := s.Dial(t)
			joinPrivate(s, bystander, "private-x")
			c := dialRaw(t, s, "")
			c.send(hubtest.SubscribeFrame("private-x", s.App.Key+":"+hubtest.Sign(s.App.Secret, c.socketID+":private-x"), ""))
			c.expect("pusher_internal:subscription_succeeded")
			userAuth := s.App.Key + ":" + hubtest.Sign(s.App.Secret, c.socketID+`::user::{"id":"7"}`)
			c.send(hubtest.EventFrame("pusher:signin", "", map[string]string{"auth": userAuth, "user_data": `{"id":"7"}`}))
			c.expect("pusher:signin_success")
			end.act(s, c)
			later(time.Millisecond)
			c.send(whisper("private-x", `,"data":"too late"`))
			c.send(`{"event":"pusher:ping"}`)
			bystander.ExpectQuiet()
			for {
				opcode, payload := c.next()
				if opcode == opClose {
					if f := (hubtest.RawFrame{Payload: payload}); f.CloseCode() != end.code {
						t.Errorf("found close code %d, expected %d", f.CloseCode(), end.code)
					}
					break
				}
				if strings.Contains(string(payload), "pong") {
					t.Error("the ping was answered")
				}
			}
			later(5 * time.Second)
			bystander.ExpectQuiet()
			if n := s.Hub.Stats().Connections; n != 1 {
				t.Errorf("found %d connections, expected the bystander's", n)
			}
		}))
	}
}

func TestFloodGuard(t *testing.T) {
	for _, o := range []struct{ name, frame string }{
		{"nonsense", "nonsense"},
		{"refused client events", whisper("private-x", "")},
		{"unknown events", `{"event":"pusher:unknown"}`},
	} {
		t.Run("after 10 error frames within 10 s no more: "+o.name, bubble(func(t *testing.T) {
			s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
			c := s.Dial(t)
			for range 2 { // windows
				for range 10 {
					c.Send(o.frame)
					c.Expect("pusher:error")
				}
				for range 100 {
					c.Send(o.frame)
				}
				c.ExpectQuiet()
				c.Subscribe("news") // the socket works as before
				c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`)
				later(10 * time.Second)
			}
		}))
	}
	t.Run("it bounds the answers to refused subscribes", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		c := s.Dial(t)
		for range 100 {
			c.Send(hubtest.SubscribeFrame("private-x", "bad", ""))
		}
		for range 10 {
			c.Expect("pusher:subscription_error")
			c.Expect("pusher:error")
		}
		c.ExpectQuiet()
	}))
	t.Run("each socket has its own", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		a, b := s.Dial(t), s.Dial(t)
		for range 11 {
			a.Send("nonsense")
		}
		b.Send("nonsense")
		b.ExpectError(4200)
	}))
}
