package caddymodule_test

import (
	"os"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// logged counts the lines of the log that hold these words.
func (l *live) logged(words string) int {
	l.t.Helper()
	text, err := os.ReadFile(l.logFile())
	if err != nil {
		l.t.Fatal(err)
	}
	return strings.Count(string(text), words)
}

// A dyno with a number above 1 has siblings. It says so in its log and wherever somebody asks whether it is ready, and serves.
func TestReplicasAreSaidLoudly(t *testing.T) {
	t.Setenv("DYNO", "web.2")
	const ready, told = "/.well-known/pusher-hub/ready", "events are lost between replicas"
	const warning = `{"ready":true,"warnings":[{"name":"hub default","reason":"this is dyno web.2: other replicas seem to run, and with the broker memory events that are ` +
		`published on one of them do not reach the clients of the others. Write 'broker nats { embed ... }' or 'broker redis', or run one replica: see docs/cluster.md"}]}` + "\n"
	sites := func(options string) string { return ":PORT {\n pusher_hub {\n" + options + appBlock("a") + "}\n}\n" }

	l := newLive(t)
	l.mustLoad(sites(""))
	hubtest.Eventually(t, "the log tells of it", func() bool { return l.logged(told) == 1 })
	l.expectHealth(ready, 200, warning)

	t.Run("once, over reloads", func(t *testing.T) {
		l.mustLoad(sites(" drain 1s\n"))
		l.expectHealth(ready, 200, warning)
		if n := l.logged(told); n != 1 {
			t.Errorf("found %d lines, expected one", n)
		}
	})
	t.Run("but not with a broker", func(t *testing.T) {
		defer forgetDiary()
		l.mustLoad(sites(" broker diary\n"))
		l.expectHealth(ready, 200, `{"ready":true}`+"\n")
		l.mustLoad(sites(""))
		l.expectHealth(ready, 200, warning)
		hubtest.Eventually(t, "the log tells of it again", func() bool { return l.logged(told) == 2 })
	})
}

func TestTheFirstDynoSaysNothing(t *testing.T) {
	t.Setenv("DYNO", "web.1")
	l := newLive(t)
	l.mustLoad(":PORT {\n pusher_hub {\n" + appBlock("a") + "}\n}\n")
	l.expectHealth("/.well-known/pusher-hub/ready", 200, `{"ready":true}`+"\n")
}
