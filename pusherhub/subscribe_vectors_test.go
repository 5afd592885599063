package pusherhub

import (
	"encoding/json"
	"strings"
	"testing"
)

type channelAuthVector struct {
	ID, Key, Secret, Channel, Signature string
	SocketID                            string  `json:"socket_id"`
	ChannelData                         *string `json:"channel_data"`
	StringToSign                        string  `json:"string_to_sign"`
	Auth                                *string
	Expect, Why, Note                   string
}

// subscribeOn sends the subscribe to a socket with the vector's id.
func (v channelAuthVector) subscribeOn(t *testing.T, compat string) *conn {
	t.Helper()
	c := quietConn(t, AppConfig{ID: "3", Key: v.Key, Secret: v.Secret, Compat: compat}, v.SocketID)
	frame, err := json.Marshal(map[string]any{"event": "pusher:subscribe", "data": map[string]any{
		"channel": v.Channel, "auth": v.Auth, "channel_data": v.ChannelData,
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.handle(frame)
	return c
}

func TestChannelAuthVectors(t *testing.T) {
	for _, v := range vectors[channelAuthVector](t, "channel_auth") {
		t.Run("T16 "+v.ID, func(t *testing.T) {
			if found := sign([]byte(v.Secret), v.StringToSign); found != v.Signature {
				t.Errorf("signed %q: found %s, expected %s", v.StringToSign, found, v.Signature)
			}
			if found := subscriptionMessage(v.SocketID, v.Channel, v.ChannelData); found != v.StringToSign {
				t.Errorf("found message %q, expected %q", found, v.StringToSign)
			}
			for _, compat := range []string{CompatReverb, CompatPusher} {
				c := v.subscribeOn(t, compat)
				sub := c.subs.get(v.Channel)
				if sub == nil {
					t.Fatalf("profile %s: refused with %s", compat, c.queue.frames[0].wire)
				}
				if strings.HasPrefix(v.Channel, "presence-") && (sub.seat == nil || sub.seat.userID == "" || !strings.Contains(*v.ChannelData, sub.seat.userID)) {
					t.Errorf("profile %s: found seat %+v, expected the user of %s", compat, sub.seat, *v.ChannelData)
				}
			}
		})
	}
}

func TestChannelAuthNegativeVectors(t *testing.T) {
	for _, v := range vectors[channelAuthVector](t, "channel_auth_negative") {
		t.Run("T16 "+v.ID, func(t *testing.T) {
			for _, compat := range []string{CompatReverb, CompatPusher} {
				c := v.subscribeOn(t, compat)
				if c.subs.get(v.Channel) != nil {
					t.Errorf("profile %s: accepted although %s", compat, v.Why)
				}
				if len(c.queue.frames) != 2 {
					t.Fatalf("profile %s: found %d frames in answer, expected subscription_error and error", compat, len(c.queue.frames))
				}
				right := sign([]byte(v.Secret), subscriptionMessage(v.SocketID, v.Channel, v.ChannelData))
				if answer := string(c.queue.frames[0].wire) + string(c.queue.frames[1].wire); strings.Contains(answer, right) && (v.Auth == nil || !strings.Contains(*v.Auth, right)) {
					t.Errorf("profile %s: the answer tells the right signature: %s", compat, answer)
				}
			}
		})
	}
}

func TestChannelNameVectors(t *testing.T) {
	access := map[string]ChannelAccess{"public": AccessPublic, "private": AccessPrivate, "presence": AccessPresence}
	apps := make(map[string]*App)
	for _, compat := range []string{CompatReverb, CompatPusher} {
		app, err := NewApp(AppConfig{ID: "3", Key: "k", Secret: "s", Compat: compat})
		if err != nil {
			t.Fatal(err)
		}
		apps[compat] = app
	}
	for _, v := range vectors[struct {
		ID, Name, Kind, Note string
		Valid                bool
		ValidAtPusher        bool `json:"valid_pusher_documentation"`
		Encrypted, Cache     bool
		AuthRequired         bool `json:"auth_required"`
	}](t, "channel_names") {
		t.Run("T25 "+v.ID+", row 15", func(t *testing.T) {
			if v.Name == "#server-to-user-42" { // a good name for one user only
				c := quietConn(t, AppConfig{ID: "3", Key: "k", Secret: "s"}, "1.1")
				c.handle([]byte(`{"event":"pusher:subscribe","data":{"channel":"#server-to-user-42"}}`))
				if c.subs.len() != 0 || KindOf(v.Name).Access != AccessUser {
					t.Errorf("found kind %+v and %d subscriptions", KindOf(v.Name), c.subs.len())
				}
				return
			}
			if problem := apps[CompatReverb].channelNameProblem(v.Name); (problem == "") != v.Valid {
				t.Errorf("%s: found %q, expected valid %t", v.Note, problem, v.Valid)
			}
			if problem := apps[CompatPusher].channelNameProblem(v.Name); (problem == "") != v.ValidAtPusher {
				t.Errorf("%s: profile pusher: found %q, expected valid %t", v.Note, problem, v.ValidAtPusher)
			}
			if !v.Valid {
				return
			}
			want := ChannelKind{Access: access[v.Kind], Cache: v.Cache, Encrypted: v.Encrypted}
			if kind := KindOf(v.Name); kind != want || v.AuthRequired != (kind.Access != AccessPublic) {
				t.Errorf("%s: found kind %+v, expected %+v", v.Note, kind, want)
			}
		})
	}
}

func TestSocketIDVectors(t *testing.T) {
	for _, v := range vectors[struct {
		ID       string
		SocketID string `json:"socket_id"`
		Valid    bool
		Note     string
	}](t, "socket_ids.vectors") {
		if found := validSocketID(v.SocketID); found != v.Valid {
			t.Errorf("%s %q: found valid %t, expected %t (%s)", v.ID, v.SocketID, found, v.Valid, v.Note)
		}
	}
}

func TestSocketIDs(t *testing.T) {
	seen := make(map[string]bool)
	ids, others := newSocketIDs(), newSocketIDs()
	for range 10_000 {
		id := ids.next()
		left, right, _ := strings.Cut(id, ".")
		if seen[id] || !validSocketID(id) || left[0] == '0' || len(left) > 16 || len(right) > 16 { // 2^53 has 16 digits
			t.Fatalf("found socket id %q (seen before: %t)", id, seen[id])
		}
		seen[id] = true
		if _, foreign := ids.foreign(id); foreign {
			t.Fatalf("%q is foreign to those who made it", id)
		}
		if _, foreign := others.foreign(id); !foreign {
			t.Fatalf("%q is not foreign to others", id)
		}
		if _, foreign := ids.foreign(left + ".1"); !foreign {
			t.Fatalf("an id with the first half of %q is not foreign", id)
		}
	}
	for _, id := range []string{"9007199254740992.1", "1.9007199254740992", "99999999999999999999.1"} {
		if _, foreign := ids.foreign(id); foreign {
			t.Errorf("%q is foreign, expected that no hub can have it: its numbers are too large", id)
		}
	}
}
