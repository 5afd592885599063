package pusherhub

import (
	"encoding/json"
	"net"
	"testing"
)

// TestSigninVectors feeds the sign-ins that clients of the official SDKs send to a socket with the id
// that they were signed for.
func TestSigninVectors(t *testing.T) {
	for _, v := range vectors[struct {
		ID, Key, Secret, Auth, Expect string
		SocketID                      string `json:"socket_id"`
		UserData                      string `json:"user_data"`
	}](t, "user_auth") {
		t.Run("T39 "+v.ID, func(t *testing.T) {
			c := quietConn(t, AppConfig{ID: "3", Key: v.Key, Secret: v.Secret}, v.SocketID)
			frame, err := json.Marshal(map[string]any{"event": "pusher:signin", "data": map[string]string{"auth": v.Auth, "user_data": v.UserData}})
			if err != nil {
				t.Fatal(err)
			}
			c.handle(frame)
			var want struct{ ID any }
			_ = json.Unmarshal([]byte(v.UserData), &want)
			switch {
			case v.Expect == "accept" && c.user == nil:
				t.Errorf("refused with %q", c.queue.frames[0].wire)
			case v.Expect == "accept" && c.user.id == "":
				t.Error("signed in as nobody")
			case v.Expect == "reject" && c.user != nil:
				t.Errorf("signed in as %q", c.user.id)
			}
			if id, isText := want.ID.(string); isText && c.user != nil && c.user.id != id {
				t.Errorf("signed in as %q, expected %q", c.user.id, id)
			}
		})
	}
}

// quietConn is an established socket without a peer: what it sends stays in its queue.
func quietConn(t testing.TB, config AppConfig, socketID string) *conn {
	t.Helper()
	app, err := NewApp(config)
	if err != nil {
		t.Fatal(err)
	}
	hub := New()
	settings, err := NewSettings(Config{Apps: []*App{app}})
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Apply(settings); err != nil {
		t.Fatal(err)
	}
	nc, peer := net.Pipe()
	c := &conn{hub: hub, state: hub.stateOf(settings, app), id: socketID, nc: nc}
	c.queue.nc, c.queue.writing = nc, true // nobody starts a flusher
	t.Cleanup(func() {
		c.queue.release()
		_, _ = nc.Close(), peer.Close()
		if err := hub.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
