package pusherhub_test

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const replayRefused = "Replay refused: a request with this signature was carried out before. " +
	"Two requests that are alike within one second are signed alike."

func refusing() pusherhub.AppConfig { return pusherhub.AppConfig{RefuseReplays: new(true)} }

func TestRefuseReplays(t *testing.T) {
	t.Run("refuse_replays is off by default", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		target := s.SignedURL("POST", "/apps/app-id/events", oneEvent, nil)
		for range 3 {
			expectReply(t, s, "POST", target, oneEvent, 200, "{}")
		}
	}))
	t.Run("refuse_replays refuses what was carried out for as long as it could be used", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, refusing())
		s.Publish("other", "e", "1")
		later(599 * time.Second)
		c := s.Dial(t)
		c.Subscribe("c")
		// signed by a clock that is nearly 10 minutes ahead
		target := s.SignedURL("POST", "/apps/app-id/events", oneEvent, url.Values{"auth_timestamp": {unix(599 * time.Second)}})
		expectReply(t, s, "POST", target, oneEvent, 200, "{}")
		for range 1197 {
			expectReply(t, s, "POST", target, oneEvent, 401, replayRefused)
			s.Publish("c", "e", unix(0)) // others make it older
			later(time.Second)
			c.Expect("e")
		}
		c.Expect("e")
		c.ExpectQuiet()
		later(2 * time.Second)
		if status, answer := send(t, s, "POST", target, oneEvent); status != 401 || answer == replayRefused {
			t.Errorf("found %d %s, expected it to be too old", status, answer)
		}
	}))
	t.Run("refuse_replays is about all that changes something, and nothing else", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, refusing())
		for _, c := range []struct{ path, body string }{
			{"/events", oneEvent},
			{"/batch_events", `{"batch":[` + oneEvent + `]}`},
			{"/channels/c/events", "data"},
			{"/users/7/terminate_connections", "{}"},
		} {
			target := s.SignedURL("POST", "/apps/app-id"+c.path, c.body, url.Values{"name": {"e"}})
			if status, answer := send(t, s, "POST", target, c.body); status/100 != 2 {
				t.Errorf("%s: found %d %s", c.path, status, answer)
			}
			expectReply(t, s, "POST", target, c.body, 401, replayRefused)
		}
		target := s.SignedURL("GET", "/apps/app-id/channels", "", nil)
		for range 2 {
			expectReply(t, s, "GET", target, "", 200, `{"channels":{}}`)
		}
	}))
	t.Run("refuse_replays tells who cannot sign nothing", bubble(func(t *testing.T) {
		s := hubtest.NewPipeServer(t, refusing())
		target := s.SignedURL("POST", "/apps/app-id/events", oneEvent, nil)
		forged := `{"name":"e","data":"2","channel":"c"}`
		expectReply(t, s, "POST", target, forged, 401, signatureInvalid)
		expectReply(t, s, "POST", target, oneEvent, 200, "{}") // the forgery did not use it up
		expectReply(t, s, "POST", target, forged, 401, signatureInvalid)
	}))
	t.Run("refuse_replays without timestamp_tolerance", bubble(func(t *testing.T) {
		config := refusing()
		config.TimestampTolerance = -1
		s := hubtest.NewPipeServer(t, config)
		target := s.SignedURL("POST", "/apps/app-id/events", oneEvent, nil)
		expectReply(t, s, "POST", target, oneEvent, 200, "{}")
		later(1000 * time.Hour)
		expectReply(t, s, "POST", target, oneEvent, 401, replayRefused)
	}))
	t.Run("refuse_replays lets those come again that the server could not take", bubble(func(t *testing.T) {
		b := &moodyBroker{MemoryBroker: pusherhub.NewMemoryBroker(), away: true}
		s := serverWith(t, refusing(), b)
		target := s.SignedURL("POST", "/apps/app-id/events", oneEvent, nil)
		expectReply(t, s, "POST", target, oneEvent, 503, overloaded)
		b.away = false
		expectReply(t, s, "POST", target, oneEvent, 200, "{}")
		expectReply(t, s, "POST", target, oneEvent, 401, replayRefused)
	}))
}

var errAway = errors.New("away")

// moodyBroker takes nothing while it is away.
type moodyBroker struct {
	*pusherhub.MemoryBroker
	away bool
}

func (b *moodyBroker) Publish(ctx context.Context, m *pusherhub.Message) error {
	if b.away {
		return errAway
	}
	return b.MemoryBroker.Publish(ctx, m)
}

func serverWith(t *testing.T, config pusherhub.AppConfig, b pusherhub.Broker) *hubtest.Server {
	t.Helper()
	app, err := pusherhub.NewApp(hubtest.WithCredentials(config))
	if err != nil {
		t.Fatal(err)
	}
	return hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: b})
}

// unix is the time in seconds, ahead by d.
func unix(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }

func expectReply(t *testing.T, s *hubtest.Server, method, target, body string, status int, answer string) {
	t.Helper()
	if foundStatus, found := send(t, s, method, target, body); foundStatus != status || found != answer {
		t.Fatalf("found %d %s, expected %d %s", foundStatus, found, status, answer)
	}
}
