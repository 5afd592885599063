package cluster_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

// log is a handler that notes what it is called with. It is read when everything has come to rest.
type log struct{ lines []string }

func (l *log) Up()                                    { l.lines = append(l.lines, "up") }
func (l *log) Down(error)                             { l.lines = append(l.lines, "down") }
func (l *log) Receive(data []byte)                    { l.lines = append(l.lines, string(data)) }
func (l *log) Change(c cluster.Change)                { l.lines = append(l.lines, "change of "+c.Topic.Channel) }
func (l *log) LeftOut(pusherhub.Topic, string, error) { l.lines = append(l.lines, "left out") }
func (l *log) Ignored()                               { l.lines = append(l.lines, "ignored") }

// slowHandler takes its time.
type slowHandler struct {
	*log
	release chan struct{}
}

func (s slowHandler) Up() { <-s.release }

func (l *log) expect(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	if len(l.lines) != len(lines) {
		t.Fatalf("found %q, expected %q", l.lines, lines)
	}
	for i := range lines {
		if l.lines[i] != lines[i] {
			t.Fatalf("found %q, expected %q", l.lines, lines)
		}
	}
	l.lines = nil
}

var busTopic = pusherhub.Topic{App: "app", Channel: "x"}

// busPair opens two engines on a bus; both have subscribed to busTopic.
func busPair(t *testing.T) (bus *cluster.Bus, a, b cluster.Engine, logA, logB *log) {
	bus = cluster.NewBus()
	a, b, logA, logB = bus.Engine(), bus.Engine(), new(log), new(log)
	for e, l := range map[cluster.Engine]*log{a: logA, b: logB} {
		if err := e.Open(l); err != nil {
			t.Fatal(err)
		}
		if err := e.Subscribe(t.Context(), []pusherhub.Topic{busTopic}); err != nil {
			t.Fatal(err)
		}
		l.expect(t, "up")
	}
	return bus, a, b, logA, logB
}

func send(t *testing.T, e cluster.Engine, data string) error {
	t.Helper()
	_, err := e.Send(t.Context(), []cluster.Post{{Topic: busTopic, Data: []byte(data)}})
	return err
}

func inBubble(t *testing.T, name string, test func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func TestBusFaults(t *testing.T) {
	inBubble(t, "one engine is cut", func(t *testing.T) {
		bus, a, b, logA, logB := busPair(t)
		defer b.Close()
		defer a.Close()
		bus.Cut(b)
		bus.Cut(b)
		logB.expect(t, "down")
		if err := send(t, a, "1"); err != nil {
			t.Error(err)
		}
		if err := send(t, b, "2"); !errors.Is(err, cluster.ErrBusCut) {
			t.Errorf("found %v, expected ErrBusCut", err)
		}
		bus.Restore(b)
		bus.Restore(b)
		if err := send(t, a, "3"); err != nil {
			t.Error(err)
		}
		logA.expect(t, "1", "3")
		logB.expect(t, "up")
		bus.Cut()
		logA.expect(t, "down")
		logB.expect(t, "down")
	})
	inBubble(t, "what was on its way is lost with the connection", func(t *testing.T) {
		bus, a, b, _, logB := busPair(t)
		defer b.Close()
		defer a.Close()
		bus.Stall(b)
		if err := send(t, a, "on its way"); err != nil {
			t.Error(err)
		}
		bus.Cut(b)
		bus.Restore()
		logB.expect(t, "down", "up")
	})
	inBubble(t, "an engine is stalled", func(t *testing.T) {
		bus, a, b, logA, logB := busPair(t)
		defer a.Close()
		bus.Stall(b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.Beat(ctx, "b", time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("found %v, expected that the call waits until its context ends", err)
		}
		if err := send(t, a, "1"); err != nil {
			t.Error(err)
		}
		logA.expect(t, "1")
		logB.expect(t)
		done := make(chan error)
		go func() { done <- send(t, b, "2") }()
		logA.expect(t)
		bus.Restore()
		if err := <-done; err != nil {
			t.Error(err)
		}
		logA.expect(t, "2")
		logB.expect(t, "1", "2")

		bus.Stall(b)
		go func() { done <- send(t, b, "3") }()
		synctest.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, cluster.ErrEngineClosed) {
			t.Errorf("found %v, expected ErrEngineClosed", err)
		}
	})
	inBubble(t, "an answer is lost", func(t *testing.T) {
		bus, a, b, logA, logB := busPair(t)
		defer b.Close()
		defer a.Close()
		bus.LoseAnswer(a)
		if err := send(t, a, "1"); !errors.Is(err, cluster.ErrAnswerLost) {
			t.Errorf("found %v, expected ErrAnswerLost", err)
		}
		if _, err := a.Enter(t.Context(), "a", time.Minute); err != nil {
			t.Error(err)
		}
		bus.LoseAnswer(a)
		updates := []cluster.Update{{Topic: busTopic, Counted: true, Count: 1}}
		if _, _, err := a.Apply(t.Context(), "a", 1, updates); !errors.Is(err, cluster.ErrAnswerLost) {
			t.Errorf("found %v, expected ErrAnswerLost", err)
		}
		if made, known, err := a.Apply(t.Context(), "a", 1, updates); len(made) != 1 || !known || err != nil {
			t.Errorf("found %v, %v, %v, expected the answer of the first attempt", made, known, err)
		}
		logA.expect(t, "1", "change of x")
		logB.expect(t, "1", "change of x")
	})
	inBubble(t, "an engine waits for its broker when it is closed", func(t *testing.T) {
		e, slow := cluster.NewBus().Engine(), slowHandler{log: new(log), release: make(chan struct{})}
		if err := e.Open(slow); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- e.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("found that Close returned while the broker was called")
		}
		close(slow.release)
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
	inBubble(t, "the server forgets", func(t *testing.T) {
		bus, a, b, logA, logB := busPair(t)
		defer b.Close()
		defer a.Close()
		bus.Cut(b)
		bus.Forget()
		logA.expect(t, "down", "up")
		logB.expect(t, "down")
	})
}
