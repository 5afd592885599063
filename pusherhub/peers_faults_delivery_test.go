package pusherhub_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// Centrifuge: data to the wrong subscriber; soketi: one app's events in another's name. Two apps have channels of the same
// names, of every kind; sockets subscribe to some. Each socket gets exactly what was meant for it.
func TestPeersFaultsOfDelivery(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	m := newDeliveryMatrix(t)
	for range 8 {
		m.addSocket(0, random)
		m.addSocket(1, random)
	}
	for n := range 200 {
		if random.IntN(3) == 0 {
			m.whisper(n, random)
		} else {
			m.publish(n, random)
		}
	}
	m.check()
}

type deliveryMatrix struct {
	t        *testing.T
	apps     [2]*hubtest.Server // two views of one server
	channels []string
	sockets  []*matrixSocket
}

// matrixSocket is a socket with what it must have got: the data of its events by channel, in order.
type matrixSocket struct {
	*hubtest.Client
	app      int
	user     string
	on       []string
	expected map[string][]string
}

func newDeliveryMatrix(t *testing.T) *deliveryMatrix {
	t.Helper()
	var apps []*pusherhub.App
	var configs [2]pusherhub.AppConfig
	for i := range configs {
		configs[i] = pusherhub.AppConfig{ID: fmt.Sprint(i), Key: fmt.Sprintf("key-%d", i), Secret: fmt.Sprintf("secret-%d", i)}
		app, err := pusherhub.NewApp(configs[i])
		if err != nil {
			t.Fatal(err)
		}
		apps = append(apps, app)
	}
	s := hubtest.NewServerWith(t, pusherhub.Config{Apps: apps})
	other := *s
	s.App, other.App = configs[0], configs[1]
	return &deliveryMatrix{t: t, apps: [2]*hubtest.Server{s, &other}, channels: []string{
		"news", "newsletter", "new", "cache-news", "private-news", "private-cache-news", "private-encrypted-news",
		"presence-news", "presence-cache-news", "#server-to-user-ann", "#server-to-user-bob",
	}}
}

func (m *deliveryMatrix) addSocket(app int, random *rand.Rand) {
	s := m.apps[app]
	c := &matrixSocket{Client: s.Dial(m.t), app: app, user: []string{"ann", "bob"}[random.IntN(2)], expected: make(map[string][]string)}
	s.Signin(m.t, c.Client, `{"id":"`+c.user+`"}`)
	for _, channel := range m.channels {
		user, isUser := strings.CutPrefix(channel, "#server-to-user-")
		if random.IntN(2) == 0 || isUser && user != c.user {
			continue
		}
		member := ""
		if strings.HasPrefix(channel, "presence-") {
			member = `{"user_id":"` + c.user + `"}`
		}
		c.Send(hubtest.SubscribeFrame(channel, s.Auth(c.Client, channel, member), member))
		for c.Next().Event != "pusher_internal:subscription_succeeded" { // others may come in between
		}
		c.on = append(c.on, channel)
	}
	m.sockets = append(m.sockets, c)
}

// publish publishes to some channels of an app, sometimes not to one of its sockets, or to one that is another app's.
func (m *deliveryMatrix) publish(n int, random *rand.Rand) {
	m.t.Helper()
	app := random.IntN(2)
	var to []string
	for _, i := range random.Perm(len(m.channels))[:1+random.IntN(4)] {
		to = append(to, m.channels[i])
	}
	except := m.sockets[random.IntN(len(m.sockets))].SocketID
	if random.IntN(2) == 0 {
		except = "1.1"
	}
	body := fmt.Sprintf(`{"name":"e","channels":["%s"],"data":"%d","socket_id":"%s"}`, strings.Join(to, `","`), n, except)
	if status, answer, _ := m.apps[app].Do(http.MethodPost, "/events", body, nil); status != http.StatusOK {
		m.t.Fatalf("publishing: found %d %s", status, answer)
	}
	m.expect(app, to, except, fmt.Sprint(n))
}

// whisper sends a client event from a socket to one of its channels.
func (m *deliveryMatrix) whisper(n int, random *rand.Rand) {
	sender := m.sockets[random.IntN(len(m.sockets))]
	allowed := slices.DeleteFunc(slices.Clone(sender.on), func(channel string) bool {
		return strings.Contains(channel, "encrypted") || strings.HasPrefix(channel, "#")
	})
	if len(allowed) == 0 {
		return
	}
	channel := allowed[random.IntN(len(allowed))]
	sender.Send(fmt.Sprintf(`{"event":"client-e","channel":%q,"data":"%d"}`, channel, n))
	sender.Send(`{"event":"pusher:ping"}`)
	for f := sender.Next(); f.Event != "pusher:pong"; f = sender.Next() { // when it comes, the event has been accepted
		sender.note(m.t, f)
	}
	m.expect(sender.app, []string{channel}, sender.SocketID, fmt.Sprint(n))
}

func (m *deliveryMatrix) expect(app int, to []string, except, data string) {
	for _, c := range m.sockets {
		if c.app != app || c.SocketID == except {
			continue
		}
		for _, channel := range to {
			if slices.Contains(c.on, channel) {
				c.expected[channel] = append(c.expected[channel], data)
			}
		}
	}
}

// note checks one frame against what is expected of its channel.
func (c *matrixSocket) note(t *testing.T, f hubtest.Frame) {
	t.Helper()
	if strings.HasPrefix(f.Event, "pusher") {
		return
	}
	waiting := c.expected[f.Channel]
	if len(waiting) == 0 || waiting[0] != f.Text() {
		t.Fatalf("socket of user %s of app %d on %v: found %s, expected data %.3v", c.user, c.app, c.on, f.Raw, waiting)
	}
	c.expected[f.Channel] = waiting[1:]
}

// check publishes a last event to every channel and reads until it.
func (m *deliveryMatrix) check() {
	m.t.Helper()
	for app, s := range m.apps {
		for _, channel := range m.channels {
			s.Publish(channel, "e", "the end")
			m.expect(app, []string{channel}, "", "the end")
		}
	}
	for _, c := range m.sockets {
		for left := len(c.on); left > 0; {
			f := c.Next()
			c.note(m.t, f)
			if f.Text() == "the end" {
				left--
			}
		}
		c.ExpectQuiet()
		for channel := range maps.Keys(c.expected) {
			if len(c.expected[channel]) > 0 {
				m.t.Errorf("%s: %v did not come", channel, c.expected[channel])
			}
		}
	}
}
