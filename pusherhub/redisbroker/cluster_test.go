package redisbroker

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// startCluster runs a Redis Cluster of three masters, and as many replicas of each.
func startCluster(t testing.TB, replicas int) (servers []*redisServer, addresses []string) {
	t.Helper()
	for range 3 * (1 + replicas) {
		s := startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-config-file", "nodes.conf")
		servers, addresses = append(servers, s), append(addresses, s.address())
	}
	create := append([]string{"--cluster", "create"}, addresses...)
	create = append(create, "--cluster-replicas", fmt.Sprint(replicas), "--cluster-yes")
	if said, err := exec.Command("redis-cli", create...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	hubtest.Eventually(t, "the cluster is complete", func() bool {
		for _, s := range servers {
			if !strings.Contains(s.do("cluster", "info"), "cluster_state:ok") || strings.Count(s.do("cluster", "nodes"), "slave") != 3*replicas {
				return false
			}
			if info := s.do("info", "replication"); strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
				return false
			}
		}
		return true
	})
	return servers, addresses
}

func TestCluster(t *testing.T) {
	servers, addresses := startCluster(t, 0)
	for _, s := range servers {
		s.do(append([]string{"acl", "setuser", "hub", "on", ">" + password}, strings.Fields(acl+clusterACL)...)...)
	}
	o := Options{Addresses: addresses[:2], Cluster: true, Username: "hub", Password: password}
	first, heard := open(t, o)
	second, other := open(t, o)
	ctx := context.Background()
	if n := len(first.link.subscribers); n != 3 || first.link.publish != "SPUBLISH" {
		t.Errorf("found %d subscribers and %s, expected one for each master, and sharded messages", n, first.link.publish)
	}
	var topics []pusherhub.Topic
	var updates, gone []cluster.Update
	var posts []cluster.Post
	for i := range 100 {
		name := fmt.Sprint("presence-", i)
		topics = append(topics, channel(name))
		u := counted(name, 2)
		u.Members = []cluster.MemberUpdate{member("ann")}
		updates = append(updates, u)
		gone = append(gone, cluster.Update{Topic: channel(name), Counted: true, Members: []cluster.MemberUpdate{
			{Member: pusherhub.Member{UserID: "ann"}, Gone: true},
		}})
		for j := range 3 {
			posts = append(posts, post(name, fmt.Sprint(i, ":", j)))
		}
	}
	for _, e := range []*Engine{first, second} {
		if err := e.Subscribe(ctx, topics); err != nil {
			t.Fatal(err)
		}
	}
	enter(t, first, "one")
	enter(t, second, "two")
	if made := apply(t, first, "one", 1, updates...); len(made) != 200 {
		t.Errorf("found %d transitions", len(made))
	}
	if made := apply(t, second, "two", 1, updates...); len(made) != 0 {
		t.Errorf("found %+v", made)
	}
	send(t, first, posts...)
	for _, l := range []*listener{heard, other} {
		l.has(t, "all that was sent", func() bool { return len(l.changes) == 200 && len(l.received) == 300 })
		last := make(map[string]string)
		for _, data := range l.received {
			room, number, _ := strings.Cut(data, ":")
			if number < last[room] {
				t.Errorf("%s came after %s in %s", number, last[room], room)
			}
			last[room] = number
		}
	}
	states, err := first.Read(ctx, topics)
	if err != nil || len(states) != 100 || len(states[99].Entries) != 4 {
		t.Errorf("found %d states, %v", len(states), err)
	}
	if all, err := first.Channels(ctx, "app:1", ""); err != nil || len(all) != 100 || all["presence-7"] != (pusherhub.Holding{Count: 4, Members: 1}) {
		t.Errorf("found %d channels, %v", len(all), err)
	}
	if h, err := first.Count(ctx, topics[0]); err != nil || h.Count != 4 || h.Members != 1 {
		t.Errorf("found %+v, %v", h, err)
	}

	if err := first.Resign(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	expect(t, "nothing", reapAll(t, second))
	if made := apply(t, second, "two", 2, gone...); len(made) != 200 {
		t.Errorf("found %d transitions", len(made))
	}
	if err := second.Resign(ctx, "two"); err != nil {
		t.Fatal(err)
	}
	reapAll(t, second)
	expectLeftovers(t, servers...)
}

// One master that has lost its memory is a new epoch, and the node is not known.
func TestClusterLosesPart(t *testing.T) {
	servers, addresses := startCluster(t, 0)
	e, _ := open(t, Options{Addresses: addresses, Cluster: true})
	old := enter(t, e, "one")
	servers[1].do("flushall")
	pulse, err := e.Beat(context.Background(), "one", time.Minute)
	if err != nil || pulse.Epoch == old.Epoch || pulse.Known {
		t.Errorf("found %+v, %v, expected another epoch than %s", pulse, err, old.Epoch)
	}
}

// When a master has died and its replica taken over, everything works again.
func TestClusterFailover(t *testing.T) {
	inBothModes(t, testClusterFailover)
}

func testClusterFailover(t *testing.T, unsharded bool) {
	servers, addresses := startCluster(t, 1)
	e, l := open(t, Options{Addresses: addresses, Cluster: true, Timeout: time.Second, unsharded: unsharded})
	for _, s := range servers {
		if strings.HasPrefix(s.do("role"), "master") {
			s.stop()
			break
		}
	}
	l.has(t, "the loss is noticed", func() bool { return len(l.downs) > 0 })
	hubtest.Eventually(t, "all partitions work", func() bool {
		_, err := e.Enter(context.Background(), "one", time.Minute)
		return err == nil && e.Subscribe(context.Background(), many()) == nil
	})
}

// When a part of the slots moves to another master, what is subscribed to is subscribed to there.
func TestClusterMove(t *testing.T) {
	inBothModes(t, testClusterMove)
}

func testClusterMove(t *testing.T, unsharded bool) {
	servers, addresses := startCluster(t, 0)
	e, l := open(t, Options{Addresses: addresses, Cluster: true, unsharded: unsharded})
	ctx := context.Background()
	enter(t, e, "one")
	key := e.keys.meta(3)
	slot := servers[0].do("cluster", "keyslot", key)
	var from, to *redisServer
	for _, s := range servers {
		if strings.Contains(s.do("exists", key), "MOVED") {
			to = s
		} else {
			from = s
		}
	}
	to.do("cluster", "setslot", slot, "importing", from.do("cluster", "myid"))
	from.do("cluster", "setslot", slot, "migrating", to.do("cluster", "myid"))
	for moved := range strings.FieldsSeq(from.do("cluster", "getkeysinslot", slot, "100")) {
		from.do("migrate", "127.0.0.1", fmt.Sprint(to.port), moved, "0", "1000")
	}
	to.do("cluster", "setslot", slot, "node", to.do("cluster", "myid"))
	from.do("cluster", "setslot", slot, "node", to.do("cluster", "myid"))

	if !unsharded { // then a move is none of the subscriptions' business
		l.has(t, "the move is noticed", func() bool { return len(l.downs) > 0 })
	}
	hubtest.Eventually(t, "all partitions work", func() bool { return e.Subscribe(ctx, many()) == nil })
	if pulse, err := e.Beat(ctx, "one", time.Minute); err != nil || !pulse.Known {
		t.Errorf("found %+v, %v", pulse, err)
	}
	var posts []cluster.Post
	for _, topic := range many() {
		posts = append(posts, post(topic.Channel, "x"))
	}
	send(t, e, posts...)
	l.has(t, "all that was sent", func() bool { return len(l.received) == len(posts) })
}

// inBothModes tests a cluster with sharded pub/sub and as it was before Redis 7.
func inBothModes(t *testing.T, test func(t *testing.T, unsharded bool)) {
	t.Helper()
	t.Run("sharded", func(t *testing.T) { test(t, false) })
	t.Run("unsharded", func(t *testing.T) { test(t, true) })
}

// many returns topics of all partitions.
func many() (topics []pusherhub.Topic) {
	for i := range 100 {
		topics = append(topics, channel(fmt.Sprint(i)))
	}
	return topics
}
