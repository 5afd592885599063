package hubtest

import (
	"net/http"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestPlugin checks that a plugin bears all that a hub does to it, and keeps what the hooks of package pusherhub ask for. It knows nothing of
// what the plugin is for: it may refuse, change and observe what it likes. make returns a new value, as the hub gets one with each
// config. What make needs beside it, such as a server that the plugin talks to, it ends with t.Cleanup. Call it from a test of the
// plugin's package that is not parallel, and run that with -race:
//
//	func TestPlugin(t *testing.T) {
//		hubtest.TestPlugin(t, func(testing.TB) pusherhub.Plugin { return myplugin.New() })
//	}
//
// For what the plugin does, put it into the app of [NewServer], or of [NewPipeServer] in a bubble of testing/synctest, connect with
// [Server.Dial] and [Server.Join], publish with [Server.Publish], and reload with [Server.Apply].
func TestPlugin(t *testing.T, make func(t testing.TB) pusherhub.Plugin) {
	for _, check := range pluginChecks {
		t.Run(check.name, func(t *testing.T) { check.run(newTrial(t, make, Patience, Patience)) })
	}
}

type pluginCheck struct {
	name string
	run  func(x *trial)
}

var pluginChecks = []pluginCheck{
	{"its name is one word", checkName},
	{"making it begins nothing", checkMaking},
	{"it bears empty, odd and huge requests", checkOddities},
	{"it lives through reloads", checkReloads},
	{"it serves apps that come and go", checkApps},
	{"it works for many sockets at once", checkCrowd},
	{"OnDetach ends when its time is over", checkLateDetach},
	{"its figures can be shown", checkMeasures},
}

// trial is one check of one plugin.
type trial struct {
	testing.TB
	make     func(testing.TB) pusherhub.Plugin
	patience time.Duration
}

// newTrial begins a trial, in which calls may take as long as patience. At its end, after everything else is cleaned up and for as
// long as lingering, goroutines may end; then none may be left.
func newTrial(t testing.TB, make func(testing.TB) pusherhub.Plugin, patience, lingering time.Duration) *trial {
	before := goroutines()
	t.Cleanup(func() {
		if left := goroutinesSince(before, lingering); len(left) > 0 {
			t.Errorf("%d goroutines are left that were not there before:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
	return &trial{TB: t, make: make, patience: patience}
}

// plugin makes a value.
func (x *trial) plugin() pusherhub.Plugin {
	x.Helper()
	p := x.make(x.TB)
	if p == nil {
		x.Fatal("there is no plugin: found nil")
	}
	return p
}

// within runs f, which must return in time and must not panic. It must not fail the test itself.
func (x *trial) within(what string, f func()) {
	x.Helper()
	type end struct {
		panicked any
		stack    []byte
	}
	done := make(chan end, 1)
	go func() {
		var e end
		defer func() { done <- e }()
		defer func() {
			if e.panicked = recover(); e.panicked != nil {
				e.stack = debug.Stack()
			}
		}()
		f()
	}()
	limit := time.NewTimer(x.patience)
	defer limit.Stop()
	select {
	case e := <-done:
		if e.panicked != nil {
			x.Fatalf("%s panics: %v\n%s", what, e.panicked, e.stack)
		}
	case <-limit.C:
		x.Fatalf("%s does not return within %s", what, x.patience)
	}
}

// stage is a hub without a network for a trial's plugin.
type stage struct {
	*trial
	hub    *pusherhub.Hub
	server *Server
	logger *zap.Logger
	log    *observer.ObservedLogs // the hub's errors
	closed bool
}

func (x *trial) stage() *stage {
	core, log := observer.New(zap.ErrorLevel)
	hub := pusherhub.New()
	s := &stage{trial: x, hub: hub, logger: zap.New(core), log: log, server: &Server{
		Hub: hub, URL: "http://hub.example", Client: &http.Client{Transport: Pipe{hub}},
		App: WithCredentials(pusherhub.AppConfig{}), t: x,
	}}
	x.Cleanup(s.close)
	return s
}

// apply gives the hub these apps instead of those before, as a reload does.
func (s *stage) apply(apps ...pusherhub.AppConfig) {
	s.Helper()
	settings, err := pusherhub.NewSettings(pusherhub.Config{Apps: newApps(s, apps), Logger: s.logger})
	if err != nil {
		s.Fatalf("building the settings: %v", err)
	}
	s.within("Hub.Apply, which calls OnAttach,", func() { err = s.hub.Apply(settings) })
	if err != nil {
		s.Fatalf("applying settings: %v", err)
	}
}

// close closes the hub, which ends all work for the plugin, and fails if the plugin has panicked.
func (s *stage) close() {
	s.Helper()
	if s.closed {
		return
	}
	s.closed = true
	defer s.reportPanics()
	var err error
	s.within("Hub.Close, which waits for Observe, Keep and OnDetach,", func() { err = s.hub.Close() })
	if err != nil {
		s.Errorf("closing the hub: %v", err)
	}
}

// reportPanics reports what the hub has caught.
func (s *stage) reportPanics() {
	s.Helper()
	for _, entry := range s.log.FilterMessage("plugin panicked").All() {
		fields := entry.ContextMap()
		s.Errorf("the plugin panics: %v\n%s", fields["panic"], fields["stack"])
	}
}
