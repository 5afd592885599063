package pusherhub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// stuckBroker takes as long as the test wants.
type stuckBroker struct {
	*pusherhub.MemoryBroker
	release chan struct{}
}

func (b stuckBroker) Publish(ctx context.Context, m *pusherhub.Message) error {
	<-b.release
	return b.MemoryBroker.Publish(ctx, m)
}

// failingBroker takes nothing.
type failingBroker struct{ *pusherhub.MemoryBroker }

func (failingBroker) Publish(context.Context, *pusherhub.Message) error {
	return errors.New("bus at redis.internal:6379 is away")
}

func (failingBroker) Broadcast(context.Context, pusherhub.Command) error {
	return errors.New("bus at redis.internal:6379 is away")
}

func serverWithBroker(t *testing.T, b pusherhub.Broker) *hubtest.Server {
	t.Helper()
	app, err := pusherhub.NewApp(hubtest.WithCredentials(pusherhub.AppConfig{}))
	if err != nil {
		t.Fatal(err)
	}
	return hubtest.NewPipeServerWith(t, pusherhub.Config{Apps: []*pusherhub.App{app}, Broker: b})
}

const overloaded = "The server cannot take more events at the moment."

func TestBacklog(t *testing.T) {
	t.Run("T50 503 when the backlog stays full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := stuckBroker{pusherhub.NewMemoryBroker(), make(chan struct{})}
			s := serverWithBroker(t, b)
			var channels []string
			for i := range 100 {
				channels = append(channels, fmt.Sprintf(`"c%d"`, i))
			}
			big := `{"name":"e","channels":[` + strings.Join(channels, ",") + `],"data":"` + strings.Repeat("x", 170<<10) + `"}`
			filled := make(chan int)
			go func() {
				status, _, _ := s.Do("POST", "/events", big, nil)
				filled <- status
			}()
			synctest.Wait() // 17 MB are under way

			from := time.Now()
			header := call{method: "POST", path: "/events", body: oneEvent, status: 503, answer: overloaded}.expect(t, s)
			if after := header.Get("Retry-After"); after != "1" {
				t.Errorf("found Retry-After %q, expected 1", after)
			}
			if took := time.Since(from); took != 2*time.Second {
				t.Errorf("refused after %s, expected 2s", took)
			}
			if n := s.Hub.Stats().PublishesOverBacklog; n != 1 {
				t.Errorf("found PublishesOverBacklog %d, expected 1", n)
			}

			patient := make(chan int)
			go func() {
				status, _, _ := s.Do("POST", "/events", oneEvent, nil)
				patient <- status
			}()
			later(time.Second)
			close(b.release)
			if first, second := <-filled, <-patient; first != 200 || second != 200 {
				t.Errorf("found %d and %d, expected 200 for both", first, second)
			}
			trigger(t, s, oneEvent)
		})
	})
}

// A broker's troubles are in the log, not in the answer.
func TestBrokerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serverWithBroker(t, failingBroker{pusherhub.NewMemoryBroker()})
		for _, c := range []call{
			{method: "POST", path: "/events", body: oneEvent, answer: overloaded},
			{method: "POST", path: "/batch_events", body: `{"batch":[` + oneEvent + `]}`, answer: overloaded},
			{method: "POST", path: "/users/7/terminate_connections", body: "{}", answer: "The server cannot reach the other servers at the moment."},
		} {
			c.status = 503
			if after := c.expect(t, s).Get("Retry-After"); after != "1" {
				t.Errorf("%s: found Retry-After %q, expected 1", c.path, after)
			}
		}
		if n := s.Hub.Stats().EventsPublished; n != 0 {
			t.Errorf("found EventsPublished %d, expected 0", n)
		}
	})
}

// As long as the other nodes are away, requests about them are no flood of the log.
func TestBrokerFailuresAreLoggedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, log := observer.New(zap.InfoLevel)
		app := mustApp(t, pusherhub.AppConfig{})
		s := hubtest.NewPipeServerWith(t, pusherhub.Config{
			Apps: []*pusherhub.App{app}, Broker: failingBroker{pusherhub.NewMemoryBroker()}, Logger: zap.New(core),
		})
		terminate := func() {
			if status, _, _ := s.Do("POST", "/users/7/terminate_connections", "{}", nil); status != 503 {
				t.Errorf("found status %d, expected 503", status)
			}
		}
		for range 20 {
			terminate()
		}
		time.Sleep(5 * time.Second)
		terminate()
		lines := log.FilterMessage("asking the other nodes").All()
		if len(lines) != 2 {
			t.Fatalf("found %d lines, expected 2: %v", len(lines), lines)
		}
		if fields := lines[1].ContextMap(); fields["not_logged_before"] != int64(19) {
			t.Errorf("found %v, expected 19 lines left out", fields)
		}
	})
}
