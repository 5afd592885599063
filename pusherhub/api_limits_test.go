package pusherhub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Names of channels are bounded in every request that holds one, in bytes.
func TestChannelNameLimit(t *testing.T) {
	for _, o := range []struct {
		name   string
		config pusherhub.AppConfig
		bound  int
	}{
		{"reverb", pusherhub.AppConfig{}, 200},
		{"pusher", pusherhub.AppConfig{Compat: pusherhub.CompatPusher}, 164},
		{"max_channel_name_length", pusherhub.AppConfig{MaxChannelNameLength: 20}, 20},
	} {
		for _, length := range []int{o.bound, o.bound + 1} {
			t.Run(fmt.Sprintf("T50 channel name of %d bytes, %s", length, o.name), func(t *testing.T) {
				s := hubtest.NewServer(t, o.config)
				name := "presence-" + strings.Repeat("c", length-len("presence-"))
				for _, c := range []call{
					{method: "POST", path: "/events", body: `{"name":"e","data":"1","channel":"` + name + `"}`, status: 200, answer: "{}"},
					{method: "POST", path: "/events", body: `{"name":"e","data":"1","channels":["` + name + `"]}`, status: 200, answer: "{}"},
					{method: "POST", path: "/batch_events", body: `{"batch":[{"name":"e","data":"1","channel":"` + name + `"}]}`, status: 200, answer: "{}"},
					{method: "GET", path: "/channels/" + name, status: 200, answer: `{"occupied":false}`},
					{method: "GET", path: "/channels/" + name + "/users", status: 200, answer: `{"users":[]}`},
				} {
					if length > o.bound {
						field := map[string]string{"/batch_events": "batch.0.channel"}[c.path]
						if field == "" {
							field = "channel"
						}
						if strings.Contains(c.body, `"channels"`) {
							field = "channels.0"
						}
						sentence := fmt.Sprintf("The channel name is longer than %d bytes.", o.bound)
						c.status, c.answer = 422, `{"`+field+`":["`+sentence+`"]}`
						if o.name == "pusher" {
							c.status, c.answer = 400, sentence
						}
					}
					c.expect(t, s)
				}
			})
		}
	}
}

func TestOwnLimits(t *testing.T) {
	const two = `{"name":"e","data":"1","channels":["c","d"]}`
	runCalls(t, "T54 ", pusherhub.AppConfig{MaxChannelsPerEvent: 2}, []call{
		{name: "max_channels_per_event, at the bound", method: "POST", path: "/events", body: two, status: 200, answer: "{}"},
	})
	runCalls(t, "T54 ", pusherhub.AppConfig{MaxChannelsPerEvent: 1}, []call{
		{name: "max_channels_per_event, one over", method: "POST", path: "/events", body: two, status: 422, answer: `{"channels":["The channels field must not have more than 1 items."]}`},
	})
	runCalls(t, "T53 ", pusherhub.AppConfig{MaxEventData: pusherhub.Unlimited, Compat: pusherhub.CompatPusher}, []call{
		{name: "max_event_data unlimited", method: "POST", path: "/events", body: `{"name":"e","channel":"c","data":"` + strings.Repeat("x", 100<<10) + `"}`, status: 200, answer: "{}"},
	})
}
