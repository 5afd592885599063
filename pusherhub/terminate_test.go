package pusherhub_test

import (
	"net/http"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// terminate asks for a user's end; path is the escaped user id.
func terminate(t *testing.T, s *hubtest.Server, path string) {
	t.Helper()
	status, answer, _ := s.Do(http.MethodPost, "/users/"+path+"/terminate_connections", "{}", nil)
	if status != http.StatusOK || answer != "{}" {
		t.Fatalf("found %d %s, expected 200 {}", status, answer)
	}
}

func expectTerminated(t *testing.T, c *hubtest.Client, code int) {
	t.Helper()
	if text := c.ExpectError(code); text != "You got disconnected by the app." {
		t.Errorf("found %q", text)
	}
	if reason := c.ExpectClose(code); reason != "You got disconnected by the app." {
		t.Errorf("found reason %q", reason)
	}
}

func TestTerminate(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})

	t.Run("T44 every socket of the user and no other", func(t *testing.T) {
		first, second, other, stranger := s.Dial(t), s.Dial(t), s.Dial(t), s.Dial(t)
		s.Signin(t, first, `{"id":"7"}`)
		s.Signin(t, second, `{"id":7}`)
		s.Signin(t, other, `{"id":"77"}`)
		terminate(t, s, "7")
		first.ExpectRaw(`{"event":"pusher:error","data":{"code":4009,"message":"You got disconnected by the app."}}`)
		first.ExpectClose(4009)
		expectTerminated(t, second, 4009)
		other.ExpectQuiet()
		stranger.ExpectQuiet()
	})

	t.Run("T44 nobody there", func(t *testing.T) { terminate(t, s, "nobody") })

	t.Run("T44 comes back if it wants", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"back"}`)
		terminate(t, s, "back")
		expectTerminated(t, c, 4009)
		again := s.Dial(t)
		s.Signin(t, again, `{"id":"back"}`)
		again.ExpectQuiet()
	})

	t.Run("T44 presence members are told", func(t *testing.T) {
		member, witness := s.Join(t, "presence-t", `{"user_id":"7"}`), s.Join(t, "presence-t", `{"user_id":"8"}`)
		member.Expect("pusher_internal:member_added")
		terminate(t, s, "7")
		expectTerminated(t, member, 4009)
		witness.ExpectRaw(`{"event":"pusher_internal:member_removed","channel":"presence-t","data":"{\"user_id\":\"7\"}"}`)
	})

	t.Run("T44 without /apps, as Python asks", func(t *testing.T) {
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"python"}`)
		if status, body := send(t, s, http.MethodPost, s.SignedURL(http.MethodPost, "/users/python/terminate_connections", "{}", nil), "{}"); status != http.StatusOK || body != "{}" {
			t.Fatalf("found %d %s, expected 200 {}", status, body)
		}
		expectTerminated(t, c, 4009)
	})

	t.Run("T44 odd user ids", func(t *testing.T) {
		for id, escaped := range map[string]string{"a b": "a%20b", "a/b": "a%2Fb", "ä@x.y": "%C3%A4@x.y", "50%": "50%25"} {
			c := s.Dial(t)
			s.Signin(t, c, `{"id":"`+id+`"}`)
			terminate(t, s, escaped)
			expectTerminated(t, c, 4009)
		}
	})
}

func TestTerminateOptions(t *testing.T) {
	for _, o := range []struct {
		name       string
		config     pusherhub.AppConfig
		byPresence bool
	}{
		{"profile reverb", pusherhub.AppConfig{}, true},
		{"profile pusher", pusherhub.AppConfig{Compat: pusherhub.CompatPusher}, false},
		{"terminate_by_presence off", pusherhub.AppConfig{TerminateByPresence: new(false)}, false},
		{"terminate_by_presence on", pusherhub.AppConfig{Compat: pusherhub.CompatPusher, TerminateByPresence: new(true)}, true},
	} {
		t.Run("T44 presence id, "+o.name, func(t *testing.T) {
			s := hubtest.NewServer(t, o.config)
			member := s.Join(t, "presence-t", `{"user_id":"7"}`)
			terminate(t, s, "7")
			if o.byPresence {
				expectTerminated(t, member, 4009)
			} else {
				member.ExpectQuiet()
			}
		})
	}

	t.Run("T44 terminate_code", func(t *testing.T) {
		s := hubtest.NewServer(t, pusherhub.AppConfig{TerminateCode: 4200})
		c := s.Dial(t)
		s.Signin(t, c, `{"id":"7"}`)
		terminate(t, s, "7")
		expectTerminated(t, c, 4200)
	})
}
