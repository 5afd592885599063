package pusherhub_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// nextRegister is a register that a hub changes to, whose answers come when all is entered.
type nextRegister struct {
	*registrar
	onApp  func()                 // when the hub begins to enter what it holds
	gained []pusherhub.Transition // what came of it
}

func (b *nextRegister) Hold(t pusherhub.Topic, count int) {
	if meet := b.onApp; t == (pusherhub.Topic{App: hubtest.AppID}) && meet != nil {
		b.onApp = nil
		meet()
	}
	b.registrar.Hold(t, count)
}

func (b *nextRegister) Settle(context.Context) error {
	for _, t := range b.gained {
		b.node.Report(t)
	}
	b.gained = nil
	return nil
}

// Who comes while the hub changes its broker, and is entered at the next one only, has come.
func TestReportWhileTheBrokerChanges(t *testing.T) {
	recorder := hubtest.NewRecorder()
	config := hubtest.WithCredentials(pusherhub.AppConfig{Plugins: []pusherhub.Plugin{recorder}})
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{mustApp(t, config)}})
	c, d := s.Join(t, "presence-x", `{"user_id":"1"}`), s.Dial(t)
	expect := func(expected ...string) {
		t.Helper()
		for _, one := range expected {
			o := recorder.Next(t)
			for o.Type != pusherhub.ChannelOccupied && o.Type != pusherhub.MemberAdded {
				o = recorder.Next(t)
			}
			if found := strings.TrimSpace(fmt.Sprint(o.Type, " ", o.Channel, " ", o.UserID)); found != one {
				t.Errorf("observed %q, expected %q", found, one)
			}
		}
	}
	expect("channel_occupied presence-x", "member_added presence-x 1")
	next := &nextRegister{registrar: newRegistrar()}
	join := func(c *hubtest.Client, channel, who string) {
		c.SubscribeWith(channel, s.Auth(c, channel, who), who)
	}
	next.onApp = func() {
		join(d, "presence-x", `{"user_id":"2"}`)
		c.Expect("pusher_internal:member_added")
		join(d, "presence-y", `{"user_id":"2"}`)
	}
	for _, channel := range []string{"presence-x", "presence-y"} {
		next.gained = append(next.gained, pusherhub.Transition{Topic: onChannel(channel), Gained: true})
		for _, user := range []string{"1", "2"} {
			if channel == "presence-x" || user == "2" {
				next.gained = append(next.gained, pusherhub.Transition{Topic: onChannel(channel), Member: user, Gained: true})
			}
		}
	}
	apply(t, s, pusherhub.Config{Broker: next}, config)
	next.node.Report(pusherhub.Transition{Topic: onChannel("presence-z"), Gained: true})
	expect("member_added presence-x 2", "channel_occupied presence-y", "member_added presence-y 2", "channel_occupied presence-z")
}
