package phpfpm

import (
	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// childMemory is what a request of a Laravel app, or a queue worker, takes on average, with room to spare.
	childMemory = 64 << 20

	// A machine with much memory has not got the processors for more; a small one must still answer the request that
	// a request of its own waits for.
	minChildren, maxChildren = 2, 128
)

// poolSize is how many requests PHP may work on at once with that much memory. A quarter is left
// for Caddy and for what is larger than the average.
func poolSize(memory uint64, workers int) int {
	fit := min(memory/4*3/childMemory, maxChildren+uint64(workers))
	return min(max(int(fit)-workers, minChildren), maxChildren)
}

// availableMemory is the limit of the container, or else the machine's memory.
func availableMemory() uint64 {
	limit, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil {
		return 0
	}
	return limit
}
