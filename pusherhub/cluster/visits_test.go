package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// Who comes and goes while a register is filled again is reported afterwards.
func TestVisitsWhileTheRegisterIsFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, node := cluster.NewBus(), &reporting{}
		b := cluster.New(bus.Engine(), cluster.Options{})
		if err := b.Open(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.Close() }()
		time.Sleep(time.Minute)
		bus.Forget()
		time.Sleep(time.Second)
		topic := channelTopic("presence-room")
		b.Hold(topic, 1)
		b.Join(topic, pusherhub.Member{UserID: "u"})
		b.Leave(topic, "u")
		b.Hold(topic, 0)
		time.Sleep(time.Minute)
		if found := node.channels(); len(found) != 4 {
			t.Errorf("found %d reports, expected 4: a channel and a member came and went", len(found))
		}
	})
}
