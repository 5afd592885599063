package mute

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// What every plugin must pass.
func TestPlugin(t *testing.T) {
	hubtest.TestPlugin(t, func(testing.TB) pusherhub.Plugin { return &Mute{Users: []string{"7"}} })
}

// muting is an app that mutes a user.
func muting(user string) pusherhub.AppConfig {
	return pusherhub.AppConfig{Plugins: []pusherhub.Plugin{&Mute{Users: []string{user}}}}
}

func TestMute(t *testing.T) {
	s := hubtest.NewServer(t, muting("7"))
	seven := s.Join(t, "presence-room", `{"user_id":"7"}`)
	eight := s.Join(t, "presence-room", `{"user_id":"8"}`)
	seven.Expect("pusher_internal:member_added")
	const typing = `{"event":"client-typing","channel":"presence-room"}`

	eight.Send(typing)
	seven.Expect("client-typing")
	seven.Send(typing)
	if text := seven.ExpectError(pusherhub.CodeClientEventRejected); text != "You are muted" {
		t.Errorf("found %q, expected to be told why", text)
	}
	eight.ExpectQuiet()

	s.Apply(muting("8")) // a reload: both are still there
	seven.Send(typing)
	eight.Expect("client-typing")
	eight.Send(typing)
	eight.ExpectError(pusherhub.CodeClientEventRejected)
	seven.ExpectQuiet()
}

func TestCaddyfile(t *testing.T) {
	var m Mute
	if err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser("mute 7 8")); err != nil || len(m.Users) != 2 || m.Users[1] != "8" {
		t.Errorf("found %+v and %v", m, err)
	}
	if err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser("mute")); err == nil {
		t.Error("found no error for nobody to mute")
	}
}
