package pusherhub_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Every socket that was ever established is open or has ended in one of the ways that are counted.
func TestStatsOfEndings(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	s.Dial(t).Close()

	s.DialRaw(t, "/app/"+s.App.Key+"?protocol=7").Expect("pusher:connection_established")
	lost := s.DialRaw(t, "/app/"+s.App.Key+"?protocol=7")
	lost.Expect("pusher:connection_established")
	_ = lost.Conn.Close()

	unmasked := s.DialRaw(t, "/app/"+s.App.Key+"?protocol=7")
	unmasked.Expect("pusher:connection_established")
	unmasked.Send("\x81\x00")
	unmasked.ExpectClose(1002)
	_ = unmasked.Conn.Close()

	signedIn := s.Dial(t)
	s.Signin(t, signedIn, `{"id":"7"}`)
	if status, answer, _ := s.Do("POST", "/users/7/terminate_connections", "{}", nil); status != 200 {
		t.Fatalf("found %d %s, expected 200", status, answer)
	}
	signedIn.ExpectError(4009)
	signedIn.ExpectClose(4009)

	hubtest.Open(t, s.URL, "unknown", "", nil).ExpectError(4001)

	hubtest.Eventually(t, "four sockets have ended", func() bool { return s.Hub.Stats().Connections == 1 })
	st := s.Hub.Stats()
	if want := (map[int]uint64{1002: 1, 4009: 1}); !maps.Equal(st.Closes, want) || st.ClientCloses != 1 || st.LostSockets != 1 {
		t.Errorf("found closes %v, %d by clients, %d lost, expected %v, 1 and 1", st.Closes, st.ClientCloses, st.LostSockets, want)
	}
	if st.ConnectionsTotal != 5 {
		t.Errorf("found %d sockets, expected 5", st.ConnectionsTotal)
	}
	if want := (map[int]uint64{4001: 1}); !maps.Equal(st.Refusals, want) || st.ConnectionsRefused != 1 {
		t.Errorf("found %d refused, %v, expected %v", st.ConnectionsRefused, st.Refusals, want)
	}
	if app := st.Apps[hubtest.AppID]; app.ConnectionsTotal != 5 || app.ConnectionsRefused != 0 {
		t.Errorf("the app has %d sockets and %d refused, expected 5, and nobody who came for no app", app.ConnectionsTotal, app.ConnectionsRefused)
	}
}

// One channel of each kind, and what its name has to begin with.
func TestStatsOfChannels(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	s.Signin(t, c, `{"id":"7"}`)
	want := map[string]int64{}
	for _, kind := range []string{"public", "cache", "private", "private-cache", "private-encrypted", "private-encrypted-cache", "presence", "presence-cache", "user"} {
		channel, data := kind+"-x", ""
		switch {
		case kind == "user":
			channel = "#server-to-user-7"
		case strings.HasPrefix(kind, "presence"):
			data = `{"user_id":"1"}`
		}
		c.Send(hubtest.SubscribeFrame(channel, s.Auth(c, channel, data), data))
		want[kind] = 1
	}
	c.Send(`{"event":"pusher:ping"}`)
	for f := c.Next(); f.Event != "pusher:pong"; f = c.Next() { // some have a cache miss, too
		if f.Event == "pusher:subscription_error" {
			t.Fatalf("found %s", f.Raw)
		}
	}
	count := func() map[string]int64 {
		byKind := map[string]int64{}
		for kind, n := range s.Hub.Stats().ChannelsByKind {
			byKind[kind.String()] = n
		}
		return byKind
	}
	if found := count(); !maps.Equal(found, want) {
		t.Errorf("found %v, expected %v", found, want)
	}
	if st := s.Hub.Stats(); st.Channels != 9 || st.Subscriptions != 9 || st.Apps[hubtest.AppID].Subscriptions != 9 {
		t.Errorf("found %d channels and %d subscriptions, of the app %d, expected 9 of each", st.Channels, st.Subscriptions, st.Apps[hubtest.AppID].Subscriptions)
	}
	c.Close()
	for kind := range want {
		want[kind] = 0
	}
	hubtest.Eventually(t, "no channel is left, and each kind is still named", func() bool { return maps.Equal(count(), want) })
}

