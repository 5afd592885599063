package pusherhub_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"github.com/pusher/pusher-http-go/v5"
)

// TestGoSDK lets the official Go SDK talk to a hub, both for what it publishes and asks, and for what it signs for clients.
func TestGoSDK(t *testing.T) {
	for _, profile := range []string{pusherhub.CompatReverb, pusherhub.CompatPusher} {
		s := hubtest.NewServer(t, pusherhub.AppConfig{Compat: profile})
		sdk := &pusher.Client{
			AppID: s.App.ID, Key: s.App.Key, Secret: s.App.Secret,
			Host: strings.TrimPrefix(s.URL, "http://"), HTTPClient: s.Client,
		}
		run := func(name string, test func(t *testing.T)) { t.Run("T47 Go SDK, "+profile+", "+name, test) }

		run("trigger", func(t *testing.T) {
			a, b := s.Dial(t), s.Dial(t)
			a.Subscribe("c")
			b.Subscribe("c")
			no(t, sdk.Trigger("c", `App\Events\X`, map[string]any{"message": "<hello>"}))
			for _, c := range []*hubtest.Client{a, b} {
				c.ExpectRaw(`{"event":"App\\Events\\X","channel":"c","data":"{\"message\":\"\\u003chello\\u003e\"}"}`)
			}
			no(t, sdk.TriggerMulti([]string{"c", "d"}, "text", "plain"))
			a.ExpectRaw(`{"event":"text","channel":"c","data":"plain"}`)
			b.Expect("text")
			_, err := sdk.TriggerWithParams("c", "others", "1", pusher.TriggerParams{SocketID: &a.SocketID})
			no(t, err)
			b.ExpectRaw(`{"event":"others","channel":"c","data":"1"}`)
			a.ExpectQuiet()
		})

		run("trigger with info", func(t *testing.T) {
			s.Join(t, "presence-i", `{"user_id":"1"}`)
			info := "user_count"
			list, err := sdk.TriggerMultiWithParams([]string{"presence-i", "presence-j"}, "e", "1", pusher.TriggerParams{Info: &info})
			no(t, err)
			one, none := 1, 0
			if want := map[string]pusher.TriggerChannelListItem{"presence-i": {UserCount: &one}, "presence-j": {UserCount: &none}}; !reflect.DeepEqual(list.Channels, want) {
				t.Errorf("found %+v, expected %+v", list.Channels, want)
			}
		})

		run("batch", func(t *testing.T) {
			a := s.Dial(t)
			a.Subscribe("b")
			info := "subscription_count"
			list, err := sdk.TriggerBatch([]pusher.Event{
				{Channel: "b", Name: "e1", Data: "1"}, {Channel: "b", Name: "e2", Data: "2", SocketID: &a.SocketID}, {Channel: "b", Name: "e3", Data: "3", Info: &info},
			})
			no(t, err)
			if len(list.Batch) != 3 || list.Batch[0].SubscriptionCount != nil || list.Batch[2].SubscriptionCount == nil || *list.Batch[2].SubscriptionCount != 1 {
				t.Errorf("found %+v", list.Batch)
			}
			a.Expect("e1")
			a.Expect("e3")
			list, err = sdk.TriggerBatch([]pusher.Event{{Channel: "b", Name: "e", Data: "1"}})
			no(t, err)
			if len(list.Batch) != 0 {
				t.Errorf("found %+v, expected nothing", list.Batch)
			}
		})

		run("sendToUser", func(t *testing.T) {
			a := s.Dial(t)
			s.Signin(t, a, `{"id":"7"}`)
			a.Subscribe("#server-to-user-7")
			no(t, sdk.SendToUser("7", "e", "1"))
			a.ExpectRaw(`{"event":"e","channel":"#server-to-user-7","data":"1"}`)
		})

		run("channels, channel and users", func(t *testing.T) {
			s.Join(t, "presence-q", `{"user_id":1}`)
			s.Join(t, "presence-q", `{"user_id":"2"}`)
			prefix, info := "presence-q", "user_count"
			list, err := sdk.Channels(pusher.ChannelsParams{FilterByPrefix: &prefix, Info: &info})
			no(t, err)
			if want := map[string]pusher.ChannelListItem{"presence-q": {UserCount: 2}}; !reflect.DeepEqual(list.Channels, want) {
				t.Errorf("found %+v, expected %+v", list.Channels, want)
			}
			channel, err := sdk.Channel("presence-q", pusher.ChannelParams{Info: &info})
			no(t, err)
			if !channel.Occupied || channel.UserCount != 2 {
				t.Errorf("found %+v", channel)
			}
			users, err := sdk.GetChannelUsers("presence-q")
			no(t, err)
			if want := []pusher.User{{ID: "1"}, {ID: "2"}}; !reflect.DeepEqual(users.List, want) {
				t.Errorf("found %+v, expected %+v", users.List, want)
			}
		})

		run("signs for clients", func(t *testing.T) {
			c := s.Dial(t)
			form := func(channel string) []byte {
				return []byte(url.Values{"socket_id": {c.SocketID}, "channel_name": {channel}}.Encode())
			}
			member := pusher.MemberData{UserID: "1", UserInfo: map[string]string{"name": "<é>"}}
			private, err := sdk.AuthorizePrivateChannel(form("private-s"))
			no(t, err)
			presence, err := sdk.AuthorizePresenceChannel(form("presence-s"), member)
			no(t, err)
			user, err := sdk.AuthenticateUser(form(""), map[string]any{"id": "7"})
			no(t, err)
			for channel, answer := range map[string][]byte{"private-s": private, "presence-s": presence} {
				var auth struct{ Auth, Channel_data string } //nolint:revive // the SDK's name
				no(t, json.Unmarshal(answer, &auth))
				c.SubscribeWith(channel, auth.Auth, auth.Channel_data)
			}
			c.Send(fmt.Sprintf(`{"event":"pusher:signin","data":%s}`, user))
			c.Expect("pusher:signin_success")
		})

		run("errors", func(t *testing.T) {
			wrong := *sdk
			wrong.Secret = "wrong"
			if err := wrong.Trigger("c", "e", "1"); err == nil || err.Error() != "Status Code: 401 - "+signatureInvalid {
				t.Errorf("found %v", err)
			}
		})
	}
}

func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
