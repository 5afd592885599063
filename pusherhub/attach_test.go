package pusherhub_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// diary is what plugins of a test write down, all of them into one.
type diary struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (d *diary) write(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// expect waits until nothing moves any more, in a bubble, and takes what was written.
func (d *diary) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("found %q, expected %q", d.lines, want)
	}
	d.lines = nil
}

// expectAnyOrder is expect for what several goroutines write.
func (d *diary) expectAnyOrder(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	slices.Sort(d.lines)
	slices.Sort(want)
	d.expect(t, want...)
}

// lodger is a plugin that writes down when it comes and goes, and what it observes.
type lodger struct {
	diary *diary
	name  string
	self  string // tells lodgers of one name apart
}

func (l *lodger) Name() string { return l.name }

func (l *lodger) OnAttach(app *pusherhub.App, old pusherhub.Plugin) {
	before := "nobody"
	if old, ok := old.(*lodger); ok {
		before = old.self
	}
	l.diary.write("%s comes to %s after %s", l.self, app.ID(), before)
}

func (l *lodger) OnDetach(_ context.Context, app *pusherhub.App) {
	l.diary.write("%s leaves %s", l.self, app.ID())
}

func (l *lodger) Observe(o pusherhub.Observation) {
	if o.Type == pusherhub.ChannelOccupied || o.Type == pusherhub.ChannelVacated {
		l.diary.write("%s hears of %s %s", l.self, o.Channel, o.Type)
	}
}

func TestAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		with := func(selves ...string) (list []pusherhub.Plugin) {
			for _, self := range selves {
				list = append(list, &lodger{d, self[:1], self})
			}
			return list
		}
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: with("a1", "a2", "b1")})
		d.expect(t, "a1 comes to app-id after nobody", "a2 comes to app-id after nobody", "b1 comes to app-id after nobody")
		c := s.Dial(t)
		c.Subscribe("x")
		d.expectAnyOrder(t, "a1 hears of x channel_occupied", "a2 hears of x channel_occupied", "b1 hears of x channel_occupied")

		kept := with("c1")
		apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Plugins: append(with("a3"), kept...)})
		d.expectAnyOrder(t, "a3 comes to app-id after a1", "c1 comes to app-id after nobody", "a2 leaves app-id", "b1 leaves app-id")

		apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Plugins: kept})
		d.expectAnyOrder(t, "c1 comes to app-id after c1", "a3 leaves app-id")

		apply(t, s, pusherhub.Config{}, otherApp) // its app is gone: it stays until the last socket is
		c.ExpectClose(4001)
		d.expect(t, "c1 hears of x channel_vacated", "c1 leaves app-id")

		apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Plugins: with("a4")})
		s.Dial(t).Subscribe("y")
		d.expect(t, "a4 comes to app-id after nobody", "a4 hears of y channel_occupied")
		if err := s.Hub.Close(); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "a4 hears of y channel_vacated", "a4 leaves app-id")
	})
}

// slowLodger stands still in its first observation.
type slowLodger struct {
	lodger
	gate *gate
}

func (l *slowLodger) Observe(o pusherhub.Observation) {
	l.gate.Observe(o)
	l.lodger.Observe(o)
}

// Who takes another's place is told what that one has not been told yet, in order and not before that one is done.
func TestAttachTakesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := new(diary), newGate()
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{&slowLodger{lodger{d, "a", "a1"}, g}}})
		c := s.Dial(t)
		<-g.entered
		c.Subscribe("x")
		apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{&lodger{d, "a", "a2"}}})
		c.Subscribe("y")
		d.expect(t, "a1 comes to app-id after nobody", "a2 comes to app-id after nobody")
		close(g.open)
		d.expect(t, "a2 hears of x channel_occupied", "a2 hears of y channel_occupied")
	})
}

// stubborn is a plugin that ends only because it has to.
type stubborn struct{ ended chan error }

func (*stubborn) Name() string { return "stubborn" }

func (*stubborn) OnAttach(*pusherhub.App, pusherhub.Plugin) {}

func (p *stubborn) OnDetach(ctx context.Context, _ *pusherhub.App) {
	<-ctx.Done()
	p.ended <- ctx.Err()
}

// A reload does not wait for a plugin that is on its way out; the end of the hub does, for a while.
func TestDetachIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &stubborn{make(chan error, 2)}
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{p}})
		apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{})
		synctest.Wait()
		if len(p.ended) != 0 {
			t.Error("the plugin's time was over at once")
		}
		if err := s.Hub.Close(); err != nil {
			t.Fatal(err)
		}
		if len(p.ended) != 1 {
			t.Error("the hub did not wait for the plugin")
		}
	})
}

// clerk counts sockets, which it has to agree to.
type clerk struct {
	diary  *diary
	name   string
	refuse bool
}

func (c *clerk) Name() string { return c.name }

func (c *clerk) OnConnect(_ context.Context, r *pusherhub.ConnectRequest) error {
	if c.refuse {
		return &pusherhub.LimitError{Reason: "Full"}
	}
	c.diary.write("%s +%s", c.name, r.UserAgent)
	return nil
}

func (c *clerk) OnDisconnect(r *pusherhub.ConnectRequest) {
	c.diary.write("%s -%s", c.name, r.UserAgent)
}

func TestDisconnectHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		first, last := &clerk{d, "first", false}, &clerk{d, "last", false}
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{MaxConnections: 1, Plugins: []pusherhub.Plugin{first, last}})
		open := func(agent string) *rawClient {
			return openRaw(t, s, s.App.Key, "", map[string][]string{"User-Agent": {agent}})
		}
		c := open("a")
		c.expectEstablished()
		d.expect(t, "first +a", "last +a")

		open("b").expectRefusal(4004, "Application is over connection quota") // which all of them hear of
		d.expect(t, "first +b", "last +b", "first -b", "last -b")

		last.refuse = true
		open("c").expectRefusal(4100, "Full")
		d.expect(t, "first +c", "first -c")

		apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{first, &clerk{d, "new", false}}})
		if err := s.Hub.Close(); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "first -a", "new -a")
	})
}

// publisher is a plugin that publishes as its last deed.
type publisher struct {
	s      *hubtest.Server
	status int
}

func (*publisher) Name() string { return "publisher" }

func (*publisher) OnAttach(*pusherhub.App, pusherhub.Plugin) {}

func (p *publisher) OnDetach(context.Context, *pusherhub.App) {
	p.status, _, _ = p.s.Do("POST", "/events", `{"name":"e","data":"1","channel":"x"}`, nil)
}

// A hub that is drained has its plugins finish before its HTTP API ends, once the last socket is gone.
func TestFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		p := new(publisher)
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{&lodger{d, "a", "a1"}, p}})
		p.s = s
		s.Hub.Finish(t.Context()) // it does not drain yet
		c := s.Dial(t)
		c.Subscribe("x")
		d.expect(t, "a1 comes to app-id after nobody", "a1 hears of x channel_occupied")
		if err := s.Hub.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		finished := make(chan struct{})
		go func() {
			s.Hub.Finish(t.Context())
			close(finished)
		}()
		d.expect(t) // the client has not answered its close frame
		c.ExpectError(4200)
		c.ExpectClose(4200)
		<-finished
		d.expect(t, "a1 hears of x channel_vacated", "a1 leaves app-id")
		if p.status != 200 {
			t.Errorf("publishing at the end was answered with %d", p.status)
		}
		s.Publish("x", "e", "1") // which attaches nobody again
		if err := s.Hub.Close(); err != nil {
			t.Fatal(err)
		}
		d.expect(t)
	})
}
