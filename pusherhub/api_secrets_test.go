package pusherhub_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// TestNothingSecret makes every kind of failure there is and reads all answers, frames and the whole debug log.
func TestNothingSecret(t *testing.T) {
	const secret, old = "5ecret-of-the-app", "0ld-secret-of-the-app"
	core, log := observer.New(zapcore.DebugLevel)
	unsaid := []string{secret, old, strings.Repeat("0", 64)} // in the log: signatures neither, the wrong one could be somebody else's right one
	for _, profile := range []string{pusherhub.CompatReverb, pusherhub.CompatPusher} {
		app, err := pusherhub.NewApp(pusherhub.AppConfig{
			ID: hubtest.AppID, Key: hubtest.Key, Secret: secret, PreviousSecrets: []string{old}, Compat: profile, Plugins: []pusherhub.Plugin{leaky{}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s := hubtest.NewServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Logger: zap.New(core)})
		s.App.Secret = secret
		var seen []string

		wrong := url.Values{"auth_key": {"x"}}
		for _, c := range []call{
			{method: "GET", path: "/channels"},
			{method: "POST", path: "/events", body: oneEvent},
			{method: "POST", path: "/events", body: "{}"},
			{method: "GET", path: "/channels", params: wrong},
			{method: "POST", path: "/events", body: oneEvent, params: url.Values{"auth_version": {"3"}}},
			{method: "GET", path: "/channels", params: url.Values{"auth_timestamp": {"1"}}},
			{method: "GET", path: "/channels", params: url.Values{"auth_key": {old}}},
		} {
			_, answer, header := s.Do(c.method, c.path, c.body, c.params)
			text, _ := json.Marshal(header)
			seen = append(seen, answer, string(text))
		}
		// The signature that would have been right must not come back either.
		target := s.SignedURL("GET", "/apps/app-id/channels", "", nil)
		signature := target[strings.LastIndex(target, "auth_signature=")+len("auth_signature=") : strings.LastIndex(target, "auth_signature=")+len("auth_signature=")+64]
		_, answer := send(t, s, "GET", strings.Replace(target, signature, strings.Repeat("0", 64), 1), "")
		seen = append(seen, answer)

		c := s.Dial(t)
		good := s.Auth(c, "private-x", "")
		for _, frame := range []string{
			hubtest.SubscribeFrame("private-x", "app-key:"+strings.Repeat("0", 64), ""),
			hubtest.SubscribeFrame("private-x", "nope", ""),
			hubtest.EventFrame("client-x", "private-x", "1"),
			hubtest.SubscribeFrame("public", "", ""),
			"no json",
		} {
			c.Send(frame)
		}
		seen = append(seen, skipToPong(c)...)
		// A client may be told again what it has said itself. The log must not say it.
		for _, frame := range []string{
			hubtest.SubscribeFrame("private-x", secret+":"+strings.Repeat("0", 64), ""),
			hubtest.SubscribeFrame("private-x", "other-key:"+goodSignature(good), ""),
			hubtest.SubscribeFrame("presence-x", good, `{"user_id":"1"}`),
			hubtest.EventFrame("pusher:signin", "", map[string]string{"auth": good, "user_data": `{"id":"7"}`}),
			hubtest.EventFrame("pusher:signin", "", map[string]string{"auth": "other-key:" + hubtest.Sign(secret, c.SocketID+`::user::{"id":"7"}`), "user_data": `{"id":"7"}`}),
			hubtest.EventFrame("pusher:signin", "", map[string]string{"auth": "x", "user_data": "{}"}),
		} {
			c.Send(frame)
		}
		skipToPong(c)
		refused := hubtest.Open(t, s.URL, "unknown", "", nil)
		seen = append(seen, refused.Next().Raw, refused.ExpectClose(4001))

		goodHex := goodSignature(good)
		unsaid = append(unsaid, goodHex, signature, hubtest.Sign(secret, c.SocketID+"::user::"+`{"id":"7"}`))
		for _, text := range seen {
			for _, s := range []string{secret, old, signature, goodHex, "password"} {
				if strings.Contains(text, s) {
					t.Errorf("%s: %q holds %q", profile, text, s)
				}
			}
		}
	}

	entries := log.All()
	if len(entries) == 0 {
		t.Fatal("nothing was logged: the test shows nothing")
	}
	for _, e := range entries {
		text, err := zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"}).EncodeEntry(e.Entry, e.Context)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range unsaid {
			if strings.Contains(text.String(), s) {
				t.Errorf("the log holds %q: %s", s, text)
			}
		}
	}
}

// goodSignature is the signature of an auth value.
func goodSignature(auth string) string {
	_, signature, _ := strings.Cut(auth, ":")
	return signature
}

// leaky is a plugin whose errors say too much.
type leaky struct{}

func (leaky) Name() string { return "leaky" }

func (leaky) OnSubscribe(context.Context, *pusherhub.SubscribeRequest) error {
	return errors.New("password hunter2 refused")
}
