package pusherhub_test

import (
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// notAuthorized is the answer to every sign-in that is refused, in the profile reverb.
const notAuthorized = `{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"Connection not authorized.\"}"}`

func TestSignin(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})

	t.Run("T39 answers with user_data unchanged", func(t *testing.T) {
		c := s.Dial(t)
		userData := `{"id": "7", "user_info":{"name":"<A&B>\u00e9"},"x":[1.0]}`
		c.Send(s.SigninFrame(c, userData))
		c.ExpectRaw(`{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\": \\\"7\\\", \\\"user_info\\\":{\\\"name\\\":\\\"<A&B>\\\\u00e9\\\"},\\\"x\\\":[1.0]}\"}"}`)
	})

	t.Run("T39 data as a JSON string", func(t *testing.T) {
		c := s.Dial(t)
		auth := s.App.Key + ":" + hubtest.Sign(s.App.Secret, c.SocketID+`::user::{"id":"7"}`)
		c.Send(hubtest.EventFrame("pusher:signin", "", `{"auth":"`+auth+`","user_data":"{\"id\":\"7\"}"}`))
		c.Expect("pusher:signin_success")
	})

	for _, bad := range []struct{ name, frame string }{
		{"signature of other data", `{"event":"pusher:signin","data":{"auth":"AUTH","user_data":"{\"id\":\"8\"}"}}`},
		{"signature without its key", `{"event":"pusher:signin","data":{"auth":"SIGNATURE","user_data":"{\"id\":\"7\"}"}}`},
		{"key of another app", `{"event":"pusher:signin","data":{"auth":"other:SIGNATURE","user_data":"{\"id\":\"7\"}"}}`},
		{"no auth", `{"event":"pusher:signin","data":{"user_data":"{\"id\":\"7\"}"}}`},
		{"auth null", `{"event":"pusher:signin","data":{"auth":null,"user_data":"{\"id\":\"7\"}"}}`},
		{"no user_data", `{"event":"pusher:signin","data":{"auth":"AUTH"}}`},
		{"user_data an object", `{"event":"pusher:signin","data":{"auth":"AUTH","user_data":{"id":"7"}}}`},
		{"data a list", `{"event":"pusher:signin","data":[1]}`},
		{"no data", `{"event":"pusher:signin"}`},
	} {
		t.Run("T39 refused, "+bad.name, func(t *testing.T) {
			c := s.Dial(t)
			signature := hubtest.Sign(s.App.Secret, c.SocketID+`::user::{"id":"7"}`)
			c.Send(strings.NewReplacer("AUTH", s.App.Key+":"+signature, "SIGNATURE", signature).Replace(bad.frame))
			c.ExpectRaw(notAuthorized)
			s.Signin(t, c, `{"id":"7"}`) // the socket is open and as before
		})
	}

	for _, bad := range []struct{ name, userData string }{
		{"id empty", `{"id":""}`},
		{"id missing", `{"name":"x"}`},
		{"id null", `{"id":null}`},
		{"id a boolean", `{"id":true}`},
		{"id an object", `{"id":{}}`},
		{"id of 129 characters", `{"id":"` + strings.Repeat("é", 129) + `"}`},
		{"no JSON", `id=7`},
		{"no object", `["7"]`},
		{"over 10 KB", `{"id":"7","x":"` + strings.Repeat("x", 10<<10) + `"}`},
	} {
		t.Run("T39 signed and refused, "+bad.name, func(t *testing.T) {
			c := s.Dial(t)
			c.Send(s.SigninFrame(c, bad.userData))
			c.ExpectRaw(notAuthorized)
			c.ExpectQuiet()
		})
	}

	t.Run("T39 id of 128 characters", func(t *testing.T) {
		s.Signin(t, s.Dial(t), `{"id":"`+strings.Repeat("é", 128)+`"}`)
	})

	t.Run("T39 signature for another socket", func(t *testing.T) {
		a, b := s.Dial(t), s.Dial(t)
		b.Send(s.SigninFrame(a, `{"id":"7"}`))
		b.ExpectRaw(notAuthorized)
	})

	t.Run("T40 numeric id is a string from then on", func(t *testing.T) {
		c := s.Dial(t)
		f := s.Signin(t, c, `{"id":90071992547409930,"name":"Laravel","id_card":5}`)
		if want := `{"user_data":"{\"id\":\"90071992547409930\",\"name\":\"Laravel\",\"id_card\":5}"}`; f.Text() != want {
			t.Errorf("found %s, expected %s", f.Text(), want)
		}
		c.Subscribe("#server-to-user-90071992547409930")
	})

	t.Run("T41 second id refused", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"first"}`)
		c.Send(s.SigninFrame(c, `{"id":"second"}`))
		c.ExpectRaw(notAuthorized)
		c.Send(hubtest.SubscribeFrame("#server-to-user-second", "", ""))
		c.Expect("pusher:subscription_error")
		c.ExpectError(4009)
		c.Subscribe("#server-to-user-first") // it stays who it was
	})

	t.Run("T41 same id again", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7","user_info":{"n":1}}`)
		s.Signin(t, c, `{"id":"7","user_info":{"n":2}}`)
		channel := "presence-again"
		f := c.SubscribeWith(channel, s.Auth(c, channel, ""), "")
		if want := `{"presence":{"count":1,"ids":["7"],"hash":{"7":{"n":2}}}}`; f.Text() != want {
			t.Errorf("found %s, expected %s", f.Text(), want)
		}
	})
}

func TestSigninRefusedInProfilePusher(t *testing.T) {
	t.Run("T39 profile pusher", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: pusherhub.CompatPusher})
		c := s.Dial(t)
		c.Send(`{"event":"pusher:signin","data":{"auth":"a:b","user_data":"{\"id\":\"7\"}"}}`)
		c.ExpectRaw(`{"event":"pusher:error","data":{"code":null,"message":"Connection not authorized."}}`)
		c.ExpectQuiet()
	})
}

func TestSigninRefusedCloses(t *testing.T) {
	t.Run("T39 close_on_failed_signin", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{CloseOnFailedSignin: new(true)})
		c := s.Dial(t)
		c.Send(`{"event":"pusher:signin","data":{"auth":"a:b","user_data":"{\"id\":\"7\"}"}}`)
		c.ExpectRaw(`{"event":"pusher:error","data":{"code":4009,"message":"Connection not authorized."}}`)
		if reason := c.ExpectClose(4009); reason != "Connection not authorized." {
			t.Errorf("found reason %q", reason)
		}
	})
}
