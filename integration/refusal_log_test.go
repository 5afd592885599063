package integration

import (
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// At level debug Caddy's log says why somebody was refused, under the hub's name, and never what would have been right.
func TestDebugLogSaysWhoWasRefusedAndNoSecret(t *testing.T) {
	s := newServer(t)
	s.Globals = "debug"
	s.start(publicSite)
	c := s.site().Dial(t)
	right := s.site().Auth(c, "private-x", "")
	c.Send(hubtest.SubscribeFrame("private-x", appKey+":"+strings.Repeat("0", 64), ""))
	c.Expect("pusher:subscription_error")
	c.Expect("pusher:error")
	c.Send(hubtest.EventFrame("pusher:signin", "", map[string]string{"auth": right, "user_data": `{"id":"7"}`}))
	c.Expect("pusher:error")
	wrong := hubtest.At(t, s.url(), pusherhub.AppConfig{ID: appID, Key: appKey, Secret: "another"})
	wrong.Do(http.MethodPost, "/events", "{}", nil)
	hubtest.Open(t, s.url(), "unknown", "", nil).ExpectClose(pusherhub.CodeNoSuchApp)

	for message, fields := range map[string]map[string]string{
		"subscription refused": {"app": appID, "socket_id": c.SocketID, "channel": "private-x", "expected_signature_over": c.SocketID + ":private-x"},
		"sign-in refused":      {"app": appID, "socket_id": c.SocketID, "expected_signature_over": c.SocketID + `::user::{"id":"7"}`},
		"API request refused":  {"app": appID, "method": "POST", "path": "/apps/app-id/events"},
		"connection refused":   {"key": "unknown", "client_ip": "127.0.0.1"},
	} {
		line := s.expectLog(message, func(l logLine) bool { return l.text("msg") == message })
		if line.text("level") != "debug" || line.text("logger") != "pusher_hub" || line.text("hub") != "default" {
			t.Errorf("%s: found level %q, logger %q, hub %q", message, line.text("level"), line.text("logger"), line.text("hub"))
		}
		for name, want := range fields {
			if found := line.text(name); found != want {
				t.Errorf("%s: %s is %q, expected %q", message, name, found, want)
			}
		}
	}
	_, signature, _ := strings.Cut(right, ":")
	for _, unsaid := range []string{appSecret, signature, hubtest.Sign(appSecret, c.SocketID+`::user::{"id":"7"}`)} {
		if strings.Contains(s.text(), unsaid) {
			t.Errorf("the log holds %q", unsaid)
		}
	}
}
