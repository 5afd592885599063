package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// presenceStorm is how hard a presence storm blows.
type presenceStorm struct {
	users, rooms, joins int
	lasts               time.Duration
}

// Users join, leave and come back to other nodes, with and without a word. Each of them sees a consistent history at any time, and in the end
// everybody knows the truth.
func TestClusterPresenceStorm(t *testing.T) {
	for i, of := range engines {
		t.Run(of.name, func(t *testing.T) {
			s := presenceStorm{users: 500, rooms: 40, joins: 4000, lasts: 10 * time.Second}
			if i == 0 {
				s.joins, s.lasts = 20_000, time.Minute
			}
			s.blow(t, of.start(t))
		})
	}
}

// stormUser is one of the users, at one socket. Some have another one.
type stormUser struct {
	*watcher

	random *rand.Rand
	joined []string // the rooms
}

func (s presenceStorm) blow(t *testing.T, e engine) {
	r := newReceiver(t)
	c := startCluster(t, e, 3, defaultLease, webhookLines(r))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	crowd := newWatchers(t)
	var joins, reconnects atomic.Int64
	began := time.Now()
	over := func() bool {
		took := time.Since(began)
		return took > s.lasts && joins.Load() >= int64(s.joins) || took > 2*s.lasts
	}
	var users sync.WaitGroup
	var all []*stormUser
	for i := range s.users {
		// one in ten has a second tab
		u := &stormUser{watcher: crowd.add(fmt.Sprintf("user-%d", i%(s.users*9/10))), random: rand.New(rand.NewPCG(seed, uint64(i)))}
		all = append(all, u)
		users.Go(func() {
			for !over() && !t.Failed() {
				if err := s.act(u, c, &joins, &reconnects); err != nil {
					t.Errorf("%s: %v", u.name, err)
				}
			}
		})
	}
	users.Wait()
	t.Logf("%d users joined %d times and came back %d times in %v", s.users, joins.Load(), reconnects.Load(), time.Since(began).Round(time.Millisecond))
	if joins.Load() < int64(s.joins) {
		t.Errorf("%d joins, expected %d: that is no storm", joins.Load(), s.joins)
	}
	watchers := make([]*watcher, len(all))
	for i, u := range all {
		watchers[i] = u.watcher
	}
	c.expectTruth(t, 3*hubtest.Patience, watchers)
	s.expectWebhooks(t, r, truth(watchers...))
}

// act does one thing that users do.
func (s presenceStorm) act(u *stormUser, c *cluster, joins, reconnects *atomic.Int64) error {
	pause := time.NewTimer(time.Duration(u.random.Int64N(int64(time.Second))))
	defer pause.Stop()
	<-pause.C
	what := u.random.IntN(100)
	switch {
	case !u.open() || what < 20:
		if what%2 == 0 {
			u.end()
		} else {
			u.leave()
		}
		reconnects.Add(1)
		if err := u.connect(c.nodes[u.random.IntN(len(c.nodes))]); err != nil {
			return err
		}
		// as pusher-js does, it subscribes again to what it had
		for _, room := range u.joined {
			joins.Add(1)
			if err := u.subscribe(room); err != nil {
				return err
			}
		}
	case what < 45 && len(u.joined) > 0:
		i := u.random.IntN(len(u.joined))
		room := u.joined[i]
		u.joined = slices.Delete(u.joined, i, i+1)
		return u.unsubscribe(room)
	case len(u.joined) < 3:
		room := fmt.Sprintf("presence-room-%d", u.random.IntN(s.rooms))
		if slices.Contains(u.joined, room) {
			return nil
		}
		u.joined = append(u.joined, room)
		joins.Add(1)
		return u.subscribe(room)
	}
	return nil
}

// expectWebhooks makes sure that each gain and each loss was told once: there is one more of the former where there is somebody now.
func (s presenceStorm) expectWebhooks(t *testing.T, r *receiver, truth rosters) {
	t.Helper()
	wrong := func() (found []string) {
		here := make(map[string]bool)
		for channel, users := range truth {
			here[channel] = true
			for user := range users {
				here[channel+" "+user] = true
			}
		}
		for key, b := range r.balances() {
			expected := 0
			if here[key] {
				expected = 1
			}
			if b.begun-b.ended != expected {
				found = append(found, fmt.Sprintf("%s: %d times begun, %d times ended, and there now: %d", key, b.begun, b.ended, expected))
			}
			delete(here, key)
		}
		for key := range here {
			found = append(found, key+": never begun")
		}
		return found
	}
	var last []string
	for end := time.Now().Add(2 * hubtest.Patience); ; {
		if last = wrong(); last == nil {
			return
		}
		if time.Now().After(end) {
			break
		}
		<-time.After(200 * time.Millisecond)
	}
	slices.Sort(last)
	t.Errorf("webhooks: %d are wrong, such as %q", len(last), last[:min(len(last), 5)])
}
