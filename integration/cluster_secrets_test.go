package integration

import (
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Neither the apps' secrets nor the engine's password are shown to anybody: not on the bus, not in the register, not in a log.
func TestClusterKeepsSecrets(t *testing.T) {
	onEveryEngineAtOnce(t, func(t *testing.T, e engine) {
		var monitor *output
		if redis, is := e.(*redisServer); is {
			monitor = redis.monitor()
		}
		c := &cluster{engine: e, t: t}
		for range 2 {
			n := c.prepare(defaultLease, "cache_ttl 1m")
			n.Globals = "debug" // the config is in the log then, too
			if n.link != nil {
				n.link.keep()
			}
			n.start(n.sites)
		}
		c.expectReady()

		// all that a bus is for
		crowd := newWatchers(t)
		a, b := crowd.at(c.nodes[0], "a").must("news", "private-x", "presence-x", "cache-x"), crowd.at(c.nodes[1], "b").must("news", "private-x", "presence-x", "cache-x")
		c.expectTruth(t, hubtest.Patience, []*watcher{a, b})
		for _, err := range []error{a.signin("b"), b.signin("a"), a.send(hubtest.EventFrame("client-hello", "private-x", "1"))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		p := newPublisher("p", c.nodes[0])
		for _, channel := range []string{"news", "private-x", "presence-x", "cache-x"} {
			if _, err := p.publish(channel, a.socketID); err != nil {
				t.Fatal(err)
			}
			within(t, hubtest.Patience, "the event on "+channel, func() bool { return b.of(channel).next["p"] == 1 })
		}
		if _, err := ask(c.nodes[0].apiURL(), "POST", "/users/b/terminate_connections", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		b.expectClose()

		expectNowhere := func(where, text string, secrets ...string) {
			t.Helper()
			for _, secret := range secrets {
				if at := strings.Index(text, secret); at >= 0 {
					t.Errorf("found %q in %s: %q", secret, where, text[max(0, at-80):min(len(text), at+80)])
				}
			}
		}
		if monitor != nil {
			hubtest.Eventually(t, "Redis's monitor saw events", func() bool { return strings.Contains(monitor.text(), "news") })
			expectNowhere("what Redis's monitor shows", monitor.text(), appSecret, enginePassword)
		}
		for _, n := range c.nodes {
			if n.link == nil {
				continue
			}
			for direction := range 2 {
				n.link.mu.Lock()
				text := n.link.kept[direction].String()
				n.link.mu.Unlock()
				expectNowhere("the traffic", text, appSecret)
				for line := range strings.Lines(text) {
					if !strings.HasPrefix(line, "CONNECT {") && monitor == nil { // what begins a connection to NATS
						expectNowhere("the traffic", line, enginePassword)
					}
				}
			}
		}
		if with, is := e.(served); is {
			with.server().kill() // which the log tells of
			within(t, 2*hubtest.Patience, "the nodes notice", func() bool { return !c.nodes[0].ready() && !c.nodes[1].ready() })
		}
		for _, n := range c.nodes {
			expectNowhere("the log", n.text(), appSecret, enginePassword)
			if text := n.text(); !strings.Contains(text, `"level":"debug"`) {
				t.Error("the log shows too little to say anything")
			}
		}
	})
}

// monitor collects all commands that the server carries out.
func (s *redisServer) monitor() *output {
	s.t.Helper()
	c, seen := s.client(), newOutput()
	c.do("MONITOR")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.in.WriteTo(seen)
	}()
	s.t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return seen
}
