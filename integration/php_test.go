package integration

import (
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// phpSites are ways to mount the hub in front of a PHP app: every way that people write has to leave PHP's own
// requests alone and to keep the hub's from PHP.
var phpSites = []struct {
	name   string
	prefix string // where the hub is
	site   string
	php    []string // more paths that must reach PHP
}{
	{name: "php_fastcgi", site: `
	pusher_hub`},
	{name: "encode", site: `
	encode zstd gzip
	pusher_hub`},
	{name: "try_files", site: `
	try_files {path} /index.php
	pusher_hub`},
	{name: "rewrite", site: `
	@routes not file
	rewrite @routes /index.php
	pusher_hub`},
	{name: "path", prefix: "/reverb", php: []string{"/app/" + appKey, "/apps/" + appID + "/events"}, site: `
	pusher_hub {
		path /reverb
	}`},
	{name: "handle_path", prefix: "/ws", php: []string{"/app/" + appKey, "/apps/" + appID + "/events"}, site: `
	handle_path /ws/* {
		pusher_hub
	}`},
}

func TestPHPAnswersWhatIsNotTheHubs(t *testing.T) {
	for _, tc := range phpSites {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t)
			s.startPHP()
			s.start(":{$PORT} {\n\troot * {$DEMO_ROOT}" + tc.site + "\n\tphp_fastcgi unix/{$DIR}/php.sock\n\tfile_server\n}\n")

			for _, path := range append(tc.php, "/", "/up", "/app/settings", "/apps/x", "/apps/5/channels", "/app/nobodys-key") {
				expectPHP(t, get(t, s.url()+path), path)
			}
			for path, text := range map[string]string{
				"/up": "ok from PHP", "/app/settings": "/app/settings from PHP",
				"/apps/x": "/apps/x from PHP", "/apps/5/channels": "/apps/5/channels from PHP",
			} {
				if a := get(t, s.url()+path); a.status != http.StatusOK || strings.TrimSpace(a.body) != text {
					t.Errorf("GET %s: found %d %q, expected 200 %q", path, a.status, a.body, text)
				}
			}
			post, err := http.NewRequest(http.MethodPost, s.url()+tc.prefix+"/app/"+appKey, strings.NewReader("x=1"))
			if err != nil {
				t.Fatal(err)
			}
			expectPHP(t, do(t, post), "a POST to the key")
			if a := get(t, s.url()+"/assets/icon.svg"); a.status != http.StatusOK || a.header.Get("Content-Type") != "image/svg+xml" {
				t.Errorf("GET /assets/icon.svg: found %d %s, expected the file", a.status, a.header.Get("Content-Type"))
			}

			hub := s.site()
			hub.URL += tc.prefix
			expectHub(t, hub)
		})
	}
}

// expectPHP makes sure that PHP answered.
func expectPHP(t *testing.T, a answer, what string) {
	t.Helper()
	if !strings.HasPrefix(a.header.Get("X-Powered-By"), "PHP/") {
		t.Errorf("%s: found %d %q without X-Powered-By, expected PHP's answer", what, a.status, a.body)
	}
}

// expectHub makes sure that everything of the hub is at hub.URL.
func expectHub(t *testing.T, hub *hubtest.Server) {
	t.Helper()
	c := hub.Dial(t)
	c.Subscribe("news")
	hub.Publish("news", "headline", `{"n":1}`)
	if f := c.Expect("headline"); f.Text() != `{"n":1}` {
		t.Errorf("found %s, expected the published data", f.Raw)
	}
	if status, body, _ := hub.Do(http.MethodGet, "/channels", "", nil); status != http.StatusOK || body != `{"channels":{"news":{}}}` {
		t.Errorf("GET channels: found %d %s", status, body)
	}

	a := get(t, hub.URL+"/app/"+hub.App.Key)
	if a.status != http.StatusUpgradeRequired || a.header.Get("Upgrade") != "websocket" || !strings.Contains(a.body, "WebSocket") {
		t.Errorf("plain GET on the key: found %d, Upgrade %q, %q, expected 426 and a sentence", a.status, a.header.Get("Upgrade"), a.body)
	}
	stranger := hubtest.At(t, hub.URL, pusherhub.AppConfig{ID: "nobody", Key: "nobodys-key", Secret: "s"})
	if status, body, _ := stranger.Do(http.MethodGet, "/channels", "", nil); status != http.StatusNotFound || !strings.Contains(body, "nobody") {
		t.Errorf("signed request for an unknown app: found %d %q, expected the hub's 404", status, body)
	}
	hubtest.Open(t, hub.URL, "nobodys-key", "", nil).ExpectClose(pusherhub.CodeNoSuchApp)
}
