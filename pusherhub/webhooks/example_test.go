package webhooks_test

import (
	"fmt"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/webhooks"
)

func ExampleNew() {
	hooks, err := webhooks.New(webhooks.Config{
		Endpoints: []webhooks.Endpoint{{
			URL:        "https://example.com/pusher/webhooks",
			EventTypes: []string{"member_added", "member_removed"},
			Filter:     &webhooks.Filter{ChannelNameStartsWith: "presence-"},
		}},
		Spool: "/var/lib/pusherhub/webhooks",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	app, err := pusherhub.NewApp(pusherhub.AppConfig{ID: "app-id", Key: "app-key", Secret: "app-secret", Plugins: []pusherhub.Plugin{hooks}})
	if err != nil {
		fmt.Println(err)
		return
	}
	settings, err := pusherhub.NewSettings(pusherhub.Config{Apps: []*pusherhub.App{app}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(hooks.Name(), settings != nil)
	// Output: webhooks true
}
