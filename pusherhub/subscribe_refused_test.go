package pusherhub_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// connectionUnauthorized is the error that follows subscriptionRefused, in the profile reverb.
const connectionUnauthorized = `{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"Connection is unauthorized\"}"}`

// subscriptionRefused is the answer to a subscribe that is not authorized, in the profile reverb.
func subscriptionRefused(channel string) string {
	return `{"event":"pusher:subscription_error","channel":"` + channel +
		`","data":{"type":"AuthError","error":"Connection is unauthorized","status":401,"code":4009}}`
}

func TestSubscribeUnauthorized(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	for _, bad := range []struct{ name, channel, rest string }{
		{"no auth", "private-x", ``},
		{"auth null", "private-x", `,"auth":null`},
		{"auth empty", "private-x", `,"auth":""`},
		{"wrong signature", "private-x", `,"auth":"app-key:0123"`},
		{"signature in upper case", "private-x", `,"auth":"app-key:UPPER"`},
		{"signature of another channel", "private-y", `,"auth":"app-key:GOOD"`},
		{"another key, row 11", "private-x", `,"auth":"other-key:GOOD"`},
		{"signature without a key", "private-x", `,"auth":"GOOD"`},
		{"key in front twice", "private-x", `,"auth":"app-key:app-key:GOOD"`},
		{"encrypted", "private-encrypted-x", `,"auth":"app-key:GOOD"`},
		{"encrypted cache", "private-encrypted-cache-x", `,"auth":"app-key:GOOD"`},
		{"presence without channel_data", "presence-x", `,"auth":"app-key:GOOD"`},
		{"user channel without sign-in", "#server-to-user-7", `,"auth":""`},
	} {
		t.Run("T16 private bad: "+bad.name, func(t *testing.T) {
			c := s.Dial(t)
			good := hubtest.Sign(s.App.Secret, c.SocketID+":private-x")
			rest := strings.NewReplacer("GOOD", good, "UPPER", strings.ToUpper(good)).Replace(bad.rest)
			c.Send(`{"event":"pusher:subscribe","data":{"channel":"` + bad.channel + `"` + rest + `}}`)
			c.ExpectRaw(subscriptionRefused(bad.channel))
			c.ExpectRaw(connectionUnauthorized)
			c.ExpectQuiet()
			joinPrivate(s, c, "private-x") // the socket stays open, and may try again
		})
	}
	t.Run("T16 nothing is delivered on a refused subscription", func(t *testing.T) {
		c := s.Dial(t)
		c.Send(hubtest.SubscribeFrame("private-x", "bad", ""))
		c.Expect("pusher:subscription_error")
		c.Expect("pusher:error")
		s.Publish("private-x", "e", "x")
		c.ExpectQuiet()
	})
	t.Run("T16 previous_secrets are accepted", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{PreviousSecrets: []string{"older", "oldest"}})
		for _, secret := range []string{s.App.Secret, "older", "oldest"} {
			c := s.Dial(t)
			c.SubscribeWith("private-x", s.App.Key+":"+hubtest.Sign(secret, c.SocketID+":private-x"), "")
		}
		c := s.Dial(t)
		c.Send(hubtest.SubscribeFrame("private-x", s.App.Key+":"+hubtest.Sign("older still", c.SocketID+":private-x"), ""))
		c.Expect("pusher:subscription_error")
	})
	t.Run("T16 auth or channel_data of another type cannot be verified", func(t *testing.T) {
		for _, data := range []string{
			`{"channel":"presence-x","auth":"app-key:x","channel_data":{"user_id":"1"}}`,
			`{"channel":"private-x","auth":{"key":"x"}}`,
			`{"channel":"private-x","auth":5}`,
		} {
			c := s.Dial(t)
			c.Send(`{"event":"pusher:subscribe","data":` + data + `}`)
			if f := c.Expect("pusher:subscription_error"); !strings.Contains(f.Raw, `"type":"InvalidPayload"`) || !strings.Contains(f.Raw, `"status":400`) {
				t.Errorf("found %s, expected type InvalidPayload and status 400", f.Raw)
			}
			c.ExpectError(4200)
			c.ExpectQuiet()
		}
	})
}

// The profile pusher says what is wrong with the auth, but never what the signature should have been.
func TestSubscribeUnauthorizedAtPusher(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: "pusher"})
	for _, bad := range []struct{ name, auth, text string }{
		{"no auth", ``, `Auth info required to subscribe to private-x`},
		{"another key", `K:0123`, `Invalid key in subscription auth data: 'K'`},
		{"wrong signature", `app-key:0123`, `Invalid signature: Expected HMAC SHA256 hex digest of SOCKET:private-x, but got 0123`},
	} {
		t.Run("texts of protocol section 2.4 in profile pusher: "+bad.name, func(t *testing.T) {
			c := s.Dial(t)
			text := strings.ReplaceAll(bad.text, "SOCKET", c.SocketID)
			c.Send(hubtest.SubscribeFrame("private-x", bad.auth, ""))
			c.ExpectRaw(`{"event":"pusher:subscription_error","channel":"private-x","data":{"type":"AuthError","error":"` + text + `","status":401,"code":4009}}`)
			c.ExpectRaw(`{"event":"pusher:error","channel":"private-x","data":{"code":null,"message":"` + text + `"}}`)
			c.ExpectQuiet()
		})
	}
}

