package caddymodule

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
)

// A request that nobody traces costs nothing.
func TestNoTraceNoAllocations(t *testing.T) {
	ctx := t.Context()
	call := pusherhub.APICall{App: "app", Operation: "publish"}
	if allocs := testing.AllocsPerRun(100, func() {
		if traced, ended := traceAPI(ctx, call); traced != ctx || ended != nil {
			t.Error("something was traced")
		}
	}); allocs != 0 {
		t.Errorf("found %v allocations, expected 0", allocs)
	}
}
