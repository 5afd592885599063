package integration

import (
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// bareSite is the four-line Caddyfile: everything comes from the environment.
const bareSite = `
:{$PORT} {
	pusher_hub
	respond "application"
}
`

func TestAppComesFromTheEnvironment(t *testing.T) {
	for _, tc := range []struct {
		name            string
		env             []string
		id, key, secret string
	}{
		{"REVERB", []string{"REVERB_APP_ID=a", "REVERB_APP_KEY=b", "REVERB_APP_SECRET=c"}, "a", "b", "c"},
		{"PUSHER", []string{"PUSHER_APP_ID=d", "PUSHER_APP_KEY=e", "PUSHER_APP_SECRET=f"}, "d", "e", "f"},
		{
			"REVERB before PUSHER",
			[]string{"PUSHER_APP_ID=d", "PUSHER_APP_KEY=e", "PUSHER_APP_SECRET=f", "REVERB_APP_ID=a", "REVERB_APP_KEY=b", "REVERB_APP_SECRET=c"},
			"a", "b", "c",
		},
		{
			"empty is unset",
			[]string{"REVERB_APP_ID=", "REVERB_APP_KEY=", "REVERB_APP_SECRET=", "REVERB_APP_PING_INTERVAL=", "PUSHER_APP_ID=d", "PUSHER_APP_KEY=e", "PUSHER_APP_SECRET=f"},
			"d", "e", "f",
		},
		{"quoted, as docker --env-file leaves it", []string{`REVERB_APP_ID="a"`, `REVERB_APP_KEY="b"`, `REVERB_APP_SECRET="c"`}, "a", "b", "c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t)
			s.Env = tc.env
			s.start(bareSite)
			expectHub(t, hubtest.At(t, s.url(), pusherhub.AppConfig{ID: tc.id, Key: tc.key, Secret: tc.secret}))
		})
	}
}

func TestReverbsOwnSettingsHaveReverbsMeaning(t *testing.T) {
	s := newServer(t)
	s.Env = append(slices.Clip(environmentApp),
		"REVERB_SERVER_PATH=/reverb",
		"REVERB_APP_ACTIVITY_TIMEOUT=17",
		"REVERB_APP_MAX_CONNECTIONS=2",
		"REVERB_APP_MAX_MESSAGE_SIZE=200",
		"REVERB_MAX_REQUEST_SIZE=1000",
		"REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM=none",
	)
	s.start(bareSite)
	hub := s.site()
	hub.URL += "/reverb"

	c := hubtest.Open(t, hub.URL, appKey, "", nil)
	if f := c.Expect("pusher:connection_established"); !strings.Contains(f.Text(), `"activity_timeout":17`) {
		t.Errorf("found %s, expected activity_timeout 17", f.Raw)
	}
	c.Subscribe("news")
	c.Send(hubtest.EventFrame("client-typing", "news", "x"))
	c.Expect("pusher:error")

	big := hub.Dial(t)
	hubtest.Open(t, hub.URL, appKey, "", nil).ExpectClose(pusherhub.CodeOverQuota)
	big.Send(hubtest.EventFrame("client-typing", "news", strings.Repeat("x", 200)))
	big.ExpectClose(1009)

	body := `{"name":"n","channel":"news","data":"` + strings.Repeat("x", 1000) + `"}`
	if status, said, _ := hub.Do(http.MethodPost, "/events", body, nil); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large request: found %d %q, expected 413", status, said)
	}
}

// What a beginner sees who has just written "pusher_hub": Caddy does not start, and says what to set.
func TestStartWithoutAnAppSaysWhatToSet(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  []string
		says []string
	}{
		{"nothing set", nil, []string{"REVERB_APP_ID=", "REVERB_APP_KEY=", "REVERB_APP_SECRET=", "pusher_hub {"}},
		{"all empty", []string{"REVERB_APP_ID=", "REVERB_APP_KEY=", "REVERB_APP_SECRET="}, []string{"REVERB_APP_ID=", "pusher_hub {"}},
		{"half an app", []string{"REVERB_APP_ID=a", "REVERB_APP_SECRET=c"}, []string{"REVERB_APP_KEY is unset or empty", "REVERB_APP_ID"}},
		{
			"not a number",
			append(slices.Clip(environmentApp), "REVERB_APP_PING_INTERVAL=soon"),
			[]string{"REVERB_APP_PING_INTERVAL", "soon", "such as 60"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t)
			s.Env = tc.env
			s.run(s.write(bareSite))
			if code := s.wait(); code == 0 {
				t.Error("Caddy ended with 0, expected a failure")
			}
			// as `caddy run` prints it, which is what people copy into bug reports
			said := s.text()
			for _, expected := range tc.says {
				if !strings.Contains(said, expected) {
					t.Errorf("found %s, expected it to say %q", said, expected)
				}
			}
			if strings.Contains(said, "goroutine ") {
				t.Errorf("found a stack trace: %s", said)
			}
		})
	}
}

