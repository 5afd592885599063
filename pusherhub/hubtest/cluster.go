package hubtest

import (
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Cluster says how [TestCluster] gets brokers that hear each other, and what it can do to them. Each Cluster stands alone: its
// brokers hear none of another.
type Cluster struct {
	// Open returns a broker of one more node, not opened yet. The suite closes it. Required.
	Open func(t *testing.T) pusherhub.Broker

	// Single says that there is only ever one node, as with a [pusherhub.MemoryBroker]. Then the hub alone is tested, as one that is
	// its own cluster, and nothing else is required.
	Single bool

	// Lease is how long a node that has died keeps what it holds, at most. Choose it short, but so long that a test that is run
	// with -race on a busy machine does not miss it: 1s to 2s. Required.
	Lease time.Duration

	// Kill has the broker's node die without a word: it neither sends nor hears any more, and its lease is not renewed. Its Close, which comes
	// later, must return. Required.
	Kill func(b pusherhub.Broker)

	// Pause has the broker stand still, as SIGSTOP does: it neither sends nor hears anything, nor notices that it does not. Required.
	Pause func(b pusherhub.Broker)

	// Resume ends Pause. Required.
	Resume func(b pusherhub.Broker)

	// Cut makes the server unreachable for all brokers, those that are opened later included. Required.
	Cut func()

	// Restore ends Cut. Required.
	Restore func()

	// Forget has the server lose all that it knows, as a restart without a disk does. Connections may be lost by that. It is also called
	// between Cut and Restore. Required.
	Forget func()
}

// TestCluster checks that brokers of several nodes keep what [pusherhub.RosterBroker] promises: delivery, interest, order, rosters, leases, transitions
// that are reported once, and what becomes of all that when a node dies or stands still, and when the server is away or comes back empty. Then it puts them into hubs and checks
// with clients that the hubs together are what one is. open returns a new cluster for each call. Call it from a test of the
// broker's package, beside [TestBroker], and run that with -race:
//
//	func TestCluster(t *testing.T) {
//		hubtest.TestCluster(t, func(t *testing.T) hubtest.Cluster { ... })
//	}
//
// A cluster of one node (Single) gets the second part alone, with all clients on that node. The suite waits up to [Patience] for what must come.
func TestCluster(t *testing.T, open func(t *testing.T) Cluster) {
	sample := open(t)
	sample.complete(t)
	if !sample.Single {
		t.Run("brokers", func(t *testing.T) {
			for _, test := range crewTests {
				t.Run(test.name, func(t *testing.T) {
					c := open(t)
					test.run(newCrew(t, c, func() pusherhub.Broker { return c.Open(t) }, Patience))
				})
			}
		})
	}
	t.Run("hubs", func(t *testing.T) { testFleets(t, sample.Single, open) })
}

// complete fails the test if something is missing.
func (c Cluster) complete(t testing.TB) {
	t.Helper()
	if c.Open == nil {
		t.Fatal("Cluster.Open is missing")
	}
	if c.Single {
		return
	}
	if c.Lease <= 0 || c.Kill == nil || c.Pause == nil || c.Resume == nil || c.Cut == nil || c.Restore == nil || c.Forget == nil {
		t.Fatal("found a Cluster without Lease, Kill, Pause, Resume, Cut, Restore or Forget, expected all of them")
	}
}

// crewTest is a check of brokers whose nodes are witnesses.
type crewTest struct {
	name string
	run  func(x *crew)
}

// crewTests are in the order of what builds on what.
var crewTests = []crewTest{
	{"a message reaches every node that is subscribed, once", checkReach},
	{"a message crosses as it is", checkCrossing},
	{"each publisher's order is kept on every node", checkCrossOrder},
	{"a command reaches every node, once", checkCommands},
	{"Subscribe holds for what any node publishes from then on", checkInterest},
	{"neither side changes a message", checkImmutable},
	{"all methods may be called at once on all nodes", checkAllAtOnce},
	{"a node is told what the others hold", checkRoster},
	{"the data of the oldest counts", checkOldest},
	{"topics are followed as often as they are followed", checkFollow},
	{"any node can look everything up", checkLookup},
	{"the kept event greets who comes later", checkKept},
	{"what is joined is entered before what is published afterwards", checkJoinFirst},
	{"each transition is reported by the node that made it", checkReports},
	{"what came and went at once is reported, too", checkVisits},
	{"all agree after a storm", checkStorm},
	{"a node that dies loses what it held, once", checkDeath},
	{"a node that closes hands over at once", checkHandOver},
	{"a node that stood still for long puts things right", checkPause},
	{"a node that stood still for a moment missed nothing that lasts", checkMoment},
	{"without the server each node goes on, and all is healed when it is back", checkCut},
	{"a node may come and go while the server is away", checkAway},
	{"all agree after a storm with a server and nodes that come and go", checkStormOfFaults},
	{"a server that comes back empty is filled again, and nothing is gained twice", checkForget},
	{"what changed while the server lost its memory is reported once", checkForgetChanges},
	{"all agree after a storm with a server that loses its memory", checkStormOfMemory},
}
