package pusherhub_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// refusalLog is a server whose debug log a test reads.
type refusalLog struct {
	*hubtest.Server
	t   *testing.T
	log *observer.ObservedLogs
}

func newRefusalLog(t *testing.T, config pusherhub.AppConfig) refusalLog {
	core, log := observer.New(zapcore.DebugLevel)
	app, err := pusherhub.NewApp(hubtest.WithCredentials(config))
	if err != nil {
		t.Fatal(err)
	}
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Logger: zap.New(core)})
	s.App = hubtest.WithCredentials(config)
	return refusalLog{s, t, log}
}

// expect takes the log and expects one line of that message with these fields.
func (l refusalLog) expect(message string, fields map[string]any) {
	l.t.Helper()
	lines := l.log.FilterMessage(message).All()
	l.log.TakeAll()
	if len(lines) != 1 {
		l.t.Fatalf("found %d lines %q, expected one", len(lines), message)
	}
	found := lines[0].ContextMap()
	for name, want := range fields {
		if fmt.Sprint(found[name]) != fmt.Sprint(want) {
			l.t.Errorf("%s: %s is %v, expected %v", message, name, found[name], want)
		}
	}
	if len(found) != len(fields) {
		l.t.Errorf("%s: found the fields %v, expected %v", message, found, fields)
	}
}

// skipToPong reads everything up to the answer to a ping.
func skipToPong(c *hubtest.Client) (seen []string) {
	c.Send(`{"event":"pusher:ping"}`)
	for f := c.Next(); f.Event != "pusher:pong"; f = c.Next() {
		seen = append(seen, f.Raw)
	}
	return seen
}

const wrongSignature = "0000000000000000000000000000000000000000000000000000000000000000"

func TestLogSaysWhyASubscriptionWasRefused(t *testing.T) {
	for _, profile := range []string{pusherhub.CompatReverb, pusherhub.CompatPusher} {
		t.Run(profile, func(t *testing.T) {
			l := newRefusalLog(t, pusherhub.AppConfig{Compat: profile})
			c := l.Dial(t)
			member := `{"user_id":"1"}`
			over := func(text string) string { return c.SocketID + ":" + text }
			for _, x := range []struct{ channel, auth, data, why, signed string }{
				{"private-x", "", "", "auth is missing", over("private-x")},
				{"private-x", "nonsense", "", "auth: found no colon, expected KEY:SIGNATURE", over("private-x")},
				{"private-x", "other-key:" + wrongSignature, "", `auth: found the key "other-key", expected "app-key"`, over("private-x")},
				{"private-x", "app-secret:" + wrongSignature, "", `auth: found the app's secret in place of its key, expected the key "app-key"`, over("private-x")},
				{"private-x", "app-key:" + wrongSignature, "", "the signature was made with another secret, or over something else", over("private-x")},
				{"presence-x", "app-key:" + wrongSignature, member, "the signature was made with another secret, or over something else", over("presence-x:" + member)},
				{"presence-x", l.Auth(c, "presence-x", ""), "", "channel_data names no user, and nobody is signed in", ""},
				{"#server-to-user-7", "", "", "the socket is not signed in as that user", ""},
			} {
				c.Send(hubtest.SubscribeFrame(x.channel, x.auth, x.data))
				skipToPong(c)
				fields := map[string]any{"app": "app-id", "socket_id": c.SocketID, "channel": x.channel, "type": "AuthError", "why": x.why}
				if x.signed != "" {
					fields["expected_signature_over"] = x.signed
				}
				l.expect("subscription refused", fields)
			}
			c.Send(hubtest.SubscribeFrame("no good", "", ""))
			skipToPong(c)
			l.expect("subscription refused", map[string]any{
				"app": "app-id", "socket_id": c.SocketID, "channel": "no good", "type": "InvalidChannel",
				"why": "The channel name may only hold letters, digits and _ - = @ , . ; characters.",
			})
		})
	}
}

func TestLogSaysWhyASignInWasRefused(t *testing.T) {
	l := newRefusalLog(t, pusherhub.AppConfig{})
	c := l.Dial(t)
	const user = `{"id":"7"}`
	for _, x := range []struct {
		auth, data, why string
		signed          bool
	}{
		{"other-key:" + wrongSignature, user, `auth: found the key "other-key", expected "app-key"`, true},
		{"app-key:" + wrongSignature, user, "the signature was made with another secret, or over something else", true},
		{"app-key:" + hubtest.Sign(hubtest.Secret, c.SocketID+"::user::{}"), "{}", "user_data has no id that can be used", false},
	} {
		c.Send(hubtest.EventFrame("pusher:signin", "", map[string]string{"auth": x.auth, "user_data": x.data}))
		c.Expect("pusher:error")
		fields := map[string]any{"app": "app-id", "socket_id": c.SocketID, "why": x.why}
		if x.signed {
			fields["expected_signature_over"] = c.SocketID + "::user::" + x.data
		}
		l.expect("sign-in refused", fields)
	}
}

func TestLogSaysWhyARequestWasRefused(t *testing.T) {
	l := newRefusalLog(t, pusherhub.AppConfig{})
	sum := md5.Sum([]byte(oneEvent))
	right, broken := hex.EncodeToString(sum[:]), strings.Repeat("0", 32)
	for _, x := range []struct {
		params url.Values
		why    string
	}{
		{url.Values{"auth_key": {"other-key"}}, `auth_key: found the key "other-key", expected "app-key"`},
		{url.Values{"auth_key": {"app-secret"}}, `auth_key: found the app's secret in place of its key, expected the key "app-key"`},
		{url.Values{"auth_version": {"3"}}, `auth_version: found "3", expected 1.0`},
		{url.Values{"body_md5": {broken}}, fmt.Sprintf(`body_md5: found %q, expected %s, which is that of the %d bytes that came`, broken, right, len(oneEvent))},
	} {
		if status, answer, _ := l.Do("POST", "/events", oneEvent, x.params); status != 401 {
			t.Fatalf("found %d %s, expected 401", status, answer)
		}
		l.expect("API request refused", map[string]any{
			"app": "app-id", "status": 401, "method": "POST", "path": "/apps/app-id/events", "reason": signatureInvalid, "why": x.why,
		})
	}

	wrong := hubtest.At(t, l.URL, pusherhub.AppConfig{Secret: "another"})
	target := wrong.SignedURL("GET", "/apps/app-id/channels", "", nil)
	if status, answer := send(t, l.Server, "GET", target, ""); status != 401 {
		t.Fatalf("found %d %s, expected 401", status, answer)
	}
	_, query, _ := strings.Cut(target, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	params.Del("auth_signature")
	l.expect("API request refused", map[string]any{
		"app": "app-id", "status": 401, "method": "GET", "path": "/apps/app-id/channels", "reason": signatureInvalid,
		"why":                     "the signature was made with another secret, or over something else",
		"expected_signature_over": "GET\n/apps/app-id/channels\n" + params.Encode(),
	})
}

func TestLogSaysWhyASocketWasRefused(t *testing.T) {
	l := newRefusalLog(t, pusherhub.AppConfig{AllowedOrigins: []string{"example.com"}})
	c := l.Open(t, "app-key", "", map[string][]string{"Origin": {"https://evil.example"}})
	c.ExpectError(pusherhub.CodeUnauthorized)
	reason := c.ExpectClose(pusherhub.CodeUnauthorized)
	l.expect("connection refused", map[string]any{
		"key": "app-key", "code": pusherhub.CodeUnauthorized, "reason": reason, "client_ip": "127.0.0.1", "origin": "https://evil.example",
	})
}
