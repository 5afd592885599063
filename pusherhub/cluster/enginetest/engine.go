// Package enginetest holds the suite that every engine of package cluster must pass.
package enginetest

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// Harness is a server with nothing in it, or a part of a server that nothing else uses.
type Harness struct {
	// Engine returns a new engine, which is not open, for one more node. The suite closes it.
	Engine func(t *testing.T) cluster.Engine

	// Cut cuts all engines from the server until Restore; what the server knows lasts, but for subscriptions. nil: the harness cannot.
	Cut, Restore func()

	// Forget empties the server's memory, as if it had been started again, and ends the connections. nil: the harness cannot.
	Forget func()
}

// TestEngine runs the suite. open is called for each part of it.
func TestEngine(t *testing.T, open func(t *testing.T) Harness) {
	for _, part := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"posts reach who has subscribed", testSubscribe},
		{"posts come in order, once", testOrder},
		{"large posts", testLarge},
		{"nobody gets what it has unsubscribed from", testUnsubscribe},
		{"events are kept", testKeep},
		{"events are kept before they are received", testKeepFirst},
		{"leases", testLease},
		{"what a dead node held is reaped", testReap},
		{"what a dead node held is reaped once", testReapOnce},
		{"a node that is not known applies nothing", testUnknown},
		{"transitions", testTransitions},
		{"a batch is done once", testBatch},
		{"a former memory is restored", testRestored},
		{"changes are those of the register", testChanges},
		{"a change is seen whole", testAtomic},
		{"counts and lists of channels", testChannels},
		{"members are exact", testMembers},
		{"odd names", testNames},
		{"the same as a register", testModel},
		{"many nodes at once", testStorm},
		{"the connection is lost", testCut},
		{"the server is away at first", testAway},
		{"the server forgets", testForget},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}
