package hubtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// publish publishes on a node, with a socket left out.
func (f *fleet) publish(i int, channel, event, data, except string) {
	f.Helper()
	body := fmt.Sprintf(`{"name":%q,"channel":%q,"data":%q,"socket_id":%q}`, event, channel, data, except)
	if status, answer, _ := f.at(i).Do(http.MethodPost, "/events", body, nil); status != http.StatusOK || answer != "{}" {
		f.Fatalf("publishing on node %d: found %d %s, expected 200 {}", i, status, answer)
	}
}

// subscribers returns a client on each node, subscribed to a channel that needs no data.
func (f *fleet) subscribers(channel string) (list [eachNode]*Client) {
	f.Helper()
	for i := range list {
		s := f.at(i)
		list[i] = s.Dial(f.T)
		auth := ""
		if strings.HasPrefix(channel, "private-") {
			auth = s.Auth(list[i], channel, "")
		}
		list[i].SubscribeWith(channel, auth, "")
	}
	return list
}

func fleetEvents(f *fleet) {
	clients := f.subscribers("news")
	for round := range 10 {
		for i := range eachNode {
			data := fmt.Sprint(round, " of ", i)
			f.at(i).Publish("news", "e", data)
			f.at(i).Publish("elsewhere", "e", data)
			for _, c := range clients {
				c.ExpectRaw(`{"event":"e","channel":"news","data":"` + data + `"}`)
			}
		}
	}
	const n = 50
	for i := range n {
		f.at(1).Publish("news", "e", fmt.Sprint(i))
	}
	for _, c := range clients {
		for i := range n {
			if found := c.Expect("e").Text(); found != fmt.Sprint(i) {
				f.Fatalf("found %s, expected %d", found, i)
			}
		}
		c.ExpectQuiet()
	}
}

func fleetExclusion(f *fleet) {
	clients := f.subscribers("news")
	for i := range eachNode {
		for k, left := range clients {
			f.publish(i, "news", "e", fmt.Sprint(i, k), left.SocketID)
		}
		f.publish(i, "news", "end", "", "1.1") // nobody's
		for k, c := range clients {
			for other := range clients {
				if other != k {
					if found := c.Expect("e").Text(); found != fmt.Sprint(i, other) {
						f.Fatalf("the client of node %d got %s, expected %s", k, found, fmt.Sprint(i, other))
					}
				}
			}
			c.Expect("end")
		}
	}
}

func fleetClientEvents(f *fleet) {
	const channel = "private-chat"
	clients := f.subscribers(channel)
	for i, sender := range clients {
		sender.Send(EventFrame("client-x", channel, fmt.Sprint(i)))
		sender.ExpectQuiet()
		for k, c := range clients {
			if k != i {
				if found := c.Expect("client-x").Text(); found != fmt.Sprint(i) {
					f.Fatalf("found %s, expected %d", found, i)
				}
			}
		}
	}
	for _, c := range clients {
		c.ExpectQuiet()
	}
}

func fleetCache(f *fleet) {
	const channel = "cache-news"
	info := url.Values{"info": {"cache"}}
	f.expectAnswer("/channels/"+channel, info, `{"occupied":false,"cache":null}`)
	first := f.at(0).Dial(f.T)
	first.Subscribe(channel)
	first.Expect("pusher:cache_miss")
	for i, from := range []int{1, 2, 0} { // a node without subscribers, then another, then one with some
		data := fmt.Sprint("data ", i)
		f.at(from).Publish(channel, "e", data)
		want := `{"event":"e","channel":"cache-news","data":"` + data + `"}`
		first.ExpectRaw(want)
		for node := range eachNode {
			f.eventuallyOr("every node knows the kept event", func() bool {
				return strings.Contains(f.answer(node, "/channels/"+channel, info), `"cache":{"data":"`+data+`","ttl":`)
			}, func() string {
				return fmt.Sprintf("node %d answers %s, expected %s in it", node, f.answer(node, "/channels/"+channel, info), data)
			})
			late := f.at(node).Dial(f.T)
			late.Subscribe(channel)
			late.ExpectRaw(want)
			late.Close()
		}
	}
	first.ExpectQuiet()
}
