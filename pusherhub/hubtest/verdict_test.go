package hubtest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// verdict is a test that is run to see what it finds. Only what trials call is there.
type verdict struct {
	testing.TB

	mu       sync.Mutex
	found    []string // guarded by mu
	cleanups []func() // guarded by mu
}

func (v *verdict) Helper() {}

func (v *verdict) Logf(string, ...any) {}

func (v *verdict) Errorf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found = append(v.found, fmt.Sprintf(format, args...))
}

func (v *verdict) Error(args ...any) { v.Errorf("%s", fmt.Sprint(args...)) }

func (v *verdict) Fatalf(format string, args ...any) {
	v.Errorf(format, args...)
	runtime.Goexit()
}

func (v *verdict) Fatal(args ...any) { v.Fatalf("%s", fmt.Sprint(args...)) }

func (v *verdict) Cleanup(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cleanups = append(v.cleanups, f)
}

// verdictOn runs one check of TestPlugin and returns what it finds wrong. It is impatient with goroutines that are left only.
func verdictOn(t *testing.T, check string, patience time.Duration, make func(testing.TB) pusherhub.Plugin) []string {
	t.Helper()
	i := slices.IndexFunc(pluginChecks, func(c pluginCheck) bool { return c.name == check })
	if i < 0 {
		t.Fatalf("there is no check %q", check)
	}
	v := &verdict{TB: t}
	inGoroutine(func() { pluginChecks[i].run(newTrial(v, make, patience, 100*time.Millisecond)) })
	v.cleanUp()
	return v.found
}

// cleanUp ends what the test has begun.
func (v *verdict) cleanUp() {
	for len(v.cleanups) > 0 {
		last := len(v.cleanups) - 1
		f := v.cleanups[last]
		v.cleanups = v.cleanups[:last]
		inGoroutine(f)
	}
}

// inGoroutine runs f, which may end its goroutine.
func inGoroutine(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func mentions(found []string, text string) bool {
	return slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, text) })
}
