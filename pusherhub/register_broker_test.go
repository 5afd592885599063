package pusherhub_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// registrar is a broker with a register of which the test is every other node.
type registrar struct {
	pusherhub.MemoryBroker
	node pusherhub.Node

	mu         sync.Mutex
	subscribed map[string]int                        // guarded by mu, by channel
	held       map[pusherhub.Topic]int               // guarded by mu
	members    map[pusherhub.Topic]map[string]string // guarded by mu: user_info by user
	followed   map[pusherhub.Topic]int               // guarded by mu
	register   map[pusherhub.Topic]pusherhub.Holding // guarded by mu: what Lookup says
	onFollow   map[pusherhub.Topic]int               // guarded by mu: what other nodes have of what is followed
	rosters    map[string]func(*pusherhub.Roster)    // guarded by mu: completes what Subscribe tells of a channel
	away       bool                                  // guarded by mu
	lookups    int                                   // guarded by mu: calls of Lookup
}

func newRegistrar() *registrar {
	return &registrar{
		subscribed: make(map[string]int), held: make(map[pusherhub.Topic]int), members: make(map[pusherhub.Topic]map[string]string),
		followed: make(map[pusherhub.Topic]int), register: make(map[pusherhub.Topic]pusherhub.Holding),
		onFollow: make(map[pusherhub.Topic]int), rosters: make(map[string]func(*pusherhub.Roster)),
	}
}

func (b *registrar) Open(ctx context.Context, node pusherhub.Node) error {
	b.node = node
	return b.MemoryBroker.Open(ctx, node)
}

func (b *registrar) Subscribe(app, channel string) error {
	b.mu.Lock()
	b.subscribed[channel]++
	complete, away := b.rosters[channel], b.away
	b.mu.Unlock()
	if away {
		return nil
	}
	r := pusherhub.Roster{Topic: pusherhub.Topic{App: app, Channel: channel}, Full: true}
	if complete != nil {
		complete(&r)
	}
	b.node.Roster(r)
	return nil
}

func (b *registrar) Unsubscribe(_, channel string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subscribed[channel]--; b.subscribed[channel] == 0 {
		delete(b.subscribed, channel)
	}
	return nil
}

func (b *registrar) Hold(t pusherhub.Topic, count int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[t] = count; count == 0 {
		delete(b.held, t)
	}
}

func (b *registrar) Join(t pusherhub.Topic, m pusherhub.Member) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.members[t] == nil {
		b.members[t] = make(map[string]string)
	}
	b.members[t][m.UserID] = string(m.Info)
}

func (b *registrar) Leave(t pusherhub.Topic, userID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.members[t], userID); len(b.members[t]) == 0 {
		delete(b.members, t)
	}
}

func (b *registrar) Follow(topics ...pusherhub.Topic) {
	for _, t := range topics {
		b.mu.Lock()
		b.followed[t]++
		count, away := b.onFollow[t], b.away
		b.mu.Unlock()
		if away {
			continue
		}
		b.node.Roster(pusherhub.Roster{Topic: t, Count: count, Full: true})
	}
}

func (b *registrar) Unfollow(topics ...pusherhub.Topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range topics {
		if b.followed[t]--; b.followed[t] == 0 {
			delete(b.followed, t)
		}
	}
}

var errRegisterAway = errors.New("the register is away")

func (b *registrar) Lookup(_ context.Context, t pusherhub.Topic) (pusherhub.Holding, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lookups++
	if b.away {
		return pusherhub.Holding{}, errRegisterAway
	}
	return b.register[t], nil
}

func (b *registrar) LookupMembers(_ context.Context, t pusherhub.Topic) (ids []string, err error) {
	total, err := b.Lookup(context.Background(), t)
	for i := range total.Members {
		ids = append(ids, fmt.Sprint("elsewhere-", i))
	}
	return ids, err
}

func (b *registrar) LookupChannels(_ context.Context, app, prefix string) (map[string]pusherhub.Holding, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return nil, errRegisterAway
	}
	all := make(map[string]pusherhub.Holding)
	for t, total := range b.register {
		if t.App == app && t.Channel != "" && strings.HasPrefix(t.Channel, prefix) {
			all[t.Channel] = total
		}
	}
	return all, nil
}

func (b *registrar) Settle(context.Context) error { return nil }

// says sets what the register answers about a channel of the test's app.
func (b *registrar) says(channel string, total pusherhub.Holding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.register[onChannel(channel)] = total
}

func (b *registrar) setAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

// expect waits until the node holds exactly that, written as "channel: 2", "user 7: 1", "app: 3", and "channel/user {info}" for members.
func (b *registrar) expect(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	var found []string
	defer func() {
		if t.Failed() {
			t.Logf("the node holds %q", found)
		}
	}()
	hubtest.Eventually(t, fmt.Sprintf("the node to hold %q", want), func() bool {
		found = b.holdings()
		return slices.Equal(found, want)
	})
}

func (b *registrar) holdings() (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for topic, count := range b.held {
		switch {
		case topic.Channel != "":
			list = append(list, fmt.Sprintf("%s: %d", topic.Channel, count))
		case topic.UserID != "":
			list = append(list, fmt.Sprintf("user %s: %d", topic.UserID, count))
		default:
			list = append(list, fmt.Sprintf("app: %d", count))
		}
	}
	for topic, users := range b.members {
		for id, info := range users {
			list = append(list, fmt.Sprintf("%s/%s %s", topic.Channel, id, info))
		}
	}
	slices.Sort(list)
	return list
}

// expectFollowed waits until the node follows those users and is subscribed to those channels.
func (b *registrar) expectFollowed(t *testing.T, users, channels []string) {
	t.Helper()
	hubtest.Eventually(t, fmt.Sprintf("users %q and channels %q to be followed", users, channels), func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		var found []string
		for topic, times := range b.followed {
			if topic.UserID != "" {
				found = append(found, topic.UserID)
			}
			if times != 1 {
				return false // one socket watches in these tests
			}
		}
		slices.Sort(found)
		return slices.Equal(found, users) && slices.Equal(slices.Sorted(maps.Keys(b.subscribed)), channels)
	})
}

func onChannel(channel string) pusherhub.Topic {
	return pusherhub.Topic{App: hubtest.AppID, Channel: channel}
}

func onUser(id string) pusherhub.Topic { return pusherhub.Topic{App: hubtest.AppID, UserID: id} }

// newRegistered returns a server in a cluster, and the cluster.
func newRegistered(t *testing.T, config pusherhub.AppConfig) (*hubtest.Server, *registrar) {
	return newRegisteredWith(t, config, hubtest.NewServerWith)
}

func newRegisteredWith(t *testing.T, config pusherhub.AppConfig, with func(testing.TB, pusherhub.Config) *hubtest.Server) (*hubtest.Server, *registrar) {
	b := newRegistrar()
	app := mustApp(t, hubtest.WithCredentials(config))
	return with(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: b}), b
}
