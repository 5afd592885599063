package pusherhub

import (
	"context"
	"testing"
)

// An app without plugins pays nothing for them.
func TestNoPluginsNoAllocations(t *testing.T) {
	c := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "1.2")
	k, ctx := c.app().hooks, context.Background()
	data := []byte("1")
	for name, decide := range map[string]func(){
		"publish": func() {
			if r, refused := k.publish(ctx, c.hub, PublishRequest{App: "i", Channel: "c", Event: "e", Data: "1"}); refused != nil || r.Event != "e" {
				t.Error("changed or refused")
			}
		},
		"client event": func() {
			if r, refused := k.clientEvent(c.hub, ClientEventRequest{App: "i", Channel: "c", Event: "client-e", Data: data}); refused != nil || r.Event != "client-e" {
				t.Error("changed or refused")
			}
		},
		"message": func() {
			if !c.admitted(100) {
				t.Error("refused")
			}
		},
		"subscribe": func() {
			if refused := k.subscribe(c.hub, SubscribeRequest{App: "i", SocketID: "1.2", Channel: "c"}); refused != nil {
				t.Error("refused")
			}
		},
		"observe": func() { c.observe(Observation{Type: ClientEvent, Channel: "c", SocketID: "1.2"}) },
	} {
		if allocs := testing.AllocsPerRun(100, decide); allocs != 0 {
			t.Errorf("%s: found %v allocations without plugins, expected 0", name, allocs)
		}
	}
}

// While nobody reads the debug log, what it would say costs nothing.
func TestNoDebugNoAllocations(t *testing.T) {
	c := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "1.2")
	d := subscribeData{channel: "private-x", auth: "k:0"}
	for name, say := range map[string]func(){
		"subscription": func() { c.logSubscription(d, errUnauthorized) },
		"sign-in":      func() { c.logSignin("why", "signed") },
		"mistake":      func() { c.logMistake(CodeReconnect, "text", "c") },
	} {
		if allocs := testing.AllocsPerRun(100, say); allocs != 0 {
			t.Errorf("%s: found %v allocations without a debug log, expected 0", name, allocs)
		}
	}
}
