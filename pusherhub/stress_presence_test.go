package pusherhub_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const (
	stormSockets = 12
	stormUsers   = 5 // fewer than sockets: most are there in several tabs
	stormRounds  = 150
	stormRoom    = "presence-storm"
)

// Users come and go in several tabs at once. Each socket keeps a roster from its snapshot and what it is told
// after it; nobody may come twice or leave without having come, and in the end all rosters are the truth.
func TestPresenceStorm(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	socketsInRoom := make([]*roomer, stormSockets)
	var all sync.WaitGroup
	for i := range socketsInRoom {
		random := rand.New(rand.NewPCG(11, uint64(i)))
		all.Go(func() {
			r := &roomer{server: s, t: t, user: strconv.Itoa(i % stormUsers)}
			r.connect()
			for range stormRounds {
				if err := r.act(random); err != nil {
					t.Errorf("socket %d: %v", i, err)
					return
				}
			}
			socketsInRoom[i] = r
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	hubtest.Eventually(t, "those who vanished are noticed", func() bool { return s.Hub.Stats().Connections == stormSockets+1 })
	s.Publish(stormRoom, "the-end", "") // behind all that is still on its way
	truth := usersOf(t, s, stormRoom)
	for i, r := range socketsInRoom {
		if r.inside {
			if err := r.readUntil("the-end"); err != nil {
				t.Errorf("socket %d: %v", i, err)
			}
			if got := slices.Sorted(maps.Keys(r.roster)); !slices.Equal(got, truth) {
				t.Errorf("socket %d: found roster %v, expected %v", i, got, truth)
			}
			if !r.roster[r.user] {
				t.Errorf("socket %d does not see itself", i)
			}
		}
		_ = r.raw.Close()
	}
}

func usersOf(t *testing.T, s *hubtest.Server, channel string) (ids []string) {
	t.Helper()
	status, answer, _ := s.Do(http.MethodGet, "/channels/"+channel+"/users", "", nil)
	var list struct{ Users []struct{ ID string } }
	if err := json.Unmarshal([]byte(answer), &list); err != nil || status != http.StatusOK {
		t.Fatalf("found %d %s", status, answer)
	}
	for _, u := range list.Users {
		ids = append(ids, u.ID)
	}
	slices.Sort(ids)
	return ids
}

// roomer is one socket of a user who comes and goes.
type roomer struct {
	server *hubtest.Server
	t      *testing.T
	user   string
	raw    *hubtest.Raw
	id     hubtest.Client // holds the socket id, for signing
	inside bool
	roster map[string]bool
}

func (r *roomer) connect() {
	r.raw = r.server.DialRaw(r.t, "/app/"+r.server.App.Key)
	r.id.SocketID = socketID(r.t, r.raw.Expect("pusher:connection_established"))
	r.inside = false
}

// act does one thing at random.
func (r *roomer) act(random *rand.Rand) error {
	switch n := random.IntN(10); {
	case n == 0:
		_ = r.raw.Close() // vanishes and comes back
		r.connect()
		return nil
	case !r.inside:
		member := fmt.Sprintf(`{"user_id":%q}`, r.user)
		r.send(hubtest.SubscribeFrame(stormRoom, r.server.Auth(&r.id, stormRoom, member), member))
		return r.readUntil("pusher_internal:subscription_succeeded")
	case n < 5:
		r.send(`{"event":"pusher:unsubscribe","data":{"channel":"` + stormRoom + `"}}`)
		r.send(`{"event":"pusher:ping"}`)
		err := r.readUntil("pusher:pong")
		r.inside = false
		return err
	default:
		r.send(`{"event":"pusher:ping"}`)
		return r.readUntil("pusher:pong")
	}
}

func (r *roomer) send(text string) { r.raw.SendText(text) }

func (r *roomer) readUntil(event string) error {
	for {
		frame := parseShape(r.t, r.raw.NextFrame())
		if err := r.note(frame); err != nil {
			return fmt.Errorf("%w: %s, roster %v", err, frame.raw, r.roster)
		}
		if frame.Event == event {
			return nil
		}
	}
}

// note keeps the roster and checks that it makes sense.
func (r *roomer) note(frame shape) error {
	var data struct {
		UserID   string `json:"user_id"`
		Presence struct {
			Count int
			IDs   []string
		}
	}
	if text := textOf(frame.Data); text != "" {
		if err := json.Unmarshal([]byte(text), &data); err != nil {
			return err
		}
	}
	switch frame.Event {
	case "pusher_internal:subscription_succeeded":
		r.inside, r.roster = true, make(map[string]bool)
		for _, id := range data.Presence.IDs {
			r.roster[id] = true
		}
		if data.Presence.Count != len(r.roster) || !r.roster[r.user] {
			return fmt.Errorf("the snapshot is inconsistent")
		}
	case "pusher_internal:member_added":
		if !r.inside || r.roster[data.UserID] {
			return fmt.Errorf("somebody came who was there")
		}
		r.roster[data.UserID] = true
	case "pusher_internal:member_removed":
		if !r.inside || !r.roster[data.UserID] || data.UserID == r.user {
			return fmt.Errorf("somebody left who was not there, or is")
		}
		delete(r.roster, data.UserID)
	}
	return nil
}
