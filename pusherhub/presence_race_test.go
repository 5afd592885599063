package pusherhub_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// knownMembers is what a client knows of a presence channel from the frames it got.
type knownMembers struct {
	ids     []string
	problem string
}

// take applies one frame. A member who is added twice or removed without being there is a problem.
func (r *knownMembers) take(f hubtest.Frame) {
	var data struct {
		Presence struct{ IDs []string }
		UserID   string `json:"user_id"`
	}
	if err := json.Unmarshal([]byte(f.Text()), &data); err != nil {
		r.problem = f.Raw
		return
	}
	known := slices.Contains(r.ids, data.UserID)
	switch f.Event {
	case "pusher_internal:subscription_succeeded":
		r.ids = data.Presence.IDs
	case "pusher_internal:member_added":
		if known {
			r.problem = "added twice: " + f.Raw
		}
		r.ids = append(r.ids, data.UserID)
	case "pusher_internal:member_removed":
		if !known {
			r.problem = "removed, but never there: " + f.Raw
		}
		r.ids = slices.DeleteFunc(r.ids, func(id string) bool { return id == data.UserID })
	default:
		r.problem = "unexpected: " + f.Raw
	}
}

func TestPresenceRaces(t *testing.T) {
	t.Run("T22 concurrent joins: every member sees every other exactly once", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		const crowd = 60
		clients := make([]*hubtest.Client, crowd)
		for i := range clients {
			clients[i] = s.Dial(t)
		}
		rosters := make([]knownMembers, crowd)
		var wg sync.WaitGroup
		for i, c := range clients {
			wg.Go(func() {
				join(s, c, fmt.Sprintf(`{"user_id":"%d"}`, i))
				for len(rosters[i].ids) < crowd && rosters[i].problem == "" {
					rosters[i].take(c.Next())
				}
			})
		}
		wg.Wait()
		for i, r := range rosters {
			if r.problem != "" {
				t.Fatalf("member %d: %s", i, r.problem)
			}
			clients[i].ExpectQuiet() // nobody is told more than once
		}
	})
	t.Run("T22 joins and leaves at once: who stays ends up with the same roster", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{})
		const stayers, restless = 10, 20
		clients := make([]*hubtest.Client, stayers+restless)
		for i := range clients {
			clients[i] = s.Dial(t)
		}
		rosters := make([]knownMembers, stayers)
		var wg sync.WaitGroup
		for i, c := range clients {
			member := fmt.Sprintf(`{"user_id":"%d"}`, i)
			if i < stayers {
				wg.Go(func() {
					join(s, c, member)
					for len(rosters[i].ids) == 0 && rosters[i].problem == "" {
						rosters[i].take(c.Next())
					}
				})
				continue
			}
			wg.Go(func() {
				for range 20 {
					join(s, c, member)
					c.Send(leaveRoom)
				}
				c.Send(`{"event":"pusher:ping"}`)
				for c.Next().Event != "pusher:pong" {
				}
			})
		}
		wg.Wait()
		s.Publish("presence-room", "end", "")
		for i, c := range clients[:stayers] {
			r := &rosters[i]
			for f := c.Next(); f.Event != "end" && r.problem == ""; f = c.Next() {
				r.take(f)
			}
			if r.problem != "" || len(r.ids) != stayers {
				t.Errorf("member %d knows of %q (%s), expected the %d who stayed", i, r.ids, r.problem, stayers)
			}
		}
	})
}
