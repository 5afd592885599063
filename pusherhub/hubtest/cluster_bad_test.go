package hubtest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// verdictOnCluster runs one check of TestCluster on an ideal cluster with a flaw and returns what it finds wrong. It is impatient.
func verdictOnCluster(check, flaw string) []string {
	i := slices.IndexFunc(crewTests, func(c crewTest) bool { return c.name == check })
	if i < 0 {
		return []string{"there is no check " + check}
	}
	v := new(verdict)
	d := newIdeal(flaw)
	inGoroutine(func() {
		crewTests[i].run(newCrew(v, d.cluster(), func() pusherhub.Broker { return d.broker() }, 2*time.Second))
	})
	v.cleanUp()
	return v.found
}

// Each of these is a mistake that somebody will make, and what TestCluster has to say of it.
func TestClusterFindsMistakes(t *testing.T) {
	const (
		reach, order, commands = "a message reaches every node that is subscribed, once", "each publisher's order is kept on every node", "a command reaches every node, once"
		interest, roster       = "Subscribe holds for what any node publishes from then on", "a node is told what the others hold"
		oldest, follow         = "the data of the oldest counts", "topics are followed as often as they are followed"
		reports, storm         = "each transition is reported by the node that made it", "all agree after a storm"
		visits                 = "what came and went at once is reported, too"
		death, handOver        = "a node that dies loses what it held, once", "a node that closes hands over at once"
		pause, cut             = "a node that stood still for long puts things right", "without the server each node goes on, and all is healed when it is back"
		forget                 = "a server that comes back empty is filled again, and nothing is gained twice"
	)
	mistakes := []struct{ flaw, check, says string }{
		{"is alone", reach, "node 3 got 0 messages on d from node 1, expected 1"},
		{"floods", reach, "of channel c, to which it is not subscribed"},
		{"delivers twice", reach, `node 3 got ["0" "0"] on d from node 1, expected ["0"]`},
		{"swaps", order, "expected [\"0\" \"1\""},
		{"commands nobody", commands, "in vain: node 2 executes a command"},
		{"subscribes late", interest, "in vain: what was published after Subscribe"},
		{"begins with less", roster, "expected a full roster"},
		{"counts itself", roster, "node 2 was told that the others hold 7 of channel presence-room"},
		{"calls back", roster, "while the node cannot be called, does not return"},
		{"newest counts", oldest, "expected 0 with map[7:a]"},
		{"forgets who follows", follow, "was told that the others hold 0 of user 7"},
		{"reports nothing", reports, "found reports [], expected [the gain"},
		{"all report", reports, "found reports [the "},
		{"loses losses", storm, "and lost 0 times, and held: "},
		{"loses losses", reports, "found reports [], expected [the loss"},
		{"reports nothing", visits, "member 0 of channel presence-0: gained 0 times and lost 0 times, expected 1 and 1"},
		{"never reaps", death, "in vain: the register is true"},
		{"reaps twice", death, "own of node 3: gained 1 times and lost 2 times, and held: false"},
		{"reaps at its end", death, "which ended, expected the other node to reap"},
		{"keeps what it held", handOver, "expected that it hands over"},
		{"never wakes", pause, "expected 6 with 4"},
		{"sends again", cut, "expected a higher number"},
		{"gains anew", forget, "own of node 1: gained 2 times and lost 0 times, and held: true"},
	}
	found := make([][]string, len(mistakes))
	var trials sync.WaitGroup
	for i, mistake := range mistakes { // all at once, because most of the time is patience
		trials.Go(func() { found[i] = verdictOnCluster(mistake.check, mistake.flaw) })
	}
	trials.Wait()
	for i, mistake := range mistakes {
		t.Run(mistake.flaw, func(t *testing.T) {
			if !mentions(found[i], mistake.says) {
				t.Errorf("found %.700q, expected something with %q", found[i], mistake.says)
			}
		})
	}
}
