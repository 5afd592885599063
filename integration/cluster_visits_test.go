package integration

import (
	"fmt"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Who comes and goes at once, faster than the engine's server may hear of it, is in the webhooks: each visitor has come, and has gone.
func TestClusterShortVisits(t *testing.T) {
	onEveryEngineAtOnce(t, func(t *testing.T, e engine) {
		r := newReceiver(t)
		c := startCluster(t, e, 2, defaultLease, webhookLines(r))
		crowd := newWatchers(t)
		expected := make(map[string]balance)
		for i := range 100 {
			name, room := fmt.Sprintf("visitor-%d", i), fmt.Sprintf("presence-%d", i)
			crowd.at(c.nodes[i%2], name).must(room).leave()
			expected[room], expected[room+" "+name] = balance{1, 1}, balance{1, 1}
		}
		r.expectBalances(t, 2*hubtest.Patience, expected)
	})
}
