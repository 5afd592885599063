package hubtest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// module is how this module's functions start in a stack.
const module = "github.com/onecharge/pusherhub/"

// Main runs a package's tests and fails if they leave a goroutine of this module behind. It is for TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }
func Main(m *testing.M) (code int) {
	code = m.Run()
	if leaked := leakedGoroutines(); code == 0 && len(leaked) > 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines are left after the tests:\n\n%s\n", len(leaked), strings.Join(leaked, "\n\n"))
		code = 1
	}
	return code
}

// leakedGoroutines returns the stacks of the module's goroutines that do not end by themselves.
func leakedGoroutines() (leaked []string) {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(Patience); ; <-poll.C {
		leaked = moduleGoroutines()
		if len(leaked) == 0 || time.Now().After(end) {
			return leaked
		}
	}
}

// moduleGoroutines returns the stacks of goroutines that run the module's code or were started by it, other than
// the caller and the one that runs the tests.
func moduleGoroutines() (stacks []string) {
	for _, stack := range goroutines() {
		if strings.Contains(stack, module) && !strings.Contains(stack, "\nmain.main()") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// goroutinesSince returns the stacks of goroutines that were not there before and do not end by themselves.
func goroutinesSince(before map[string]string, patience time.Duration) (left []string) {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(patience); ; <-poll.C {
		left = nil
		for id, stack := range goroutines() {
			if _, old := before[id]; !old && !strings.Contains(stack, "\ncreated by runtime.") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// goroutines returns the stacks of all goroutines but the caller's, by their ids.
func goroutines() map[string]string {
	buf := make([]byte, 64<<10)
	n := runtime.Stack(buf, true)
	for n == len(buf) {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	stacks := make(map[string]string)
	for i, stack := range strings.Split(string(buf[:n]), "\n\n") {
		if id, _, found := strings.Cut(stack, " ["); found && i > 0 {
			stacks[id] = stack
		}
	}
	return stacks
}
