package pusherhub_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// watched is an app source that a test makes notice its changes.
type watched struct {
	database
	live  chan pusherhub.LiveApps
	ended chan struct{}
}

func newWatched(app *pusherhub.App) *watched {
	return &watched{database: database{app: app}, live: make(chan pusherhub.LiveApps, 1), ended: make(chan struct{})}
}

func (w *watched) Watch(ctx context.Context, live pusherhub.LiveApps) {
	w.live <- live
	<-ctx.Done()
	close(w.ended)
}

// become changes what the source says and notices it.
func (w *watched) become(t *testing.T, live pusherhub.LiveApps, app *pusherhub.App, err error) {
	t.Helper()
	w.mu.Lock()
	w.app, w.err = app, err
	w.mu.Unlock()
	live.Refresh(t.Context(), hubtest.AppID)
}

// Apps of a source are changed, disabled and removed while sockets are open.
func TestWatchedApps(t *testing.T) {
	first := mustApp(t, pusherhub.AppConfig{})
	source := newWatched(first)
	s := hubtest.NewServerWith(t, pusherhub.Config{AppSource: source})
	live := <-source.live
	if ids := live.IDs(); len(ids) != 0 {
		t.Errorf("found %q before anybody came", ids)
	}
	c := s.Dial(t)
	if ids := live.IDs(); !slices.Equal(ids, []string{hubtest.AppID}) {
		t.Errorf("found %q", ids)
	}

	source.become(t, live, mustApp(t, pusherhub.AppConfig{AcceptClientEventsFrom: "none"}), nil)
	c.Subscribe("x")
	c.Send(hubtest.EventFrame("client-x", "x", "1"))
	c.ExpectError(4301)

	source.become(t, live, nil, errors.New("away"))
	c.ExpectQuiet()

	source.become(t, live, mustApp(t, pusherhub.AppConfig{Enabled: new(false)}), nil)
	c.ExpectError(4003)
	c.ExpectClose(4003)

	source.become(t, live, first, nil)
	c = s.Dial(t)
	source.become(t, live, nil, nil)
	c.ExpectError(4001)
	c.ExpectClose(4001)
	if ids := live.IDs(); len(ids) != 0 {
		t.Errorf("found %q after the app was gone", ids)
	}

	other := newWatched(first)
	apply(t, s, pusherhub.Config{AppSource: other})
	<-source.ended
	c = s.Dial(t)
	source.become(t, live, mustApp(t, pusherhub.AppConfig{Enabled: new(false)}), nil) // it has no say any more
	source.become(t, live, nil, nil)
	c.ExpectQuiet()
	if err := s.Hub.Close(); err != nil {
		t.Fatal(err)
	}
	<-other.ended
}

// A new source that is applied decides about apps that the old one found.
func TestNewSourceDecides(t *testing.T) {
	s := hubtest.NewServerWith(t, pusherhub.Config{AppSource: &database{app: mustApp(t, pusherhub.AppConfig{})}})
	c := s.Dial(t)
	apply(t, s, pusherhub.Config{AppSource: &database{}})
	c.ExpectError(4001)
	c.ExpectClose(4001)
}

// A plugin of an app that a source finds is told when the app comes and goes.
func TestWatchedAppsAttach(t *testing.T) {
	d := new(diary)
	source := newWatched(nil)
	s := hubtest.NewServerWith(t, pusherhub.Config{AppSource: source})
	live := <-source.live
	source.become(t, live, mustApp(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{&lodger{d, "a", "a1"}}}), nil)
	source.become(t, live, mustApp(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{&lodger{d, "a", "a2"}}}), nil)
	source.become(t, live, nil, nil)
	if err := s.Hub.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a1 comes to app-id after nobody", "a2 comes to app-id after a1", "a2 leaves app-id"}; !slices.Equal(d.lines, want) {
		t.Errorf("found %q, expected %q", d.lines, want)
	}
}
