package natsbroker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// holder is a node that has many members on one channel.
type holder struct {
	*member
	topic pusherhub.Topic
	batch uint64
	holds map[string]bool
	made  []pusherhub.Transition

	mu      sync.Mutex
	seen    map[string]map[string]bool // guarded by mu: nodes by user, as the changes say
	moves   []pusherhub.Transition     // guarded by mu: what the changes say has come about
	version uint64                     // guarded by mu: of the last change
	leftOut []string                   // guarded by mu
}

func newHolder(t *testing.T, o Options, name string, topic pusherhub.Topic) *holder {
	t.Helper()
	c := &holder{topic: topic, holds: make(map[string]bool), seen: make(map[string]map[string]bool)}
	c.member = &member{t: t, engine: newEngine(o), node: name, entries: make(map[string]int)}
	if err := c.engine.Open(c); err != nil {
		t.Fatalf("opening the engine: %v", err)
	}
	t.Cleanup(c.close)
	hubtest.Eventually(t, name+" is up", func() bool { c.member.mu.Lock(); defer c.member.mu.Unlock(); return c.up })
	c.eventually("enters", func(ctx context.Context) error { _, err := c.engine.Enter(ctx, name, time.Hour); return err })
	return c
}

func (c *holder) Change(change cluster.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if change.Version <= c.version {
		c.t.Errorf("found version %d after %d, expected that it rises", change.Version, c.version)
	}
	c.version = change.Version
	for _, entry := range change.Entries {
		user := entry.Member.UserID
		if len(c.seen[user]) == 0 {
			c.moves = append(c.moves, pusherhub.Transition{Topic: change.Topic, Member: user, Gained: true})
			c.seen[user] = make(map[string]bool)
		}
		c.seen[user][entry.Node] = true
	}
	for _, entry := range change.Gone {
		user := entry.Member.UserID
		delete(c.seen[user], entry.Node)
		if len(c.seen[user]) == 0 {
			c.moves = append(c.moves, pusherhub.Transition{Topic: change.Topic, Member: user})
		}
	}
}

func (c *holder) LeftOut(_ pusherhub.Topic, user string, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leftOut = append(c.leftOut, user)
	c.t.Logf("left out: %q: %s", user, why)
}

// apply enters an update, as often as it takes.
func (c *holder) apply(u cluster.Update) {
	c.t.Helper()
	c.batch++
	u.Topic = c.topic
	var first []pusherhub.Transition
	c.eventually("applies", func(ctx context.Context) error {
		made, known, err := c.engine.Apply(ctx, c.node, c.batch, []cluster.Update{u})
		if err == nil && !known {
			c.t.Errorf("found that %s is not known", c.node)
		}
		first = made
		return err
	})
	c.made = append(c.made, first...)
	c.eventually("applies again", func(ctx context.Context) error { // as if the answer had been lost
		made, _, err := c.engine.Apply(ctx, c.node, c.batch, []cluster.Update{u})
		if err == nil && !slices.Equal(made, first) {
			c.t.Errorf("found %d transitions of a batch that came again, expected the same %d", len(made), len(first))
		}
		return err
	})
}

// move has users join and leave, some at a time.
func (c *holder) move(users []string, join bool, some int) {
	c.t.Helper()
	for chunk := range slices.Chunk(users, some) {
		var u cluster.Update
		for _, user := range chunk {
			c.holds[user] = join
			u.Members = append(u.Members, cluster.MemberUpdate{Member: person(user), Gone: !join})
		}
		c.apply(u)
	}
}

func person(user string) pusherhub.Member {
	return pusherhub.Member{UserID: user, Info: []byte(`{"name":"` + user + ` of the crowd"}`), Since: 1_763_881_342_123}
}

// read returns who the register has on the channel, and checks that it has each once.
func (c *holder) read() (list map[string]map[string]bool) {
	c.t.Helper()
	list = make(map[string]map[string]bool)
	c.eventually("reads", func(ctx context.Context) error {
		states, err := c.engine.Read(ctx, []pusherhub.Topic{c.topic})
		if err != nil {
			return err
		}
		for _, entry := range states[0].Entries {
			user := entry.Member.UserID
			if list[user] == nil {
				list[user] = make(map[string]bool)
			}
			if list[user][entry.Node] {
				c.t.Errorf("found %q of %s twice", user, entry.Node)
			}
			list[user][entry.Node] = true
			if user != "" && string(entry.Member.Info) != string(person(user).Info) {
				c.t.Errorf("found the info %q of %q, expected %q", entry.Member.Info, user, person(user).Info)
			}
		}
		return nil
	})
	return list
}

// expectExact expects that the transitions are those that the changes show, and that the changes lead to what is held.
func expectExact(t *testing.T, what string, follower *holder, made []pusherhub.Transition, held map[string]map[string]bool) {
	t.Helper()
	follower.mu.Lock()
	defer follower.mu.Unlock()
	count := make(map[pusherhub.Transition]int)
	for _, m := range made {
		count[m]++
	}
	for _, m := range follower.moves {
		count[m]--
	}
	for m, more := range count {
		if more != 0 {
			t.Errorf("%s: found %+v reported %d times more often than it was seen", what, m, more)
		}
	}
	if !follower.leadsTo(held) {
		t.Errorf("%s: found that the changes lead to something else than the %d users that are held", what, len(held))
	}
}

