package enginetest

import (
	"os"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }

func TestBus(t *testing.T) {
	TestEngine(t, func(*testing.T) Harness {
		bus := cluster.NewBus()
		return Harness{
			Engine:  func(*testing.T) cluster.Engine { return bus.Engine() },
			Cut:     func() { bus.Cut() },
			Restore: func() { bus.Restore() },
			Forget:  bus.Forget,
		}
	})
}
