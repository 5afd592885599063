package pusherhub_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A register that does not answer may take seconds to say so.
func TestRegisterIsAskedOnce(t *testing.T) {
	for _, tc := range []struct {
		name, path, body string
		plugins          []pusherhub.Plugin
	}{
		{"for who got nothing", "/events", `{"name":"e","channels":["a","b","c"],"data":"1"}`, []pusherhub.Plugin{hubtest.NewRecorder()}},
		{"for the counts of several channels", "/events", `{"name":"e","channels":["a","b","c"],"data":"1","info":"subscription_count"}`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, b := newRegistered(t, pusherhub.AppConfig{Plugins: tc.plugins})
			b.setAway(true)
			if status, answer, _ := s.Do(http.MethodPost, tc.path, tc.body, nil); status != http.StatusOK {
				t.Errorf("found %d %s, expected 200", status, answer)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.lookups != 1 {
				t.Errorf("found %d lookups, expected 1", b.lookups)
			}
		})
	}
}

func TestRosterOfNoUse(t *testing.T) {
	t.Run("counts are not negative", func(t *testing.T) {
		s, b := newRegistered(t, pusherhub.AppConfig{MaxConnections: 1})
		b.onFollow[pusherhub.Topic{App: hubtest.AppID}] = -5
		s.Dial(t).Subscribe("x")
		b.node.Roster(pusherhub.Roster{Topic: onChannel("x"), Count: -5})
		if _, answer, _ := s.Do(http.MethodGet, "/channels/x", "", nil); !strings.Contains(answer, `"occupied":true`) {
			t.Errorf("found %s, expected the channel to be occupied", answer)
		}
		s.Open(t, hubtest.Key, "", nil).ExpectClose(pusherhub.CodeOverQuota)
	})

	t.Run("what nobody follows any more is not known", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, b := newRegisteredWith(t, watchlistApp(), hubtest.NewPipeServerWith)
			b.onFollow[onUser("8")] = 1
			c, w := s.Dial(t), s.Dial(t)
			s.Signin(t, c, `{"id":"8"}`)
			s.Signin(t, w, `{"id":"7","watchlist":["8"]}`)
			w.ExpectRaw(watchFrame(`"8"`, ``))
			w.Close()
			b.expectFollowed(t, nil, nil)
			b.setAway(true)
			w = s.Dial(t)
			s.Signin(t, w, `{"id":"9","watchlist":["8"]}`)
			w.ExpectRaw(watchFrame(`"8"`, ``))
			c.Close()
			time.Sleep(4 * time.Second) // over the hold
			w.ExpectRaw(watchFrame(``, `"8"`))
		})
	})
}

// Who has not come back when this node's observers are told no more is left to the other nodes: they find out when its lease ends.
func TestUserAfterFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newRegisteredWith(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{hubtest.NewRecorder()}}, hubtest.NewPipeServerWith)
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		if err := s.Hub.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.ExpectError(pusherhub.CodeReconnect)
		c.ExpectClose(pusherhub.CodeReconnect)
		if !b.node.Reports() {
			t.Error("nobody hears of reports before the end, expected that somebody does")
		}
		s.Hub.Finish(t.Context())
		time.Sleep(4 * time.Second) // over the hold
		b.expect(t, "user 7: 1")
		if b.node.Reports() {
			t.Error("somebody hears of reports after the end, expected that nobody does")
		}
	})
}