func TestStartSaysWhatIsServedAndWhatToTry(t *testing.T) {
	s := startServer(t, limited("app extra {\n\t\t\tkey extra-key\n\t\t\tsecret extra-secret-9f3\n\t\t\tmax_connections 12\n\t\t}")+apiSite)
	served := s.expectLog("the app", func(l logLine) bool { return l.text("msg") == "serving app" && l.text("app") == "extra" })
	if served.text("key") != "extra-key" || served.text("max_connections") != "12" {
		t.Errorf("found %v, expected the key and the limits", served)
	}
	if lines := s.logLines(func(l logLine) bool { return l.text("msg") == "serving app" }); len(lines) != 1 {
		t.Errorf("found %d lines about apps, expected one an app: %v", len(lines), lines)
	}
	try := s.expectLog("what to try", func(l logLine) bool { return strings.Contains(l.text("command"), "curl ") })
	if command := try.text("command"); !strings.Contains(command, "/app/extra-key") {
		t.Errorf("found command %s, expected it to try the app's key", command)
	}
}

// The command of the log's last line has to work as it stands there.
func TestCommandFromTheLogGets101(t *testing.T) {
	s := startServer(t, bareSite)
	try := s.expectLog("what to try", func(l logLine) bool { return l.text("command") != "" })
	c := startProcess(t, "curl", exec.Command("sh", "-c", "exec "+try.text("command")+" --no-buffer"))
	c.expectLine("HTTP/1.1 101 Switching Protocols")
}

// Logs go to other companies: no secret may be in them, whatever happens and however much is logged.
func TestNoSecretInAnyLog(t *testing.T) {
	const previous, other = "previous-secret-3kd", "other-secret-x81"
	s := newServer(t)
	s.Globals = "debug"
	s.Env = append(slices.Clip(environmentApp), "PREVIOUS_SECRET="+previous, "OTHER_SECRET="+other)
	sites := strings.Replace(limited(`app `+appID+` {
			key `+appKey+`
			secret {env.REVERB_APP_SECRET} {env.PREVIOUS_SECRET}
		}
		app other {
			key other-key
			secret {env.OTHER_SECRET}
		}`), "pusher_hub", "log\n\tpusher_hub", 1)
	s.start(sites + apiSite)

	hub := s.site()
	c := hub.Dial(t)
	c.SubscribeWith("private-orders", hub.Auth(c, "private-orders", ""), "")
	hub.Publish("private-orders", "placed", "{}")
	c.Expect("placed")
	for _, wrong := range []pusherhub.AppConfig{
		{ID: appID, Key: appKey, Secret: "wrong"},
		{ID: "other", Key: "other-key", Secret: previous},
	} {
		if status, said, _ := hubtest.At(t, s.apiURL(), wrong).Do(http.MethodGet, "/channels", "", nil); status != http.StatusUnauthorized {
			t.Errorf("wrong secret: found %d %q, expected 401", status, said)
		}
	}
	c.Send(hubtest.SubscribeFrame("private-orders", appKey+":"+strings.Repeat("0", 64), ""))
	c.Expect("pusher:subscription_error")
	if said, err := s.reload(sites + apiSite); err != nil {
		t.Fatalf("reloading: %v\n%s", err, said)
	}
	if said, err := s.reload(strings.Replace(sites, "drain 100ms", "drain never", 1) + apiSite); err == nil {
		t.Fatalf("a wrong config was accepted: %s", said)
	}
	stored, err := io.ReadAll(s.admin("/config/").Body)
	if err != nil {
		t.Fatal(err)
	}
	s.stop(syscall.SIGTERM)

	for _, secret := range []string{appSecret, previous, other} {
		if strings.Contains(s.text(), secret) {
			t.Errorf("the log holds a secret, %q", secret)
		}
		if strings.Contains(string(stored), secret) {
			t.Errorf("the stored config holds a secret, %q", secret)
		}
	}
}
