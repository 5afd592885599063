package pusherhub_test

import (
	"errors"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// An app of a source is listed once it is used, and can be asked about before.
func TestListsOfSourceApps(t *testing.T) {
	source := new(database)
	source.set(appsOf(t, otherApp)[0], nil)
	s := hubtest.NewServerWith(t, pusherhub.Config{AppSource: source})
	listed := func() string {
		t.Helper()
		list, _, err := s.Hub.Apps(pusherhub.Page{})
		if err != nil {
			t.Fatal(err)
		}
		return names(list, func(a pusherhub.AppInfo) string { return a.ID })
	}
	if found := listed(); found != "" {
		t.Errorf("found %s before anybody came, expected none", found)
	}
	if app, err := s.Hub.App(t.Context(), "other"); err != nil || app.ID != "other" || !app.Enabled {
		t.Errorf("found %+v, %v", app, err)
	}
	if list, _, err := s.Hub.Connections(t.Context(), "other", pusherhub.ConnectionQuery{}); err != nil || len(list) != 0 {
		t.Errorf("found %+v, %v, expected no sockets", list, err)
	}
	if list, _, err := s.Hub.Channels(t.Context(), "other", pusherhub.ChannelQuery{}); err != nil || len(list) != 0 {
		t.Errorf("found %+v, %v, expected no channels", list, err)
	}
	if n, err := s.Hub.Disconnect(t.Context(), "other", pusherhub.Target{UserID: "7"}, false); err != nil || n != 0 {
		t.Errorf("found %d, %v, expected no sockets", n, err)
	}

	away := errors.New("no route to db.internal")
	source.set(nil, away)
	if _, err := s.Hub.App(t.Context(), "other"); !errors.Is(err, away) || errors.Is(err, pusherhub.ErrAppNotFound) {
		t.Errorf("found %v, expected %v", err, away)
	}

	source.set(appsOf(t, otherApp)[0], nil)
	c := hubtest.Dial(t, s.URL, "other-key", "")
	c.Subscribe("news")
	source.set(nil, away)
	if found := listed(); found != "other" {
		t.Errorf("found %q, expected the app that is in use", found)
	}
	if list, _, err := s.Hub.Connections(t.Context(), "other", pusherhub.ConnectionQuery{Channel: "news"}); err != nil || len(list) != 1 {
		t.Errorf("found %+v, %v, expected one socket while the source is away", list, err)
	}
	if err := s.Hub.Publish(t.Context(), "other", pusherhub.Event{Name: "e", Data: "1", Channels: []string{"news"}}); !errors.Is(err, away) {
		t.Errorf("found %v, expected %v", err, away)
	}
	source.set(appsOf(t, otherApp)[0], nil)
	if err := s.Hub.Publish(t.Context(), "other", pusherhub.Event{Name: "e", Data: "2", Channels: []string{"news"}}); err != nil {
		t.Error(err)
	}
	c.ExpectRaw(`{"event":"e","channel":"news","data":"2"}`)
}

func TestListsOfClosedHub(t *testing.T) {
	hub := pusherhub.New()
	if _, err := hub.App(t.Context(), "a"); !errors.Is(err, pusherhub.ErrAppNotFound) {
		t.Errorf("before Apply: found %v, expected ErrAppNotFound", err)
	}
	if list, _, err := hub.Apps(pusherhub.Page{}); err != nil || len(list) != 0 {
		t.Errorf("before Apply: found %+v, %v", list, err)
	}
	if err := hub.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.App(t.Context(), "a"); !errors.Is(err, pusherhub.ErrHubClosed) {
		t.Errorf("found %v, expected ErrHubClosed", err)
	}
	if err := hub.Publish(t.Context(), "a", pusherhub.Event{}); !errors.Is(err, pusherhub.ErrHubClosed) {
		t.Errorf("found %v, expected ErrHubClosed", err)
	}
}
