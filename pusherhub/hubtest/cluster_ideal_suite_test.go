package hubtest

import "testing"

// The suite can be passed.
func TestClusterIdeal(t *testing.T) {
	TestCluster(t, func(*testing.T) Cluster { return newIdeal("").cluster() })
}
