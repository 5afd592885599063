package hubtest

import (
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestModuleGoroutines(t *testing.T) {
	if left := leakedGoroutines(); len(left) != 0 { // those of earlier tests may be about to end
		t.Fatalf("found %q of earlier tests", left)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		<-stop
	}()
	if found := moduleGoroutines(); len(found) != 1 || !strings.Contains(found[0], "TestModuleGoroutines") {
		t.Errorf("found %q, expected the one goroutine of this test", found)
	}
	close(stop)
	<-stopped
	if found := leakedGoroutines(); len(found) != 0 {
		t.Errorf("found %q, expected none", found)
	}
}
