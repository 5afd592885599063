package cluster_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// site is a hub that a test gives one broker after the other.
type site struct {
	*hubtest.Server
	recorder *hubtest.Recorder
	config   pusherhub.AppConfig
}

func newSite(t *testing.T, config pusherhub.AppConfig, broker pusherhub.Broker) *site {
	t.Helper()
	recorder := hubtest.NewRecorder()
	config.Plugins = []pusherhub.Plugin{recorder}
	config = hubtest.WithCredentials(config)
	app, err := pusherhub.NewApp(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{hubtest.NewServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: broker}), recorder, config}
	s.settle(t, broker)
	return s
}

// use is a reload that brings another broker; nil: that of a single node.
func (s *site) use(t *testing.T, broker pusherhub.Broker) {
	t.Helper()
	app, err := pusherhub.NewApp(s.config)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := pusherhub.NewSettings(pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: broker})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Hub.Apply(settings); err != nil {
		t.Fatal(err)
	}
	s.settle(t, broker)
}

func (s *site) settle(t *testing.T, broker pusherhub.Broker) {
	t.Helper()
	hubtest.Eventually(t, "the hub is ready", func() bool { return s.Hub.Ready() == nil })
	if b, keeps := broker.(pusherhub.RosterBroker); keeps {
		ctx, cancel := context.WithTimeout(t.Context(), hubtest.Patience)
		defer cancel()
		if err := b.Settle(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// meet has 8 join here and then 7 at another site, and returns the two, of whom each knows the other.
func (s *site) meet(t *testing.T, other *site) (seven, eight *hubtest.Client) {
	t.Helper()
	eight = s.Join(t, "presence-x", `{"user_id":"8"}`)
	hubtest.Eventually(t, "the register to know 8", func() bool {
		_, answer, _ := other.Do(http.MethodGet, "/channels/presence-x/users", "", nil)
		return strings.Contains(answer, `"8"`)
	})
	seven = other.Join(t, "presence-x", `{"user_id":"7"}`)
	eight.Expect("pusher_internal:member_added")
	return seven, eight
}

// transitions are what the observers were told of comings and goings.
func (s *site) transitions() (list []string) {
	for _, o := range s.recorder.Rest() {
		switch o.Type {
		case pusherhub.ChannelOccupied, pusherhub.ChannelVacated, pusherhub.MemberAdded, pusherhub.MemberRemoved, pusherhub.UserOnline, pusherhub.UserOffline:
			list = append(list, strings.TrimSpace(fmt.Sprint(o.Type, " ", o.Channel, " ", o.UserID)))
		}
	}
	return list
}

func newBroker(bus *cluster.Bus) *cluster.Broker {
	return cluster.New(bus.Engine(), cluster.Options{Lease: lease})
}

// A hub leaves one cluster and enters another, or the same with another broker.
func TestExchange(t *testing.T) {
	counted := pusherhub.AppConfig{SubscriptionCount: new(true)}

	t.Run("within a cluster nobody comes or goes", func(t *testing.T) {
		bus := cluster.NewBus()
		a, b := newSite(t, counted, newBroker(bus)), newSite(t, counted, newBroker(bus))
		here, there := b.meet(t, a)
		c := a.Dial(t)
		c.Subscribe("y")
		for range 3 {
			a.use(t, newBroker(bus))
		}
		hubtest.Eventually(t, "one subscription to be counted", func() bool {
			_, answer, _ := a.Do(http.MethodGet, "/channels/y", "", url.Values{"info": {"subscription_count"}})
			return answer == `{"occupied":true,"subscription_count":1}`
		})
		here.ExpectQuiet()
		there.ExpectQuiet()
		if lost := slices.DeleteFunc(append(a.transitions(), b.transitions()...), func(s string) bool { return !strings.Contains(s, "vacated") && !strings.Contains(s, "removed") }); len(lost) > 0 {
			t.Errorf("observers were told %q, expected no loss", lost)
		}
	})

	t.Run("what was there already does not come again", func(t *testing.T) {
		a := newSite(t, pusherhub.AppConfig{}, nil)
		expect := func(want ...string) {
			t.Helper()
			var found []string
			hubtest.Eventually(t, fmt.Sprintf("observers to be told %q", want), func() bool {
				found = append(found, a.transitions()...)
				return len(found) >= len(want)
			})
			if !slices.Equal(found, want) {
				t.Errorf("observers were told %q, expected %q", found, want)
			}
		}
		c := a.Join(t, "presence-x", `{"user_id":"7"}`)
		a.Signin(t, c, `{"id":"7"}`)
		came := []string{"channel_occupied presence-x", "member_added presence-x 7"}
		expect(append(came, "user_online  7")...)
		for range 2 { // the second cluster knows nothing of the first
			broker := newBroker(cluster.NewBus())
			a.use(t, broker)
			c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-x"}}`)
			c.ExpectQuiet()
			a.settle(t, broker)
			expect("member_removed presence-x 7", "channel_vacated presence-x")
			c.SubscribeWith("presence-x", a.Auth(c, "presence-x", `{"user_id":"7"}`), `{"user_id":"7"}`)
			expect(came...)
		}
	})

	t.Run("the one before gives up what it holds when the next has entered it, however long that takes", func(t *testing.T) {
		bus := cluster.NewBus()
		a, b := newSite(t, pusherhub.AppConfig{}, newBroker(bus)), newSite(t, pusherhub.AppConfig{}, newBroker(bus))
		here, there := b.meet(t, a)
		a.transitions()
		a.use(t, cluster.New(&slowly{Engine: bus.Engine(), takes: 1500 * time.Millisecond}, cluster.Options{Lease: lease}))
		here.ExpectQuiet()
		there.ExpectQuiet()
		if again := a.transitions(); len(again) > 0 {
			t.Errorf("observers were told %q, expected nothing", again)
		}
	})

	t.Run("a member who stays behind is gone for the others, until the hub comes back", func(t *testing.T) {
		bus := cluster.NewBus()
		a, b := newSite(t, pusherhub.AppConfig{}, newBroker(bus)), newSite(t, pusherhub.AppConfig{}, newBroker(bus))
		here, there := b.meet(t, a)
		a.use(t, nil)
		here.Expect("pusher_internal:member_removed")
		there.Expect("pusher_internal:member_removed")
		a.use(t, newBroker(bus))
		here.Expect("pusher_internal:member_added")
		there.Expect("pusher_internal:member_added")
		here.ExpectQuiet()
		there.ExpectQuiet()
	})
}
