package caddymodule_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/onecharge/pusherhub/caddymodule"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A hub and its sockets outlive configs, but must not keep them: what a config was made of goes with it.
func TestReloadKeepsNothingOfTheOldConfig(t *testing.T) {
	l := newLive(t)
	site := func(more string) string {
		return "http://:PORT {\n log\n pusher_hub {\n" + more + appBlock("a") + "}\n}\n"
	}
	l.mustLoad(site("max_connections 10\n"))
	c := hubtest.Dial(t, l.url(), "key-a", "")
	c.Subscribe("news")

	hubs, server := parts(t)
	l.mustLoad(site("max_connections 20\n"))
	hubtest.Eventually(t, "the old config is collected", func() bool {
		runtime.GC()
		return hubs.Value() == nil && server.Value() == nil
	})
	if status := l.publish(appOf("a"), "news", "1"); status != 200 {
		t.Fatalf("publishing: found %d", status)
	}
	c.Expect("e")
}

// parts returns the running config's hubs, with their settings and logger, and its HTTP server, held by nobody here.
func parts(t *testing.T) (weak.Pointer[caddymodule.Hubs], weak.Pointer[caddyhttp.Server]) {
	t.Helper()
	ctx := caddy.ActiveContext()
	hubs, err := ctx.AppIfConfigured("pusher_hub")
	if err != nil {
		t.Fatal(err)
	}
	web, err := ctx.AppIfConfigured("http")
	if err != nil {
		t.Fatal(err)
	}
	return weak.Make(hubs.(*caddymodule.Hubs)), weak.Make(web.(*caddyhttp.App).Servers["srv0"])
}
