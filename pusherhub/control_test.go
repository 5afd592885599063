package pusherhub_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

func disconnect(t *testing.T, s *hubtest.Server, target pusherhub.Target, reconnect bool, want int) {
	t.Helper()
	if found, err := s.Hub.Disconnect(t.Context(), hubtest.AppID, target, reconnect); err != nil || found != want {
		t.Errorf("found %d sockets, %v, expected %d", found, err, want)
	}
}

func expectAskedBack(t *testing.T, c *hubtest.Client) {
	t.Helper()
	if text := c.ExpectError(4200); text != "The app asks you to reconnect." {
		t.Errorf("found %q", text)
	}
	c.ExpectClose(4200)
}

func TestDisconnect(t *testing.T) {
	s := newAddressedServer(t, pusherhub.AppConfig{})
	witness := from(t, s, "198.51.100.1")
	s.Signin(t, witness, `{"id":"8"}`)
	t.Run("a socket", func(t *testing.T) {
		c := from(t, s, "192.0.2.1")
		disconnect(t, s, pusherhub.Target{SocketID: c.SocketID}, false, 1)
		expectTerminated(t, c, 4009)
	})
	t.Run("a socket, to come back", func(t *testing.T) {
		c := from(t, s, "192.0.2.1")
		disconnect(t, s, pusherhub.Target{SocketID: c.SocketID}, true, 1)
		expectAskedBack(t, c)
	})
	t.Run("a user", func(t *testing.T) {
		signedIn, member := from(t, s, "192.0.2.1"), s.Join(t, "presence-x", `{"user_id":"7"}`)
		s.Signin(t, signedIn, `{"id":"7"}`)
		disconnect(t, s, pusherhub.Target{UserID: "7"}, true, 2)
		expectAskedBack(t, signedIn)
		expectAskedBack(t, member)
	})
	t.Run("an address", func(t *testing.T) {
		one, other := from(t, s, "192.0.2.1"), from(t, s, "192.0.2.2")
		disconnect(t, s, pusherhub.Target{IP: "192.0.2.1"}, false, 1)
		expectTerminated(t, one, 4009)
		disconnect(t, s, pusherhub.Target{IP: "192.0.2.0/24"}, false, 1)
		expectTerminated(t, other, 4009)
	})
	t.Run("nobody", func(t *testing.T) {
		for _, target := range []pusherhub.Target{{SocketID: "1.2"}, {UserID: "nobody"}, {IP: "203.0.113.1"}} {
			disconnect(t, s, target, false, 0)
		}
	})
	witness.ExpectQuiet()
	t.Run("refused", func(t *testing.T) {
		for words, target := range map[string]pusherhub.Target{
			"found none of socket_id, user and ip":              {},
			"found user and ip, expected only one of them":      {UserID: "7", IP: "192.0.2.1"},
			`socket_id: found "7", expected two numbers`:        {SocketID: "7"},
			`ip: found "192.0.2.1/99", expected an address`:     {IP: "192.0.2.1/99"},
			`ip: found "example.com", expected an address such`: {IP: "example.com"},
		} {
			_, err := s.Hub.Disconnect(t.Context(), hubtest.AppID, target, false)
			refusedWith(t, err, http.StatusBadRequest, words)
		}
		if _, err := s.Hub.Disconnect(t.Context(), "x", pusherhub.Target{UserID: "8"}, false); !errors.Is(err, pusherhub.ErrAppNotFound) {
			t.Errorf("found %v, expected ErrAppNotFound", err)
		}
		witness.ExpectQuiet()
	})
}

func TestDisconnectWithTerminateCode(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{TerminateCode: 4100, TerminateByPresence: new(false)})
	c, member := s.Dial(t), s.Join(t, "presence-x", `{"user_id":"7"}`)
	s.Signin(t, c, `{"id":"7"}`)
	disconnect(t, s, pusherhub.Target{UserID: "7"}, false, 1)
	expectTerminated(t, c, 4100)
	member.ExpectQuiet()
}

// cluster is a broker of two hubs: what one of them broadcasts reaches both.
type cluster struct {
	*pusherhub.MemoryBroker
	nodes *clusterNodes
}

type clusterNodes struct {
	mu  sync.Mutex
	all []pusherhub.Node // guarded by mu
}

func (c cluster) Open(ctx context.Context, node pusherhub.Node) error {
	c.nodes.mu.Lock()
	defer c.nodes.mu.Unlock()
	c.nodes.all = append(c.nodes.all, node)
	return c.MemoryBroker.Open(ctx, node)
}

