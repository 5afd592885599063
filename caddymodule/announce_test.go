package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestAnnounce(t *testing.T) {
	app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "1001", Key: "app-key", Secret: "topsecret", PreviousSecrets: []string{"oldsecret"}, MaxConnections: 50})
	if err != nil {
		t.Fatal(err)
	}
	off, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "2", Key: "k", Secret: "topsecret", Enabled: new(false)})
	if err != nil {
		t.Fatal(err)
	}
	sites := []site{
		{hub: "default", origins: []string{"http://127.0.0.1:6001"}},
		{hub: "default", origins: []string{"http://localhost:8080"}, path: "/ws", public: true},
		{hub: "default", origins: []string{"https://app.example.com"}, public: true},
		{hub: "other", origins: []string{"https://other.example.com"}, public: true},
	}
	core, logs := observer.New(zap.InfoLevel)
	announce(zap.New(core), &configuredHub{name: "default", apps: []*pusherhub.App{app, off}}, sites)

	entries := logs.All()
	if len(entries) != 3 {
		t.Fatalf("got %d lines", len(entries))
	}
	for i, expected := range []string{
		`{"allowed_origins":["*"],"app":"1001","clients":["ws://localhost:8080/ws/app/app-key","wss://app.example.com/app/app-key"],` +
			`"compat":"reverb","hub":"default","key":"app-key","max_connections":"50","max_message_size":"32768","max_request_size":"1048576",` +
			`"servers":["http://127.0.0.1:6001/apps/1001","http://localhost:8080/ws/apps/1001","https://app.example.com/apps/1001"]}`,
		`{"allowed_origins":["*"],"app":"2","clients":["ws://localhost:8080/ws/app/k","wss://app.example.com/app/k"],` +
			`"compat":"reverb","enabled":false,"hub":"default","key":"k","max_connections":"unlimited","max_message_size":"32768","max_request_size":"1048576",` +
			`"servers":["http://127.0.0.1:6001/apps/2","http://localhost:8080/ws/apps/2","https://app.example.com/apps/2"]}`,
		`{"command":"curl -si --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket'` +
			` -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' 'https://app.example.com/app/app-key'","hub":"default"}`,
	} {
		var buf strings.Builder
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(entries[i].ContextMap()); err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSpace(buf.String())
		if got != expected {
			t.Errorf("line %d:\nexpected %s\ngot      %s", i, expected, got)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("line %d holds a secret: %s", i, got)
		}
	}
}

func TestAnnounceASource(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	announce(zap.New(core), &configuredHub{name: "default"}, nil)
	if logs.Len() != 1 || logs.All()[0].Message != "serving the apps of a source" {
		t.Errorf("got %v", logs.All())
	}
}

func TestCurl(t *testing.T) {
	for target, insecure := range map[string]bool{
		"https://app.example.com/app/k": false,
		"http://localhost:8080/app/k":   false,
		"https://localhost/app/k":       true,
		"https://app.localhost:1/app/k": true,
		"https://app.internal/app/k":    true,
		"https://127.0.0.1:8443/app/k":  true,
		"https://[::1]/app/k":           true,
	} {
		if got := strings.Contains(curl(target), "-sik "); got != insecure {
			t.Errorf("%s: %s", target, curl(target))
		}
	}
}
