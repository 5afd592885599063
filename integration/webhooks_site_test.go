package integration

import (
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// phpWebhookSites are sites in which PHP gets webhooks, without a URL, a port or a certificate. HUB stands for the directive. Tests
// reach the hub by apiSite.
var phpWebhookSites = []struct{ name, sites string }{
	{"plain", `
:{$PORT} {
	root * {$DEMO_ROOT}
	HUB
	php_fastcgi unix/{$DIR}/php.sock
	file_server
}`},
	{"access log, compression, rewrites", `
:{$PORT} {
	log
	encode zstd gzip
	root * {$DEMO_ROOT}
	try_files {path} /index.php
	HUB
	php_fastcgi unix/{$DIR}/php.sock
	file_server
}`},
	// all that is not TLS is redirected, in the other server as Caddy does it by itself, and in the site as people write it
	{"https with redirects", `
http://app.test:{$PORT} {
	redir https://{host}{uri} 308
}
https://app.test:{$TLS_PORT} {
	tls internal
	root * {$DEMO_ROOT}
	@plain protocol http
	redir @plain https://{host}{uri} 308
	HUB
	php_fastcgi unix/{$DIR}/php.sock
	file_server
}`},
	{"behind a TLS edge that is asked for by its header", `
:{$PORT} {
	root * {$DEMO_ROOT}
	@plain not header X-Forwarded-Proto https
	redir @plain https://{host}{uri} 308
	HUB
	php_fastcgi unix/{$DIR}/php.sock
	file_server
}`},
	{"closed to everybody else", `
:{$PORT} {
	root * {$DEMO_ROOT}
	HUB
	@outside {
		path /pusher/webhook
		not vars pusher_hub_site true
	}
	error @outside 404
	php_fastcgi unix/{$DIR}/php.sock
	file_server
}`},
}

// PHP checks the signature as a Laravel app does, and publishes what it was told to the channel webhooks.
func TestWebhooksReachPHPThroughTheSite(t *testing.T) {
	for _, tc := range phpWebhookSites {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t)
			s.Globals = "metrics"
			s.startPHP()
			s.start(strings.Replace(tc.sites, "HUB", "pusher_hub {\n drain 100ms\n webhooks site /pusher/webhook\n}", 1) + apiSite)
			listener := s.api().Dial(t)
			listener.Subscribe("webhooks")
			c := s.api().Join(t, "presence-room", `{"user_id":"ada"}`)
			c.Send(hubtest.EventFrame("client-wave", "presence-room", "hello"))

			for _, expected := range []string{
				`channel_occupied "channel":"webhooks"`,
				`channel_occupied "channel":"presence-room"`,
				`member_added "user_id":"ada"`,
				`client_event "data":"hello"`,
			} {
				name, part, _ := strings.Cut(expected, " ")
				if f := listener.Expect(name); !strings.Contains(f.Text(), part) {
					t.Errorf("found %s, expected %s", f.Raw, expected)
				}
			}
		})
	}
}

// The route that takes webhooks need not be public, and is of no use to whoever lacks the secret.
func TestWebhookRouteCannotBeForgedFromOutside(t *testing.T) {
	const body = `{"time_ms":1,"events":[{"name":"channel_occupied","channel":"forged"}]}`
	forge := func(t *testing.T, s *server, signature string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url()+"/pusher/webhook", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Pusher-Key", appKey)
		r.Header.Set("X-Pusher-Signature", signature)
		return do(t, r).status
	}
	for i, expected := range map[int]int{0: http.StatusForbidden, len(phpWebhookSites) - 1: http.StatusNotFound} {
		t.Run(phpWebhookSites[i].name, func(t *testing.T) {
			s := newServer(t)
			s.startPHP()
			s.start(strings.Replace(phpWebhookSites[i].sites, "HUB", "pusher_hub {\n drain 100ms\n webhooks site /pusher/webhook\n}", 1) + apiSite)
			if status := forge(t, s, strings.Repeat("0", 64)); status != expected {
				t.Errorf("found %d, expected %d", status, expected)
			}
		})
	}
}