func (c cluster) Broadcast(_ context.Context, command pusherhub.Command) error {
	c.nodes.mu.Lock()
	defer c.nodes.mu.Unlock()
	for _, node := range c.nodes.all {
		node.Execute(command)
	}
	return nil
}

func TestControlReachesOtherNodes(t *testing.T) {
	nodes := new(clusterNodes)
	var servers [2]*hubtest.Server
	for i := range servers {
		app, err := pusherhub.NewApp(hubtest.WithCredentials(pusherhub.AppConfig{}))
		if err != nil {
			t.Fatal(err)
		}
		servers[i] = hubtest.NewServerWith(t, pusherhub.Config{
			Apps: []*pusherhub.App{app}, Broker: cluster{pusherhub.NewMemoryBroker(), nodes},
		})
	}
	here, there := servers[0], servers[1]
	c := there.Join(t, "presence-x", `{"user_id":"7"}`)
	takeOut(t, here, pusherhub.Target{UserID: "7"}, "presence-x", 0)
	expectOusted(t, c, "presence-x")
	disconnect(t, here, pusherhub.Target{SocketID: c.SocketID}, true, 0)
	expectAskedBack(t, c)
}

func TestPublish(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{MaxEventData: 10})
	one, other := s.Dial(t), s.Dial(t)
	one.Subscribe("news")
	other.Subscribe("news")
	publish := func(e pusherhub.Event) error { return s.Hub.Publish(t.Context(), hubtest.AppID, e) }
	if err := publish(pusherhub.Event{Name: "e", Data: `{"é":1}`, Channels: []string{"news"}, SocketID: one.SocketID}); err != nil {
		t.Fatal(err)
	}
	other.ExpectRaw(`{"event":"e","channel":"news","data":"{\"é\":1}"}`)
	one.ExpectQuiet()
	for _, o := range []struct {
		event  pusherhub.Event
		status int
		words  string
	}{
		{pusherhub.Event{Data: "x", Channels: []string{"news"}}, 422, "The name field is required."},
		{pusherhub.Event{Name: "e", Data: "x"}, 422, "channels field is required"},
		{pusherhub.Event{Name: "e", Data: "x", Channels: []string{""}}, 422, "The channel name is empty."},
		{pusherhub.Event{Name: "e", Data: "x", Channels: []string{"news"}, SocketID: "x"}, 422, "two numbers joined by a dot"},
		{pusherhub.Event{Name: "e", Data: strings.Repeat("x", 11), Channels: []string{"news"}}, 413, "exceeds the allowed maximum (10 bytes)"},
	} {
		refusedWith(t, publish(o.event), o.status, o.words)
	}
	one.ExpectQuiet()
}

func TestPublishIsHooked(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{Plugins: []pusherhub.Plugin{censor{}}})
	c := s.Dial(t)
	c.Subscribe("news")
	err := s.Hub.Publish(t.Context(), hubtest.AppID, pusherhub.Event{Name: "bad", Data: "x", Channels: []string{"news"}})
	refusedWith(t, err, http.StatusForbidden, "Not here.")
	if err := s.Hub.Publish(t.Context(), hubtest.AppID, pusherhub.Event{Name: "good", Data: "x", Channels: []string{"news"}}); err != nil {
		t.Fatal(err)
	}
	c.ExpectRaw(`{"event":"good","channel":"news","data":"censored"}`)
	err = s.Hub.Publish(t.Context(), hubtest.AppID, pusherhub.Event{Name: "often", Data: "x", Channels: []string{"news"}})
	refusedWith(t, err, http.StatusTooManyRequests, "Slower, please.")
	if refused, _ := errors.AsType[*pusherhub.RequestError](err); refused == nil || refused.RetryAfter != 2*time.Second {
		t.Errorf("found %+v, expected to try again after 2 s", refused)
	}

	off := hubtest.NewServer(t, pusherhub.AppConfig{Enabled: new(false)})
	refusedWith(t, off.Hub.Publish(t.Context(), hubtest.AppID, pusherhub.Event{Name: "e", Channels: []string{"news"}}), http.StatusForbidden, "Application disabled")
}

// censor refuses events with a bad name and those that come often, and changes all others.
type censor struct{}

func (censor) Name() string { return "censor" }

func (censor) OnPublish(_ context.Context, r *pusherhub.PublishRequest) error {
	switch r.Event {
	case "bad":
		return &pusherhub.CloseError{Code: 4009, Reason: "Not here."}
	case "often":
		return &pusherhub.LimitError{Reason: "Slower, please.", RetryAfter: 1500 * time.Millisecond}
	}
	r.Data = "censored"
	return nil
}
