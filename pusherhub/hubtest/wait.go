package hubtest

import (
	"runtime"
	"testing"
	"time"
)

// Eventually waits until done reports true. what says what the test waits for.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-patience.C:
			t.Fatalf("waited %s in vain: %s", Patience, what)
		}
	}
}

// CheckGoroutines fails the test if more goroutines run at its end, after its servers and clients
// were closed, than now. Call it first, and not from a parallel test.
func CheckGoroutines(t testing.TB) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(Patience); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("goroutines leak: %d before the test, %d after it\n%s",
					before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
}
