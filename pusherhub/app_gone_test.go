package pusherhub_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// slowSource is an app source that finds its app when it is told to.
type slowSource struct {
	pusherhub.AppSource
	asked, answer chan struct{}
}

func (s *slowSource) AppByKey(ctx context.Context, key string) (*pusherhub.App, error) {
	close(s.asked)
	<-s.answer
	return s.AppSource.AppByKey(ctx, key)
}

// A handshake that began before its app was gone does not bring the app back.
func TestHandshakeOutlivesItsApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		found := &database{app: mustApp(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{&lodger{d, "a", "a1"}}})}
		source := &slowSource{found, make(chan struct{}), make(chan struct{})}
		s := hubtest.NewPipeServerWith(t, pusherhub.Config{AppSource: source})
		late := make(chan *hubtest.Client)
		go func() { late <- s.Open(t, "app-key", "protocol=7", nil) }()
		<-source.asked
		apply(t, s, pusherhub.Config{}, otherApp)
		close(source.answer)
		c := <-late
		c.Expect("pusher:connection_established")
		c.ExpectError(4200) // and the settings of now decide
		c.ExpectClose(4200)
		d.expect(t)
		if apps, _, err := s.Hub.Apps(pusherhub.Page{}); err != nil || len(apps) != 1 || apps[0].ID != "other" {
			t.Errorf("found %+v, %v, expected the other app alone", apps, err)
		}
		if n := s.Hub.Stats().Connections; n != 0 {
			t.Errorf("found %d connections", n)
		}
	})
}

// goneError is the error of a source that says that an app is gone while other settings are applied.
type goneError struct{ apply func() }

func (goneError) Error() string { return "gone" }

func (e goneError) Is(target error) bool {
	if target == pusherhub.ErrAppNotFound {
		e.apply()
		return true
	}
	return false
}

// A source that is replaced in this moment removes no app of the new settings.
func TestReplacedSourceRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		source := newWatched(nil)
		s := hubtest.NewPipeServerWith(t, pusherhub.Config{AppSource: source})
		live := <-source.live
		source.become(t, live, nil, goneError{sync.OnceFunc(func() {
			apply(t, s, pusherhub.Config{}, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{&lodger{d, "a", "a1"}}})
		})})
		d.expect(t, "a1 comes to app-id after nobody")
	})
}

// blinking is an app source whose app is there every other time.
type blinking struct {
	watched
	mu    sync.Mutex
	there bool
}

func (b *blinking) AppByID(context.Context, string) (*pusherhub.App, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.there = !b.there; b.there {
		return b.app, nil
	}
	return nil, pusherhub.ErrAppNotFound
}

// Several may refresh one app at once.
func TestRefreshTogether(t *testing.T) {
	source := &blinking{watched: *newWatched(mustApp(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{new(balance)}}))}
	s := hubtest.NewServerWith(t, pusherhub.Config{AppSource: source})
	live := <-source.live
	var together sync.WaitGroup
	for range 4 {
		together.Go(func() {
			for range 5000 {
				live.Refresh(t.Context(), hubtest.AppID)
			}
		})
	}
	together.Wait()
	if err := s.Hub.Close(); err != nil {
		t.Fatal(err)
	}
	p := source.app.Config().Plugins[0].(*balance)
	if p.attached != 0 {
		t.Errorf("found %d more attached than detached", p.attached)
	}
}

// balance counts for how many apps it works.
type balance struct {
	mu       sync.Mutex
	attached int // guarded by mu
}

func (*balance) Name() string { return "balance" }

func (b *balance) OnAttach(_ *pusherhub.App, old pusherhub.Plugin) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old == nil {
		b.attached++
	}
}

func (b *balance) OnDetach(context.Context, *pusherhub.App) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attached--
}

// An app that comes back while sockets of its are still closing keeps its plugins. They hear of the end of those sockets, and do not leave with them.
func TestAppComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		app := pusherhub.AppConfig{Plugins: []pusherhub.Plugin{&lodger{d, "a", "a1"}, &clerk{d, "first", false}}}
		s := hubtest.NewPipeServer(t, app)
		open := func(agent string) *rawClient {
			c := openRaw(t, s, s.App.Key, "", map[string][]string{"User-Agent": {agent}})
			c.expectEstablished()
			return c
		}
		open("b")
		c := s.Dial(t)
		c.Subscribe("x")
		d.expect(t, "a1 comes to app-id after nobody", "first +b", "first +", "a1 hears of x channel_occupied")

		apply(t, s, pusherhub.Config{}, otherApp)
		app.Plugins[1] = &clerk{d, "second", false}
		apply(t, s, pusherhub.Config{}, app)
		d.expect(t, "a1 comes to app-id after a1")
		c.ExpectError(4001)
		c.ExpectClose(4001)
		d.expectAnyOrder(t, "a1 hears of x channel_vacated", "second -")
		<-time.After(time.Minute)
		d.expect(t, "second -b")

		s.Dial(t).Subscribe("y")
		d.expect(t, "second +", "a1 hears of y channel_occupied")
		apply(t, s, pusherhub.Config{}, otherApp)
		<-time.After(time.Minute)
		d.expectAnyOrder(t, "a1 hears of y channel_vacated", "second -", "a1 leaves app-id")
		apply(t, s, pusherhub.Config{}, app) // too late to stay
		d.expect(t, "a1 comes to app-id after nobody")
	})
}
