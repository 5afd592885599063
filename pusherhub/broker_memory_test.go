package pusherhub_test

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestMemoryBroker(t *testing.T) {
	hubtest.TestBroker(t, func(*testing.T) pusherhub.Broker { return pusherhub.NewMemoryBroker() })
}

// A hub that is alone is to its clients what a cluster is.
func TestMemoryBrokerAsCluster(t *testing.T) {
	hubtest.TestCluster(t, func(*testing.T) hubtest.Cluster {
		return hubtest.Cluster{Single: true, Open: func(*testing.T) pusherhub.Broker { return pusherhub.NewMemoryBroker() }}
	})
}