// leadsTo reports whether the changes lead to what is held. The caller holds mu.
func (c *holder) leadsTo(held map[string]map[string]bool) bool {
	seen := maps.Clone(c.seen)
	maps.DeleteFunc(seen, func(_ string, nodes map[string]bool) bool { return len(nodes) == 0 })
	return maps.EqualFunc(seen, held, maps.Equal[map[string]bool, map[string]bool])
}

// Three nodes have 20,000 members on one channel, who come and go at the same time, and one of the nodes dies.
func TestManyMembers(t *testing.T) { testCrowd(t, 5000, 600, 0) }

// The same with parts that are full with a few members, and with parts of their own.
func TestSmallParts(t *testing.T) { testCrowd(t, 400, 20, 200) }

func testCrowd(t *testing.T, people, some, partSize int) {
	s := startServer(t, withJetStream(t))
	options := s.broker("crowd")
	options.JetStream, options.partSize = JetStreamOn, cmp.Or(partSize, options.partSize)
	topic := channel("presence-crowd")
	nodes := make([]*holder, 3)
	for i := range nodes {
		nodes[i] = newHolder(t, options, fmt.Sprint("n", i), topic)
	}
	follower := nodes[2]
	follower.subscribe(topic.Channel)

	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			var users []string
			for u := range people {
				if u%3 == i || u%5 == 0 && (u+1)%3 == i {
					users = append(users, fmt.Sprint("user-", u))
				}
			}
			rand.Shuffle(len(users), func(a, b int) { users[a], users[b] = users[b], users[a] })
			n.apply(cluster.Update{Counted: true, Count: 1})
			half := len(users) / 2
			n.move(users[:half], true, some)
			n.move(users[:len(users)/10], false, some)
			n.move(users[half:], true, some)
			n.move(users[len(users)/20:len(users)/10], true, some)
		})
	}
	all.Wait()

	held := map[string]map[string]bool{"": {}}
	var made []pusherhub.Transition
	for _, n := range nodes {
		made = append(made, n.made...)
		held[""][n.node] = true
		for user, holds := range n.holds {
			if !holds {
				continue
			}
			if held[user] == nil {
				held[user] = make(map[string]bool)
			}
			held[user][n.node] = true
		}
	}
	seenAll := func() bool {
		follower.mu.Lock()
		defer follower.mu.Unlock()
		return len(follower.moves) >= len(made) && follower.leadsTo(held)
	}
	hubtest.Eventually(t, "the changes", seenAll)
	found := follower.read()
	if !maps.EqualFunc(found, held, maps.Equal[map[string]bool, map[string]bool]) {
		t.Errorf("found %d users in the register, expected %d", len(found), len(held))
	}
	expectExact(t, "joining and leaving", follower, made, held)
	follower.expectCount(len(nodes), len(held)-1)

	if depth := follower.deepest(); depth < 2 {
		t.Errorf("found parts of depth %d, expected parts of parts", depth)
	}

	nodes[0].eventually("resigns", func(ctx context.Context) error { return nodes[0].engine.Resign(ctx, nodes[0].node) })
	for more := true; more; {
		follower.eventually("reaps", func(ctx context.Context) error {
			reaped, again, err := follower.engine.Reap(ctx)
			made, more = append(made, reaped...), again
			return err
		})
	}
	maps.DeleteFunc(held, func(_ string, of map[string]bool) bool { delete(of, nodes[0].node); return len(of) == 0 })
	hubtest.Eventually(t, "the changes of what was reaped", seenAll)
	expectExact(t, "reaping", follower, made, held)
	follower.expectCount(len(nodes)-1, len(held)-1)
}

// expectCount expects that much, also in the list of channels.
func (c *holder) expectCount(count, members int) {
	c.t.Helper()
	found := c.expectTotal(count, members)
	c.eventually("lists channels", func(ctx context.Context) error {
		list, err := c.engine.Channels(ctx, c.topic.App, "presence-")
		if err == nil && list[c.topic.Channel] != found {
			c.t.Errorf("found %+v in the list of channels, expected %+v", list[c.topic.Channel], found)
		}
		return err
	})
}

func (c *holder) expectTotal(count, members int) (found pusherhub.Holding) {
	c.t.Helper()
	c.eventually("counts", func(ctx context.Context) (err error) {
		found, err = c.engine.Count(ctx, c.topic)
		return err
	})
	if found.Count != count || found.Members != members {
		c.t.Errorf("found %+v, expected the count %d and %d members", found, count, members)
	}
	return found
}

func withJetStream(t *testing.T) func(*server.Options) {
	dir := t.TempDir()
	return func(o *server.Options) { o.JetStream, o.StoreDir = true, dir }
}
