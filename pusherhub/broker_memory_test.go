package pusherhub_test

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestMemoryBroker(t *testing.T) {
	hubtest.TestBroker(t, func(*testing.T) pusherhub.Broker { return pusherhub.NewMemoryBroker() })
}
