package pusherhub_test

import (
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// A backend hears of events that nobody was there to get, and can send a push notification instead.
func TestObserveUndelivered(t *testing.T) {
	s, seen := observedServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	c.Subscribe("x")
	s.Signin(t, c, `{"id":"7"}`)
	c.Subscribe("#server-to-user-7")
	for seen.Next(t).Type != pusherhub.UserOnline {
	}
	undelivered := func(channel, user string) {
		t.Helper()
		seen.Expect(t, pusherhub.Observation{Type: pusherhub.Undelivered, App: hubtest.AppID, Channel: channel, UserID: user, Event: "e", Data: `{"a":1}`})
	}
	publish := func(channels, except string) {
		t.Helper()
		trigger(t, s, `{"name":"e","data":"{\"a\":1}","channels":[`+channels+`]`+except+`}`)
	}
	publish(`"x","nobody","#server-to-user-7","#server-to-user-8"`, "")
	c.Expect("e")
	c.Expect("e")
	undelivered("nobody", "")
	undelivered("#server-to-user-8", "8")
	publish(`"x","cache-y"`, `,"socket_id":"`+c.SocketID+`"`) // the only subscriber is the one it is not for
	undelivered("x", "")
	undelivered("cache-y", "")
	publish(`"x"`, "")
	c.Expect("e")
	c.Subscribe("z")
	seen.Expect(t, pusherhub.Observation{Type: pusherhub.ChannelOccupied, App: hubtest.AppID, Channel: "z"})
}
