package hubtest

import (
	"context"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
)

func TestPluginRecorder(t *testing.T) {
	TestPlugin(t, func(testing.TB) pusherhub.Plugin { return NewRecorder() })
}

type nameless struct{ name string }

func (p nameless) Name() string { return p.name }

func TestPluginWithoutHooks(t *testing.T) {
	TestPlugin(t, func(testing.TB) pusherhub.Plugin { return nameless{"nothing"} })
}

// diligent has every hook and refuses now and then. It works in a goroutine of its own for each app, which its successor takes over.
type diligent struct {
	mu      sync.Mutex
	asked   int                        // guarded by mu
	workers map[*pusherhub.App]*worker // guarded by mu
}

// worker does what it is given until it is told to end.
type worker struct {
	jobs chan string
	done chan struct{}
}

func newWorker() *worker {
	w := &worker{make(chan string, 1), make(chan struct{})}
	go func() {
		defer close(w.done)
		for range w.jobs {
		}
	}()
	return w
}

func newDiligent(testing.TB) pusherhub.Plugin {
	return &diligent{workers: make(map[*pusherhub.App]*worker)}
}

func (*diligent) Name() string { return "diligent" }

// OnAttach takes over the worker of the app's settings before.
func (p *diligent) OnAttach(app *pusherhub.App, old pusherhub.Plugin) {
	var w *worker
	if before, ok := old.(*diligent); ok {
		w = before.handOver(app.ID())
	}
	if w == nil {
		w = newWorker()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers[app] = w
}

// handOver gives up the worker of an app.
func (p *diligent) handOver(id string) *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	for app, w := range p.workers {
		if app.ID() == id {
			delete(p.workers, app)
			return w
		}
	}
	return nil
}

func (p *diligent) OnDetach(_ context.Context, app *pusherhub.App) {
	p.mu.Lock()
	w := p.workers[app]
	delete(p.workers, app)
	p.mu.Unlock()
	close(w.jobs)
	<-w.done
}

// answer refuses every 5th time, in turns with each of the ways to do so.
func (p *diligent) answer() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	switch p.asked % 15 {
	case 5:
		return &pusherhub.LimitError{}
	case 10:
		return &pusherhub.CloseError{Code: pusherhub.CodeOverCapacity, Reason: "Not now"}
	case 0:
		return context.DeadlineExceeded
	}
	return nil
}

func (p *diligent) OnConnect(context.Context, *pusherhub.ConnectRequest) error { return p.answer() }

func (p *diligent) OnDisconnect(*pusherhub.ConnectRequest) { _ = p.answer() }

func (p *diligent) OnMessage(context.Context, *pusherhub.MessageRequest) error { return p.answer() }

func (p *diligent) OnSubscribe(context.Context, *pusherhub.SubscribeRequest) error {
	return p.answer()
}

func (p *diligent) OnClientEvent(_ context.Context, r *pusherhub.ClientEventRequest) error {
	r.Event, r.Data = "client-seen", []byte(`{"seen":true}`)
	return p.answer()
}

func (p *diligent) OnPublish(_ context.Context, r *pusherhub.PublishRequest) error {
	r.Event, r.Data = "seen", ""
	return p.answer()
}

func (p *diligent) Observe(pusherhub.Observation) { panic("it keeps observations") }

func (p *diligent) Keep(context.Context, []pusherhub.Observation) { _ = p.answer() }

func (p *diligent) Measures() []pusherhub.Measure {
	p.mu.Lock()
	defer p.mu.Unlock()
	return []pusherhub.Measure{
		{Name: "calls_total", Help: "How often a hook was called.", Counter: true, Value: float64(p.asked)},
		{Name: "workers", Help: "Workers that run.", Value: float64(len(p.workers))},
	}
}

func TestPluginWithEveryHook(t *testing.T) { TestPlugin(t, newDiligent) }
