package hubtest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
)

// testFleets checks hubs that have the brokers of a cluster. A cluster that has one node only, as the tests that are for all of them see it, has all
// nodes in one place.
func testFleets(t *testing.T, single bool, open func(t *testing.T) Cluster) {
	for _, test := range []struct {
		name   string
		faulty bool // needs nodes that fail
		config pusherhub.AppConfig
		run    func(f *fleet)
	}{
		{"events reach the clients of all nodes, once and in order", false, pusherhub.AppConfig{}, fleetEvents},
		{"socket_id is left out on whatever node it is", false, pusherhub.AppConfig{}, fleetExclusion},
		{"client events reach the clients of all nodes but the sender", false, pusherhub.AppConfig{}, fleetClientEvents},
		{"the kept event of a cache channel greets the clients of all nodes", false, pusherhub.AppConfig{}, fleetCache},
		{"T73 presence across nodes", false, pusherhub.AppConfig{}, fleetPresence},
		{"T73 tabs on two nodes are one member", false, pusherhub.AppConfig{}, fleetTabs},
		{"T73 user_info is that of the oldest socket on any node", false, pusherhub.AppConfig{}, fleetUserInfo},
		{"T73 members that come and go everywhere at once", false, pusherhub.AppConfig{}, fleetCrowd},
		{"T73 subscription_count across nodes", false, pusherhub.AppConfig{SubscriptionCount: new(true)}, fleetSubscriptionCount},
		{"T73 the HTTP API of each node counts all nodes", false, pusherhub.AppConfig{}, fleetCounts},
		{"T73 max_presence_members across nodes", false, pusherhub.AppConfig{MaxPresenceMembers: 2}, fleetMaxMembers},
		{"T73 max_connections across nodes", false, pusherhub.AppConfig{MaxConnections: 2}, fleetMaxConnections},
		{"T44 terminate_connections on all nodes", false, pusherhub.AppConfig{}, fleetTerminate},
		{"T43 events for a user reach all nodes", false, pusherhub.AppConfig{}, fleetUserChannel},
		{"T45 the watchlist across nodes", false, pusherhub.AppConfig{Watchlist: new(true)}, fleetWatchlist},
		{"T74 a dead node's members and channels are gone, once", true, pusherhub.AppConfig{Watchlist: new(true)}, fleetDeath},
		{"a node that stood still is what it was", true, pusherhub.AppConfig{}, fleetPause},
		{"without the server clients are served, and later all is true again", true, pusherhub.AppConfig{}, fleetCut},
		{"clients see no contradiction when the server comes back empty", true, pusherhub.AppConfig{}, fleetForget},
		{"a hub that closes hands over", true, pusherhub.AppConfig{}, fleetClose},
	} {
		if single && test.faulty {
			continue
		}
		t.Run(test.name, func(t *testing.T) { test.run(newFleet(t, open(t), test.config)) })
	}
}

// fleet is a cluster whose nodes are hubs with one app.
type fleet struct {
	*testing.T
	Cluster
	servers   []*Server
	brokers   []pusherhub.Broker
	recorders []*Recorder
	observed  map[string]int // what the recorders were told, by observation; see tally
}

func newFleet(t *testing.T, c Cluster, config pusherhub.AppConfig) *fleet {
	t.Helper()
	f := &fleet{T: t, Cluster: c, observed: make(map[string]int)}
	for range f.size() {
		broker, recorder := c.Open(t), NewRecorder()
		own := config
		own.Plugins = []pusherhub.Plugin{recorder}
		f.servers = append(f.servers, NewServerWith(t, pusherhub.Config{Apps: newApps(t, []pusherhub.AppConfig{own}), Broker: broker}))
		f.brokers = append(f.brokers, broker)
		f.recorders = append(f.recorders, recorder)
	}
	for _, s := range f.servers {
		Eventually(t, "the hub is ready", func() bool { return s.Hub.Ready() == nil })
	}
	f.settle()
	return f
}

// settle waits until the register knows what all nodes have. Without it, of what happens on two nodes, the later may come first.
func (f *fleet) settle() {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), Patience)
	defer cancel()
	for _, broker := range f.brokers {
		if b, keeps := broker.(pusherhub.RosterBroker); keeps {
			if err := b.Settle(ctx); err != nil {
				f.Fatalf("settling: %v", err)
			}
		}
	}
}

// size is how many nodes there are.
func (f *fleet) size() int {
	if f.Single {
		return 1
	}
	return 3
}

// at returns the server of a node. Of a cluster with one node, that is always the same.
func (f *fleet) at(i int) *Server { return f.servers[i%len(f.servers)] }

// eachNode is how many nodes a test speaks of.
const eachNode = 3

// answer is what a node's HTTP API says.
func (f *fleet) answer(i int, path string, params url.Values) string {
	f.Helper()
	status, answer, _ := f.at(i).Do(http.MethodGet, path, "", params)
	if status != http.StatusOK {
		answer = fmt.Sprint(status, " ", answer)
	}
	return answer
}

// expectAnswer waits until every node but those that are left out answers that.
func (f *fleet) expectAnswer(path string, params url.Values, want string, leftOut ...int) {
	f.Helper()
	skip := make(map[int]bool)
	for _, i := range leftOut {
		skip[i] = true
	}
	for i := range f.servers {
		if skip[i] {
			continue
		}
		found := ""
		f.eventuallyOr("the HTTP API is right", func() bool {
			found = f.answer(i, path, params)
			return found == want
		}, func() string { return fmt.Sprintf("node %d answers %s to GET %s, expected %s", i, found, path, want) })
	}
}

// eventuallyOr waits until done reports true, or fails with why.
func (f *fleet) eventuallyOr(what string, done func() bool, why func() string) {
	f.Helper()
	arrived := false
	defer func() {
		if !arrived {
			f.Error(why())
		}
	}()
	Eventually(f.T, what, done)
	arrived = true
}

// tally counts what the observers of all nodes were told since the last time, of what a cluster tells once.
func (f *fleet) tally() {
	for _, r := range f.recorders {
		for _, o := range r.Rest() {
			switch o.Type {
			case pusherhub.ChannelOccupied, pusherhub.ChannelVacated, pusherhub.MemberAdded, pusherhub.MemberRemoved, pusherhub.UserOnline, pusherhub.UserOffline:
				f.observed[strings.TrimSpace(string(o.Type)+" "+strings.TrimSpace(o.Channel+" "+o.UserID))]++
			}
		}
	}
}

// expectObserved waits until the observers of all nodes together were told exactly that.
func (f *fleet) expectObserved(want map[string]int) {
	f.Helper()
	f.eventuallyOr("observers are told of everything", func() bool {
		f.tally()
		return maps.Equal(f.observed, want)
	}, func() string { return fmt.Sprintf("observers were told %v, expected %v", f.observed, want) })
}

// once is that each of these was observed once.
func once(what ...string) map[string]int {
	sums := make(map[string]int)
	for _, one := range what {
		sums[one]++
	}
	return sums
}
