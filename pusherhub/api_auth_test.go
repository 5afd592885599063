package pusherhub_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// signedAs signs query, whose parameters must be in the order of their names, exactly as it is.
func signedAs(s *hubtest.Server, secret, method, path, query string) string {
	return s.URL + path + "?" + query + "&auth_signature=" + hubtest.Sign(secret, method+"\n"+path+"\n"+query)
}

func md5Of(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

const (
	signatureInvalid = "Authentication signature invalid."
	oneEvent         = `{"name":"e","data":"1","channel":"c"}`
)

func TestAPIAuth(t *testing.T) {
	now := time.Now().Unix()
	stamp := fmt.Sprintf("auth_timestamp=%d", now)
	for _, profile := range []string{pusherhub.CompatReverb, pusherhub.CompatPusher} {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: profile})
		for _, c := range []struct {
			name, method, resource, query, body string
			status                              int
			answer                              string // its beginning
		}{
			{"good", "GET", "/channels", "auth_key=app-key&" + stamp + "&auth_version=1.0", "", 200, "{"},
			{"key missing", "GET", "/channels", stamp + "&auth_version=1.0", "", 401, signatureInvalid},
			{"key of another app", "GET", "/channels", "auth_key=other&" + stamp + "&auth_version=1.0", "", 401, signatureInvalid},
			{"version 2.0", "GET", "/channels", "auth_key=app-key&" + stamp + "&auth_version=2.0", "", 401, signatureInvalid},
			{"version empty", "GET", "/channels", "auth_key=app-key&" + stamp + "&auth_version=", "", 401, signatureInvalid},
			{"timestamp missing", "GET", "/channels", "auth_key=app-key&auth_version=1.0", "", 401, "auth_timestamp is missing or not a number. The server's time is "},
			{"timestamp no number", "GET", "/channels", "auth_key=app-key&auth_timestamp=now&auth_version=1.0", "", 401, "auth_timestamp is missing or not a number. The server's time is "},
			{"timestamp of last year", "GET", "/channels", "auth_key=app-key&auth_timestamp=1353088179&auth_version=1.0", "", 401, "Timestamp expired: auth_timestamp 1353088179 is not within 600 seconds of the server's time "},
			{"timestamp that overflows", "GET", "/channels", "auth_key=app-key&auth_timestamp=9223372036854775807&auth_version=1.0", "", 401, "Timestamp expired: "},
			{"body without body_md5", "POST", "/events", "auth_key=app-key&" + stamp + "&auth_version=1.0", oneEvent, 401, signatureInvalid},
			{"body_md5 of another body", "POST", "/events", "auth_key=app-key&" + stamp + "&auth_version=1.0&body_md5=" + md5Of("{}"), oneEvent, 401, signatureInvalid},
			{"body_md5 in capitals", "POST", "/events", "auth_key=app-key&" + stamp + "&auth_version=1.0&body_md5=" + strings.ToUpper(md5Of(oneEvent)), oneEvent, 401, signatureInvalid},
			{"body", "POST", "/events", "auth_key=app-key&" + stamp + "&auth_version=1.0&body_md5=" + md5Of(oneEvent), oneEvent, 200, "{}"},
			{"body_md5 of the empty body, as Python sends it", "GET", "/channels", "auth_key=app-key&" + stamp + "&auth_version=1.0&body_md5=d41d8cd98f00b204e9800998ecf8427e", "", 200, "{"},
			{"empty body_md5 on the empty body", "GET", "/channels", "auth_key=app-key&" + stamp + "&auth_version=1.0&body_md5=", "", 401, signatureInvalid},
			{"malformed query", "GET", "/channels", "a=1%26b=2&auth_key=app-key&" + stamp + "&auth_version=1.0", "", 400, "The query string is malformed."},
		} {
			t.Run("T46 "+profile+", "+c.name, func(t *testing.T) {
				target := signedAs(s, s.App.Secret, c.method, "/apps/app-id"+c.resource, c.query)
				status, answer := send(t, s, c.method, target, c.body)
				if status != c.status || !strings.HasPrefix(answer, c.answer) {
					t.Errorf("found %d %s, expected %d %s", status, answer, c.status, c.answer)
				}
			})
		}
	}
}

func TestAPIAuthVersionMissing(t *testing.T) {
	for profile, want := range map[string]int{pusherhub.CompatReverb: 200, pusherhub.CompatPusher: 401} {
		t.Run("T46 auth_version missing, "+profile, func(t *testing.T) {
			s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: profile})
			query := fmt.Sprintf("auth_key=app-key&auth_timestamp=%d", time.Now().Unix())
			if status, answer := send(t, s, "GET", signedAs(s, s.App.Secret, "GET", "/apps/app-id/channels", query), ""); status != want {
				t.Errorf("found %d %s, expected %d", status, answer, want)
			}
		})
	}
}

