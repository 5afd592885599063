package webhooks

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

func TestBatch(t *testing.T) {
	t.Run("T60 events of 50 ms go together, 100 at most, in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			begun := time.Now()
			first, want := numbered("c", 0, 2)
			r.tell(first[0])
			time.Sleep(49 * time.Millisecond)
			r.tell(first[1])
			synctest.Wait()
			if len(r.all()) != 0 {
				t.Error("events were sent before the time was over")
			}
			time.Sleep(time.Second)
			if requests := r.all(); len(requests) != 1 || requests[0].at.Sub(begun) != 50*time.Millisecond {
				t.Errorf("found %+v, expected one request after 50 ms", requests)
			}
			many, more := numbered("c", 2, 250)
			begun = time.Now()
			r.answers(func(received) (int, error) {
				time.Sleep(time.Millisecond) // for the others to be queued
				return 200, nil
			})
			r.tell(many...)
			time.Sleep(time.Second)
			sizes := []int{2, 100, 100, 50}
			for i, request := range r.all() {
				if found := len(request.events(t)); found != sizes[i] {
					t.Errorf("request %d has %d events, expected %d", i, found, sizes[i])
				}
			}
			if at := r.all()[1].at; !at.Equal(begun) {
				t.Errorf("a full batch waited for %s", at.Sub(begun))
			}
			r.detach()
			r.expect(hookURL, append(want, more...)...)
		})
	})

	t.Run("T60 without batches each event has its request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Batch: new(false)})
			o, want := numbered("c", 0, 3)
			r.tell(o...)
			synctest.Wait()
			if found := len(r.all()); found != 3 {
				t.Errorf("%d requests, expected 3", found)
			}
			r.expect(hookURL, want...)
			r.detach()
		})
	})

	t.Run("T60 a request ends at 1 MiB, but one event always fits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			for _, size := range []int{600 << 10, 500 << 10, 100 << 10, 2 << 20, 1} {
				r.tell(clientEvent("c", strings.Repeat("x", size)))
			}
			r.detach()
			var counts []int
			for _, request := range r.all() {
				counts = append(counts, len(request.events(t)))
			}
			if !slices.Equal(counts, []int{1, 2, 1, 1}) {
				t.Errorf("the requests have %v events, expected 1, 2, 1, 1", counts)
			}
		})
	})

	t.Run("T60 event lists, filters and headers of each URL", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Endpoints: []Endpoint{
				{URL: hookURL, EventTypes: []string{"channel_occupied", "connected"}, Filter: &Filter{ChannelNameStartsWith: "private-"}, Headers: map[string]string{"x-token": "t", "User-Agent": "mine"}},
				{URL: otherURL, EventTypes: []string{"client_event"}, Filter: &Filter{ChannelNameStartsWith: "private-", ChannelNameEndsWith: "-x"}},
				{URL: otherURL, EventTypes: []string{"client_event", "channel_occupied"}, Filter: &Filter{ChannelNameEndsWith: "-y"}},
				{URL: "site:/hooks/pusher?a=b"},
			}})
			r.tell(
				occupied("private-x"), occupied("public-y"), clientEvent("private-x", "1"), clientEvent("private-y", "2"), clientEvent("public-z", "3"),
				pusherhub.Observation{Type: pusherhub.Connected, SocketID: "1.2", ClientIP: "192.0.2.1"},
			)
			r.detach()
			r.expect(hookURL, "channel_occupied private-x", "connected ")
			r.expect(otherURL, "channel_occupied public-y", "client_event private-x 1", "client_event private-y 2")
			r.expect("site:/hooks/pusher?a=b", "channel_occupied private-x", "channel_occupied public-y", "client_event private-x 1", "client_event private-y 2", "client_event public-z 3")
			for _, request := range r.all() {
				if found := request.header.Get("X-Token") == "t" && request.header.Get("User-Agent") == "mine"; found != (request.url == hookURL) {
					t.Errorf("%s got the headers %v", request.url, request.header)
				}
			}
		})
	})

	t.Run("T61 data is a string, whatever the client sent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			for _, data := range []string{`{"a":[1,"é\u2028"]}`, "", "plain \"text\"", "3", "null"} {
				r.tell(clientEvent("private-c", data))
			}
			r.detach()
			r.expect(hookURL, `client_event private-c {"a":[1,"é\u2028"]}`, "client_event private-c ", "client_event private-c plain \"text\"", "client_event private-c 3", "client_event private-c null")
		})
	})

	t.Run("what Pusher does not have is told if it is named", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{Endpoints: []Endpoint{{URL: hookURL, EventTypes: furtherEvents}}})
			r.tell(
				pusherhub.Observation{Type: pusherhub.Connected, SocketID: "1.2", ClientIP: "192.0.2.1"},
				pusherhub.Observation{Type: pusherhub.UserOnline, UserID: "7"},
				pusherhub.Observation{Type: pusherhub.Undelivered, Channel: "#server-to-user-7", Event: "e", Data: "d"},
				pusherhub.Observation{Type: pusherhub.Undelivered, Channel: "c", Event: "e", Data: "d"},
				pusherhub.Observation{Type: pusherhub.UserOffline, UserID: "7"},
				pusherhub.Observation{Type: pusherhub.Disconnected, SocketID: "1.2", ClientIP: "192.0.2.1"},
				occupied("c"),
			)
			r.detach()
			_, events, _ := strings.Cut(r.all()[0].body, `"events":`)
			if want := compact(t, `[
				{"name":"connected","channel":"","socket_id":"1.2","client_ip":"192.0.2.1"},
				{"name":"user_online","channel":"","user_id":"7"},
				{"name":"undelivered","channel":"#server-to-user-7","user_id":"7","event":"e","data":"d"},
				{"name":"undelivered","channel":"c","event":"e","data":"d"},
				{"name":"user_offline","channel":"","user_id":"7"},
				{"name":"disconnected","channel":"","socket_id":"1.2","client_ip":"192.0.2.1"}]`); events != want+"}" {
				t.Errorf("found %s, expected %s", events, want)
			}
		})
	})
}
