package hubtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// onlooker is a client on a presence channel who reads all the time and finds contradictions in what it is told.
type onlooker struct {
	*Client
	channel string
	name    string

	mu      sync.Mutex
	members map[string]string // guarded by mu: user_info by user
	history []string          // guarded by mu: who came and went
	events  []string          // guarded by mu: the data of other events of the channel
}

// look has a client on a presence channel. The client goes with the test, or with leave.
func (f *fleet) look(i int, channel, data string) *onlooker {
	f.Helper()
	s := f.at(i)
	o := &onlooker{Client: s.Dial(f.T), channel: channel, name: fmt.Sprint("a client of node ", i)}
	success := o.SubscribeWith(channel, s.Auth(o.Client, channel, data), data)
	var snapshot struct {
		Presence struct {
			Count int
			IDs   []string
			Hash  map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(success.Text()), &snapshot); err != nil {
		f.Fatalf("reading the members of %s: %v", success.Raw, err)
	}
	o.members = make(map[string]string)
	for _, id := range snapshot.Presence.IDs {
		o.members[id] = string(snapshot.Presence.Hash[id])
	}
	if n := snapshot.Presence.Count; n != len(o.members) || n != len(snapshot.Presence.Hash) {
		f.Errorf("found %s, expected count, ids and hash to have the same members", success.Raw)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.read(f.T)
	}()
	f.Cleanup(func() {
		_ = o.WS.CloseNow()
		<-done
	})
	return o
}

// read takes what comes until the connection ends.
func (o *onlooker) read(t testing.TB) {
	for {
		kind, text, err := o.WS.Read(context.Background())
		if err != nil || kind != websocket.MessageText {
			return
		}
		var f Frame
		if err := json.Unmarshal(text, &f); err != nil {
			t.Errorf("%s got %q: %v", o.name, text, err)
			return
		}
		o.take(t, f)
	}
}

func (o *onlooker) take(t testing.TB, f Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var who struct {
		UserID   string          `json:"user_id"`
		UserInfo json.RawMessage `json:"user_info"`
	}
	switch f.Event {
	case "pusher_internal:member_added", "pusher_internal:member_removed":
		if err := json.Unmarshal([]byte(f.Text()), &who); err != nil {
			t.Errorf("%s got data %s: %v", o.name, f.Data, err)
			return
		}
	case "pusher:error":
		if !strings.Contains(string(f.Data), "4200") { // its server is shutting down
			t.Errorf("%s got %s", o.name, f.Data)
		}
		return
	default:
		o.events = append(o.events, f.Text())
		return
	}
	_, there := o.members[who.UserID]
	if added := f.Event == "pusher_internal:member_added"; added {
		if there {
			t.Errorf("%s is told that %s was added, who is there already; before: %q", o.name, who.UserID, o.history)
		}
		o.members[who.UserID] = string(who.UserInfo)
		o.history = append(o.history, "+"+who.UserID)
	} else {
		if !there {
			t.Errorf("%s is told that %s was removed, who is not there; before: %q", o.name, who.UserID, o.history)
		}
		delete(o.members, who.UserID)
		o.history = append(o.history, "-"+who.UserID)
	}
}

// leave ends the client's subscription.
func (o *onlooker) leave() {
	o.Send(EventFrame("pusher:unsubscribe", "", map[string]string{"channel": o.channel}))
}

// told returns who came and went, in order.
func (o *onlooker) told() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.history)
}

// heard returns the data of the events that came.
func (o *onlooker) heard() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.events)
}

// sees returns the members' ids in order.
func (o *onlooker) sees() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.members))
}

// expectMembers waits until all of these clients see exactly these members.
func (f *fleet) expectMembers(all []*onlooker, ids ...string) {
	f.Helper()
	want := slices.Sorted(slices.Values(ids))
	for _, o := range all {
		f.eventuallyOr("clients see the members", func() bool { return slices.Equal(o.sees(), want) }, func() string {
			return fmt.Sprintf("%s sees %q, expected %q; it was told %q", o.name, o.sees(), want, o.told())
		})
	}
}

// tellsOf returns how often a client was told of a user who came, and of one who went.
func (o *onlooker) tellsOf(id string) (added, removed int) {
	for _, line := range o.told() {
		if strings.TrimPrefix(line, "+") == id {
			added++
		} else if strings.TrimPrefix(line, "-") == id {
			removed++
		}
	}
	return added, removed
}

// who is the channel_data of a user.
func who(id string) string { return `{"user_id":"` + id + `"}` }
