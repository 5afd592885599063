package natsbroker

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/cluster/enginetest"
)

func TestEngine(t *testing.T) {
	s := startServer(t, nil)
	var parts atomic.Int64
	enginetest.TestEngine(t, func(*testing.T) enginetest.Harness {
		prefix := fmt.Sprint("part", parts.Add(1))
		return enginetest.Harness{
			Engine: func(*testing.T) cluster.Engine {
				o := s.broker(prefix)
				o.Cluster.Lease = time.Minute // the nodes of the suite do not enter again when all of them stood still for too long
				return newEngine(o)
			},
			Cut:     s.stop,
			Restore: s.start,
		}
	})
}