// A php-fpm that Caddy runs ends with it, but not before it was told what the last sockets left behind.
func TestWebhooksReachPHPDuringTheExit(t *testing.T) {
	s := phpServer(t, "")
	s.start(strings.Replace(phpSite, "\tphp_fastcgi", "\tlog\n\tpusher_hub {\n\t\tdrain 100ms\n\t\twebhooks site /pusher/webhook\n\t}\n\tphp_fastcgi", 1))
	c := s.site().Dial(t)
	c.Subscribe("last")
	s.expectLog("the webhook of the channel", isWebhook)
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("Caddy ended with %d, expected 0", code)
	}
	hooks := s.logLines(isWebhook)
	if len(hooks) < 2 {
		t.Errorf("found %d webhooks in the access log, expected one of the channel's end, too", len(hooks))
	}
	for _, hook := range hooks {
		if hook["status"] != float64(http.StatusOK) {
			t.Errorf("PHP did not take %v", hook)
		}
	}
}

// isWebhook matches the access log's line of a webhook.
func isWebhook(l logLine) bool {
	r, _ := l["request"].(map[string]any)
	return l.text("logger") == "http.log.access" && r["uri"] == "/pusher/webhook"
}

// An endpoint's address is checked when it is connected to, whatever the URL looks like.
func TestWebhooksToPrivateTargets(t *testing.T) {
	r := newReceiver(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(r.URL, "http://"), ":")
	site := func(url, allow string) string {
		lines := "endpoint " + url
		if allow != "" {
			lines += "\nallow_private " + allow
		}
		return strings.Replace(strings.Replace(webhookSite, "allow_private 127.0.0.1\n", "", 1), "WEBHOOKS", lines+"\nretry_for off", 1) + apiSite
	}
	for i, tc := range []struct {
		url, allow string
		reached    bool
	}{
		{"http://127.0.0.1:" + port, "", false},
		{"http://localhost:" + port, "", false},
		{"http://[::ffff:127.0.0.1]:" + port, "*.internal", false},
		{"http://localhost:" + port, "localhost", true},
		{"http://127.0.0.1:" + port, "127.0.0.0/8", true},
	} {
		t.Run(tc.url+" with "+tc.allow, func(t *testing.T) {
			s := startServer(t, site(tc.url, tc.allow))
			channel := "room-" + strconv.Itoa(i)
			s.site().Dial(t).Subscribe(channel)
			if tc.reached {
				r.expect("channel_occupied " + channel)
				return
			}
			line := s.expectLog("why the webhook was not sent", func(l logLine) bool { return strings.Contains(l.text("error"), "not a public address") })
			if !strings.Contains(line.text("error"), "refusing to connect to ") {
				t.Errorf("found %v", line)
			}
			r.expectNo(channel)
		})
	}
}

// A body that was signed for one URL is not sent to another.
func TestWebhooksFollowNoRedirect(t *testing.T) {
	r, other := newReceiver(t), newReceiver(t)
	redirecting := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/moved" {
			http.Redirect(w, req, other.URL+"/stolen", http.StatusTemporaryRedirect)
			return
		}
		r.ServeHTTP(w, req)
	})
	r.Config.Handler = redirecting
	s := startWebhooks(t, r.URL+"/moved", "endpoint "+r.URL+"/straight", "retry_for off")
	s.site().Dial(t).Subscribe("room")
	r.expect("channel_occupied room")
	s.expectLog("that a redirect is no success", func(l logLine) bool { return strings.Contains(l.text("error"), "307") || l["status"] == float64(307) })
	if tried := other.tried(); len(tried) != 0 {
		t.Errorf("found %d requests at the redirect's target", len(tried))
	}
}

// Apps have endpoints of their own beside the hub's.
func TestWebhooksOfOneApp(t *testing.T) {
	ofAll, ofOne := newReceiver(t), newReceiver(t)
	ofAll.keys = append(ofAll.keys, "other-key")
	s := startServer(t, `
:{$PORT} {
	pusher_hub {
		drain 100ms
		webhooks {
			allow_private 127.0.0.1
			endpoint `+ofAll.URL+`
		}
		app `+appID+` {
			key `+appKey+`
			secret `+appSecret+`
			webhooks {
				allow_private 127.0.0.1
				endpoint `+ofOne.URL+`
			}
		}
		app other {
			key other-key
			secret `+appSecret+`
		}
	}
}`)
	other := hubtest.At(t, s.url(), pusherhub.AppConfig{ID: "other", Key: "other-key", Secret: appSecret})
	s.site().Dial(t).Subscribe("mine")
	ofOne.expect("channel_occupied mine")
	ofAll.expect("channel_occupied mine")
	other.Dial(t).Subscribe("theirs")
	ofAll.expect("channel_occupied theirs")
	ofOne.expectNo("theirs")
}