func TestAPISecretRotation(t *testing.T) {
	t.Run("T46 previous secrets", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Secret: "new", PreviousSecrets: []string{"old", "older"}})
		for secret, want := range map[string]int{"new": 200, "old": 200, "older": 200, "app-secret": 401, "": 401} {
			query := fmt.Sprintf("auth_key=app-key&auth_timestamp=%d&auth_version=1.0", time.Now().Unix())
			if status, answer := send(t, s, "GET", signedAs(s, secret, "GET", "/apps/app-id/channels", query), ""); status != want {
				t.Errorf("secret %q: found %d %s, expected %d", secret, status, answer, want)
			}
		}
		c := s.Dial(t)
		c.SubscribeWith("private-x", "app-key:"+hubtest.Sign("old", c.SocketID+":private-x"), "")
		c.Send(hubtest.EventFrame("pusher:signin", "", map[string]string{
			"auth": "app-key:" + hubtest.Sign("older", c.SocketID+`::user::{"id":"7"}`), "user_data": `{"id":"7"}`,
		}))
		c.Expect("pusher:signin_success")
	})
}

// A site that is mounted under a path is asked for /reverb/apps/..., and SDKs sign that with the path or without.
func TestAPIPathPrefix(t *testing.T) {
	app, err := pusherhub.NewApp(hubtest.WithCredentials(pusherhub.AppConfig{}))
	if err != nil {
		t.Fatal(err)
	}
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}})
	s.Client = &http.Client{Transport: hubtest.Pipe{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.Hub.Serve(w, r, pusherhub.Site{Path: "/reverb/"}) {
			w.WriteHeader(http.StatusTeapot)
		}
	})}}
	query := fmt.Sprintf("auth_key=app-key&auth_timestamp=%d&auth_version=1.0", time.Now().Unix())
	for _, c := range []struct {
		name, path, signed string
		status             int
	}{
		{"signed without", "/reverb/apps/app-id/channels", "/apps/app-id/channels", 200},
		{"signed with", "/reverb/apps/app-id/channels", "/reverb/apps/app-id/channels", 200},
		{"signed with another", "/reverb/apps/app-id/channels", "/other/apps/app-id/channels", 401},
		{"escaped name", "/reverb/apps/app-id/channels/a%40b", "/apps/app-id/channels/a@b", 200},
		{"Python's terminate", "/reverb/users/7/terminate_connections", "/users/7/terminate_connections", 405},
		{"root", "/apps/app-id/channels", "/apps/app-id/channels", 418},
		{"no border", "/reverbapps/app-id/channels", "/apps/app-id/channels", 418},
		{"twice", "/reverb/reverb/apps/app-id/channels", "/apps/app-id/channels", 418},
	} {
		t.Run("T46 path prefix, "+c.name, func(t *testing.T) {
			target := s.URL + c.path + "?" + query + "&auth_signature=" + hubtest.Sign(s.App.Secret, "GET\n"+c.signed+"\n"+query)
			if status, answer := send(t, s, "GET", target, ""); status != c.status {
				t.Errorf("found %d %s, expected %d", status, answer, c.status)
			}
		})
	}
}

// A request for an app that does not exist may be somebody else's, unless it is signed.
func TestAPIUnknownApp(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	signed := url.Values{"auth_key": {"k"}, "auth_signature": {"x"}}.Encode()
	for _, c := range []struct{ name, method, path, query, answer string }{
		{"unsigned", "GET", "/apps/nope/channels", "", ""},
		{"half signed", "GET", "/apps/nope/channels", "auth_key=k", ""},
		{"signed", "GET", "/apps/nope/channels", signed, "No matching application for ID [nope]."},
		{"signed, escaped id", "POST", "/apps/no%20pe/events", signed, "No matching application for ID [no pe]."},
		{"signed, wrong method", "DELETE", "/apps/nope/events", signed, "No matching application for ID [nope]."},
		{"by key, unsigned", "POST", "/users/7/terminate_connections", "", ""},
		{"by key, signed", "POST", "/users/7/terminate_connections", signed, "No matching application for ID [k]."},
	} {
		t.Run("T50 unknown app, "+c.name, func(t *testing.T) {
			r, err := http.NewRequest(c.method, c.path+"?"+c.query, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			status, answer, handled := serve(s.Hub, r, pusherhub.Site{})
			if handled != (c.answer != "") {
				t.Fatalf("found handled %v", handled)
			}
			if handled && (status != 404 || answer != c.answer) {
				t.Errorf("found %d %s, expected 404 %s", status, answer, c.answer)
			}
			if !handled && answer != "" {
				t.Errorf("left to others and yet written: %s", answer)
			}
		})
	}
}
