package hubtest

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// scripted is a plugin of functions, which are called if there are any.
type scripted struct {
	name     string
	attach   func(app *pusherhub.App, old pusherhub.Plugin)
	detach   func(ctx context.Context)
	connect  func() error
	message  func(r *pusherhub.MessageRequest) error
	event    func(r *pusherhub.ClientEventRequest) error
	publish  func(r *pusherhub.PublishRequest) error
	measures []pusherhub.Measure
}

func (p *scripted) Name() string { return p.name }

func (p *scripted) OnAttach(app *pusherhub.App, old pusherhub.Plugin) {
	if p.attach != nil {
		p.attach(app, old)
	}
}

func (p *scripted) OnDetach(ctx context.Context, _ *pusherhub.App) {
	if p.detach != nil {
		p.detach(ctx)
	}
}

func (p *scripted) OnConnect(context.Context, *pusherhub.ConnectRequest) error {
	if p.connect == nil {
		return nil
	}
	return p.connect()
}

func (p *scripted) OnMessage(_ context.Context, r *pusherhub.MessageRequest) error {
	if p.message == nil {
		return nil
	}
	return p.message(r)
}

func (p *scripted) OnClientEvent(_ context.Context, r *pusherhub.ClientEventRequest) error {
	if p.event == nil {
		return nil
	}
	return p.event(r)
}

func (p *scripted) OnPublish(_ context.Context, r *pusherhub.PublishRequest) error {
	if p.publish == nil {
		return nil
	}
	return p.publish(r)
}

func (p *scripted) Measures() []pusherhub.Measure { return p.measures }

// stuck is an observer for whom nothing ever ends.
type stuck struct{ until chan struct{} }

func (stuck) Name() string { return "stuck" }

func (p stuck) Observe(pusherhub.Observation) { <-p.until }

// unkept is a keeper who never gets done.
type unkept struct{ stuck }

func (p unkept) Keep(context.Context, []pusherhub.Observation) { <-p.until }