func TestSubscriptionErrorFrames(t *testing.T) {
	for _, o := range []struct {
		value string
		want  []string
	}{
		{"", []string{subscriptionRefused("private-x"), connectionUnauthorized}},
		{"both", []string{subscriptionRefused("private-x"), connectionUnauthorized}},
		{"subscription_error", []string{subscriptionRefused("private-x")}},
		{"pusher_error", []string{connectionUnauthorized}},
	} {
		t.Run("option subscription_error_frames "+o.value+", row 10", func(t *testing.T) {
			c := hubtest.NewServer(t, pusherhub.AppConfig{SubscriptionErrorFrames: o.value}).Dial(t)
			c.Send(hubtest.SubscribeFrame("private-x", "bad", ""))
			for _, frame := range o.want {
				c.ExpectRaw(frame)
			}
			c.ExpectQuiet()
		})
	}
}

func TestChannelNamesOnTheWire(t *testing.T) {
	long := strings.Repeat("c", 201)
	for _, o := range []struct {
		name, channel string
		config        pusherhub.AppConfig
		text          string // of the refusal; empty: accepted
	}{
		{"200 bytes", long[:200], pusherhub.AppConfig{}, ""},
		{"201 bytes", long, pusherhub.AppConfig{}, "The channel name is longer than 200 bytes."},
		{"164 bytes in profile pusher", long[:164], pusherhub.AppConfig{Compat: "pusher"}, ""},
		{"165 bytes in profile pusher", long[:165], pusherhub.AppConfig{Compat: "pusher"}, "The channel name is longer than 164 bytes."},
		{"option max_channel_name_length", "abcd", pusherhub.AppConfig{MaxChannelNameLength: 3}, "The channel name is longer than 3 bytes."},
		{"option max_channel_name_length unlimited", long, pusherhub.AppConfig{MaxChannelNameLength: pusherhub.Unlimited}, ""},
		{"charset strict", "a:b", pusherhub.AppConfig{}, "The channel name may only hold letters, digits and _ - = @ , . ; characters."},
		{"charset any", "a:b/é ", pusherhub.AppConfig{ChannelCharset: "any"}, ""},
		{"charset any, control character", "a\nb", pusherhub.AppConfig{ChannelCharset: "any"}, "The channel name may only hold letters, digits and _ - = @ , . ; characters."},
		{"reserved", "#other", pusherhub.AppConfig{}, "Channel names starting with # are reserved."},
		{"reserved, charset any", "#other", pusherhub.AppConfig{ChannelCharset: "any"}, "Channel names starting with # are reserved."},
		{"empty", "", pusherhub.AppConfig{}, "The channel name is empty."},
	} {
		t.Run("T25 "+o.name+", rows 40 and 41", func(t *testing.T) {
			c := hubtest.NewServer(t, o.config).Dial(t)
			c.Send(hubtest.SubscribeFrame(o.channel, "", ""))
			if o.text == "" {
				if f := c.Expect("pusher_internal:subscription_succeeded"); f.Channel != o.channel {
					t.Errorf("found %s", f.Raw)
				}
				return
			}
			f := c.Expect("pusher:subscription_error")
			want := `{"type":"InvalidChannel","error":"` + o.text + `","status":400}`
			if string(f.Data) != want || f.Channel != o.channel {
				t.Errorf("found %s, expected data %s", f.Raw, want)
			}
			code := 4200
			if o.config.Compat == "pusher" {
				code = 0
			}
			if text := c.ExpectError(code); text != o.text {
				t.Errorf("found error %q, expected %q", text, o.text)
			}
			c.ExpectQuiet()
		})
	}
}

// refuser refuses subscriptions and connections with what a test gives it.
type refuser struct{ onConnect, onSubscribe error }

func (refuser) Name() string { return "refuser" }

func (r refuser) OnConnect(context.Context, *pusherhub.ConnectRequest) error { return r.onConnect }

func (r refuser) OnSubscribe(context.Context, *pusherhub.SubscribeRequest) error {
	return r.onSubscribe
}

func TestSubscribeHookRefuses(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{refuser{onSubscribe: &pusherhub.CloseError{Code: 4030, Reason: "not today"}}}})
	c := s.Dial(t)
	c.Send(hubtest.SubscribeFrame("news", "", ""))
	f := c.Expect("pusher:subscription_error")
	var data struct {
		Type, Error  string
		Status, Code int
	}
	if err := json.Unmarshal(f.Data, &data); err != nil || data.Type != "AuthError" || data.Error != "not today" || data.Status != 403 || data.Code != 4030 {
		t.Errorf("found %s", f.Raw)
	}
	c.ExpectError(4030)
	s.Publish("news", "e", "x")
	c.ExpectQuiet()
}
