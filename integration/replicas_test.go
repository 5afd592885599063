package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Two replicas of one service, as a platform starts them, and nobody thought of a broker: each serves its own clients, and the one that can
// know of the other says loudly that events are lost.
func TestReplicasWithoutABroker(t *testing.T) {
	var replicas [2]*server
	var clients [2]*hubtest.Client
	for i := range replicas {
		s := newServer(t)
		s.Env = append([]string{fmt.Sprintf("DYNO=web.%d", i+1)}, environmentApp...)
		s.start(publicSite)
		replicas[i], clients[i] = s, hubtest.Dial(t, s.url(), appKey, "")
		clients[i].Subscribe("orders")
	}

	body := fmt.Sprintf(`{"name":"created","channel":"orders","data":"1","socket_id":%q}`, clients[1].SocketID)
	if status, answer, _ := replicas[0].site().Do(http.MethodPost, "/events", body, nil); status != http.StatusOK {
		t.Fatalf("publishing: found %d %s", status, answer)
	}
	clients[0].Expect("created")
	clients[1].ExpectQuiet()
	replicas[1].site().Publish("orders", "created", "2")
	clients[1].Expect("created")
	clients[0].ExpectQuiet()

	const sign = "this is dyno web.2: other replicas seem to run"
	told := func(l logLine) bool {
		return l.text("msg") == "events are lost between replicas" && l.text("level") == "warn" && strings.HasPrefix(l.text("error"), sign)
	}
	replicas[1].expectLog("events are lost", told)
	if lines := replicas[0].logLines(told); len(lines) > 0 {
		t.Errorf("found %v, expected that the first dyno cannot know", lines)
	}
	for i, s := range replicas {
		status, said := s.readiness()
		if warns := strings.Contains(said, `"warnings":[{"name":"hub default","reason":"`+sign); status != http.StatusOK || !strings.HasPrefix(said, `{"ready":true`) || warns != (i == 1) {
			t.Errorf("web.%d: found %d %s, expected it to be ready, with a warning from the second", i+1, status, said)
		}
		if found := s.scrape()[`pusher_hub_replicas_suspected{hub="default"}`]; found != float64(i) {
			t.Errorf("web.%d: found replicas_suspected %v, expected %d", i+1, found, i)
		}
	}
}