// Each of these is a mistake that somebody will make, and what TestPlugin has to say of it.
func TestPluginFindsMistakes(t *testing.T) {
	const (
		name, making, oddities = "its name is one word", "making it begins nothing", "it bears empty, odd and huge requests"
		reloads, apps, crowd   = "it lives through reloads", "it serves apps that come and go", "it works for many sockets at once"
		late, figures          = "OnDetach ends when its time is over", "its figures can be shown"
	)
	var made atomic.Int64
	for _, mistake := range []struct {
		what, check, says string
		// build makes the plugin. until is closed after the verdict: what waits for it waits for ever.
		build func(until chan struct{}) pusherhub.Plugin
	}{
		{"no value", making, "found nil", func(chan struct{}) pusherhub.Plugin { return nil }},
		{"no name", name, `name is ""`, func(chan struct{}) pusherhub.Plugin { return &scripted{} }},
		{"two words", name, `name is "a b"`, func(chan struct{}) pusherhub.Plugin { return &scripted{name: "a b"} }},
		{"a name for each value", name, "expected one", func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: strings.Repeat("x", int(made.Add(1)))}
		}},
		{"begins when it is made", making, "goroutines are left", func(until chan struct{}) pusherhub.Plugin {
			go func() { <-until }()
			return &scripted{name: "p"}
		}},
		{"leaves what OnAttach began", reloads, "goroutines are left", func(until chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", attach: func(*pusherhub.App, pusherhub.Plugin) {
				go func() { <-until }()
			}}
		}},
		{"forgets who it succeeds", reloads, "goroutines are left", func(until chan struct{}) pusherhub.Plugin {
			end := make(chan struct{})
			var begun atomic.Bool
			return &scripted{
				name: "p",
				attach: func(_ *pusherhub.App, old pusherhub.Plugin) {
					if begun.CompareAndSwap(false, true) { // knows itself, but no other
						go func() {
							select {
							case <-end:
							case <-until:
							}
						}()
					}
				},
				detach: func(context.Context) { close(end) },
			}
		}},
		{"believes that it is detached once", apps, "the plugin panics: close of closed channel", func(chan struct{}) pusherhub.Plugin {
			end := make(chan struct{})
			return &scripted{name: "p", detach: func(context.Context) { close(end) }}
		}},
		{"blocks in OnAttach", apps, "Hub.Apply, which calls OnAttach, does not return", func(until chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", attach: func(*pusherhub.App, pusherhub.Plugin) { <-until }}
		}},
		{"detaches for ever", late, "OnDetach with a context that is over does not return", func(until chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", detach: func(context.Context) { <-until }}
		}},
		{"keeps the hub from closing", reloads, "Hub.Close, which waits for Observe, Keep and OnDetach, does not return", func(until chan struct{}) pusherhub.Plugin {
			return stuck{until}
		}},
		{"keeps for ever", oddities, `Keep about "" does not return`, func(until chan struct{}) pusherhub.Plugin { return unkept{stuck{until}} }},
		{"blocks a hook", oddities, `OnMessage about "" does not return`, func(until chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", message: func(*pusherhub.MessageRequest) error { <-until; return nil }}
		}},
		{"blocks sockets", crowd, "the visit of a crowd does not return", func(until chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", message: func(*pusherhub.MessageRequest) error { <-until; return nil }}
		}},
		{"panics", oddities, `OnClientEvent about "" panics: runtime error: index out of range`, func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", event: func(r *pusherhub.ClientEventRequest) error { _ = r.UserID[0]; return nil }}
		}},
		{"panics when the hub calls", crowd, "the plugin panics: no", func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", publish: func(*pusherhub.PublishRequest) error { panic("no") }}
		}},
		{"closes for good", oddities, "found code 4301, expected 4000 to 4299", func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", connect: func() error { return &pusherhub.CloseError{Code: 4301, Reason: "No"} }}
		}},
		{"says nothing", oddities, `found reason "", expected 1 to 123 bytes`, func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", message: func(*pusherhub.MessageRequest) error { return &pusherhub.CloseError{Code: 4301} }}
		}},
		{"says too much", oddities, "expected 1 to 123 bytes", func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", publish: func(*pusherhub.PublishRequest) error {
				return &pusherhub.LimitError{Reason: strings.Repeat("x", 124)}
			}}
		}},
		{"sends back in time", oddities, "found RetryAfter -1s", func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", publish: func(*pusherhub.PublishRequest) error {
				return &pusherhub.LimitError{RetryAfter: -time.Second}
			}}
		}},
		{"writes to what is shared", oddities, "has written to Data", func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", event: func(r *pusherhub.ClientEventRequest) error { r.Data[0] = ' '; return nil }}
		}},
		{"renames an event", oddities, "expected the prefix client-", func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", event: func(r *pusherhub.ClientEventRequest) error { r.Event = "typing"; return nil }}
		}},
		{"breaks the data", oddities, "expected JSON", func(chan struct{}) pusherhub.Plugin {
			return &scripted{name: "p", event: func(r *pusherhub.ClientEventRequest) error { r.Data = nil; return nil }}
		}},
		{"a figure's name", figures, "expected a name in snake case", withFigures(pusherhub.Measure{Name: "My-Figure", Help: "x"})},
		{"the plugin's name twice", figures, "without the plugin's", withFigures(pusherhub.Measure{Name: "p_depth", Help: "x"})},
		{"a counter's name", figures, "end in _total", withFigures(pusherhub.Measure{Name: "calls", Help: "x", Counter: true})},
		{"no help", figures, "one sentence of help", withFigures(pusherhub.Measure{Name: "depth"})},
		{"no number", figures, "expected a finite number", withFigures(pusherhub.Measure{Name: "depth", Help: "x", Value: math.NaN()})},
		{"one figure twice", figures, "is there twice", withFigures(pusherhub.Measure{Name: "depth", Help: "x"}, pusherhub.Measure{Name: "depth", Help: "x"})},
		{"a counter that falls", figures, "has fallen from 5 to 0", func(chan struct{}) pusherhub.Plugin {
			p := &scripted{name: "p", measures: []pusherhub.Measure{{Name: "calls_total", Help: "x", Counter: true, Value: 5}}}
			p.attach = func(*pusherhub.App, pusherhub.Plugin) { p.measures[0].Value = 0 }
			return p
		}},
	} {
		t.Run(mistake.what, func(t *testing.T) {
			before := goroutines()
			until, patience := make(chan struct{}), Patience
			if strings.Contains(mistake.says, "does not return") {
				patience = 300 * time.Millisecond
			}
			found := verdictOn(t, mistake.check, patience, func(testing.TB) pusherhub.Plugin { return mistake.build(until) })
			close(until)
			if !mentions(found, mistake.says) {
				t.Errorf("found %.500q, expected something with %q", found, mistake.says)
			}
			if left := goroutinesSince(before, Patience); len(left) > 0 {
				t.Errorf("the test itself leaves goroutines: %q", left)
			}
		})
	}
}

// Who observes may stand still: sockets and publishers do not notice.
func TestStuckObserverStopsNoSocket(t *testing.T) {
	p := stuck{make(chan struct{})}
	s := newTrial(t, nil, Patience, Patience).stage()
	s.apply(with(p))
	for range 10 {
		s.traffic(with())
	}
	close(p.until)
	s.close()
}

func withFigures(list ...pusherhub.Measure) func(chan struct{}) pusherhub.Plugin {
	return func(chan struct{}) pusherhub.Plugin { return &scripted{name: "p", measures: list} }
}