// What goes through a hub is counted to the byte, where it comes and where it goes.
func TestStatsOfTraffic(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{ClientEventsOnPublic: new(true)})
	sender, reader := s.DialRaw(t, "/app/"+s.App.Key+"?protocol=7"), s.DialRaw(t, "/app/"+s.App.Key+"?protocol=7")
	greeted := 0
	for _, r := range []*hubtest.Raw{sender, reader} {
		greeted += wireSize(r.Expect("pusher:connection_established"))
		r.SendText(hubtest.SubscribeFrame("news", "", ""))
		greeted += wireSize(r.Expect("pusher_internal:subscription_succeeded"))
	}
	var before pusherhub.Stats // a client may read before the hub has counted
	hubtest.Eventually(t, "all is counted that was written", func() bool {
		before = s.Hub.Stats()
		return before.BytesSent == uint64(greeted)
	})

	message := hubtest.ClientFrame(textOp, []byte(`{"event":"client-x","channel":"news","data":"1"}`))
	ping := hubtest.ClientFrame(textOp, []byte(`{"event":"pusher:ping"}`))
	sender.Send(string(message) + string(ping))
	sent := wireSize(reader.Expect("client-x")) + wireSize(sender.Expect("pusher:pong"))
	s.Publish("news", "e", "1")
	for _, r := range []*hubtest.Raw{sender, reader} {
		sent += wireSize(r.Expect("e"))
	}
	var now pusherhub.Stats
	hubtest.Eventually(t, "all is counted", func() bool {
		now = s.Hub.Stats()
		return now.BytesSent-before.BytesSent == uint64(sent) && now.DeliveryLatency.Count == 2
	})
	for what, found := range map[string][2]uint64{
		"bytes received":    {now.BytesReceived - before.BytesReceived, uint64(len(message) + len(ping))},
		"messages received": {now.MessagesReceived - before.MessagesReceived, 2},
		"frames queued":     {now.FramesQueued - before.FramesQueued, 4},
		"events published":  {now.EventsPublished, 1},
		"client events":     {now.ClientEvents, 1},
	} {
		if found[0] != found[1] {
			t.Errorf("%s: found %d, expected %d", what, found[0], found[1])
		}
	}
}

// wireSize is the size of a frame from the server, with its header.
func wireSize(f hubtest.Frame) int {
	if len(f.Raw) > 125 {
		return 4 + len(f.Raw)
	}
	return 2 + len(f.Raw)
}

// Who was refused for a signature is counted by what the signature was for; an answer of the API also by its status.
func TestStatsOfRefusals(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	for range 2 {
		c.Send(hubtest.SubscribeFrame("private-x", "app-key:"+strings.Repeat("0", 64), ""))
		c.Expect("pusher:subscription_error")
		c.Expect("pusher:error")
	}
	c.Send(hubtest.EventFrame("pusher:signin", "", map[string]string{"auth": "app-key:00", "user_data": `{"id":"1"}`}))
	c.Expect("pusher:error")
	wrong := hubtest.At(t, s.URL, pusherhub.AppConfig{Secret: "another"})
	for range 3 {
		wrong.Do("POST", "/events", oneEvent, nil)
	}
	s.Do("POST", "/events", "{}", nil)
	st := s.Hub.Stats().Apps[hubtest.AppID]
	if want := (pusherhub.AuthFailures{API: 3, Subscriptions: 2, SignIns: 1}); st.AuthFailures != want {
		t.Errorf("found %+v, expected %+v", st.AuthFailures, want)
	}
	if want := (map[int]uint64{401: 3, 422: 1}); !maps.Equal(st.APIErrors, want) {
		t.Errorf("found %v, expected %v", st.APIErrors, want)
	}
}

// What an app has counted stays in the sums when the app goes.
func TestStatsKeepWhatIsGone(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	c := s.Dial(t)
	c.Subscribe("news")
	apply(t, s, pusherhub.Config{}, otherApp)
	c.ExpectError(4001)
	c.ExpectClose(4001)
	hubtest.Eventually(t, "the socket is gone", func() bool { return s.Hub.Stats().Connections == 0 })
	for range 2 { // the second one has added the app to those that are gone
		st := s.Hub.Stats()
		if st.ConnectionsTotal != 1 || st.Closes[4001] != 1 || st.MessagesReceived != 1 || st.Subscriptions != 0 || st.Channels != 0 {
			t.Errorf("found %+v, expected one socket that was closed with 4001", st.AppStats)
		}
		if _, there := st.Apps[hubtest.AppID]; there || len(st.Apps) != 1 {
			t.Errorf("found the apps %v, expected the other one only", st.Apps)
		}
	}
}

// Of each event that has subscribers one delivery is measured, however many they are; of each publish request one.
func TestStatsOfLatency(t *testing.T) {
	s := hubtest.NewServer(t, pusherhub.AppConfig{})
	var crowd []*hubtest.Client
	for range 3 {
		c := s.Dial(t)
		c.Subscribe("news")
		crowd = append(crowd, c)
	}
	const events = 5
	for range events {
		s.Publish("news", "e", "1")
	}
	s.Publish("cache-nobody-is-there", "e", "1") // goes through the outbox to be kept, and to nobody
	for _, c := range crowd {
		for range events {
			c.Expect("e")
		}
	}
	hubtest.Eventually(t, "all deliveries are measured", func() bool { return s.Hub.Stats().DeliveryLatency.Count >= events })
	st := s.Hub.Stats()
	if st.DeliveryLatency.Count != events || st.PublishLatency.Count != events+1 {
		t.Errorf("found %d deliveries and %d publishes, expected %d and %d", st.DeliveryLatency.Count, st.PublishLatency.Count, events, events+1)
	}
	for what, h := range map[string]pusherhub.Histogram{"delivery": st.DeliveryLatency, "publish": st.PublishLatency} {
		var sum uint64
		for _, n := range h.Buckets {
			sum += n
		}
		if sum != h.Count || h.Sum <= 0 || h.Sum > time.Minute {
			t.Errorf("%s: found %d in the buckets and %v in all, expected %d and a moment", what, sum, h.Sum, h.Count)
		}
	}
}

// counting is a plugin with figures of its own. Two of one name may have the same.
type counting struct {
	value float64
	asked *int
}

func (*counting) Name() string { return "counting" }

func (c *counting) Measures() []pusherhub.Measure {
	*c.asked++
	return []pusherhub.Measure{
		{Name: "things_total", Help: "Things.", Counter: true, Value: c.value},
		{Name: "weight", Help: "Weight.", App: hubtest.AppID, Value: c.value},
	}
}

// unmeasurable panics when it is asked.
type unmeasurable struct{}

func (unmeasurable) Name() string { return "unmeasurable" }

func (unmeasurable) Measures() []pusherhub.Measure { panic("out of order") }

// measuredSource is an app source, and measuredBroker a broker, with figures.
type measuredSource struct{ *pusherhub.StaticApps }

func (measuredSource) Measures() []pusherhub.Measure {
	return []pusherhub.Measure{{Name: "lookups_total", Counter: true, Value: 3}}
}

type measuredBroker struct {
	*pusherhub.MemoryBroker
	ready error
}

func (b *measuredBroker) Ready() error { return b.ready }

func (*measuredBroker) Measures() []pusherhub.Measure {
	return []pusherhub.Measure{{Name: "lag_seconds", Value: 0.5}}
}

// A plugin that serves two apps is asked once; two plugins of one name are added up; whoever panics is left out.
func TestStatsOfMeasurers(t *testing.T) {
	asked := 0
	shared, another := &counting{value: 2, asked: &asked}, &counting{value: 40, asked: &asked}
	var apps []*pusherhub.App
	for _, cfg := range []pusherhub.AppConfig{
		{ID: "a", Key: "ka", Secret: "s", Plugins: []pusherhub.Plugin{shared, unmeasurable{}}},
		{ID: "b", Key: "kb", Secret: "s", Plugins: []pusherhub.Plugin{shared, another}},
	} {
		app, err := pusherhub.NewApp(cfg)
		if err != nil {
			t.Fatal(err)
		}
		apps = append(apps, app)
	}
	listed, err := pusherhub.NewStaticApps()
	if err != nil {
		t.Fatal(err)
	}
	broker := &measuredBroker{MemoryBroker: pusherhub.NewMemoryBroker()}
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: apps, AppSource: measuredSource{listed}, Broker: broker})
	st := s.Hub.Stats()
	found := map[string]float64{}
	for _, m := range st.Measures {
		found[m.Of+"/"+m.Name+"/"+m.App] = m.Value
	}
	want := map[string]float64{
		"broker/lag_seconds/": 0.5, "apps/lookups_total/": 3,
		"counting/things_total/": 42, "counting/weight/" + hubtest.AppID: 42,
	}
	if !maps.Equal(found, want) || len(st.Measures) != len(want) {
		t.Errorf("found %v, expected %v", st.Measures, want)
	}
	if asked != 2 || st.PluginPanics != 1 {
		t.Errorf("two plugins were asked %d times, expected 2; found %d panics, expected 1", asked, st.PluginPanics)
	}
	if !st.BrokerReady {
		t.Error("the broker is not ready")
	}
	broker.ready = errors.New("alone")
	if s.Hub.Stats().BrokerReady {
		t.Error("the broker is ready, and says that it is not")
	}
}
