package pusherhub

import (
	"context"
	"slices"
	"testing"
	"time"
)

// bystander is a plugin with no hook.
type bystander struct{}

func (bystander) Name() string { return "bystander" }

// hooked is a plugin with every hook that is asked on the paths below. It lets everything pass.
type hooked struct{ bystander }

func (hooked) OnMessage(context.Context, *MessageRequest) error { return nil }

func (hooked) OnClientEvent(context.Context, *ClientEventRequest) error { return nil }

func (hooked) OnPublish(context.Context, *PublishRequest) error { return nil }

// onlooker is an observer who keeps up with everything.
type onlooker struct{ bystander }

func (onlooker) Observe(Observation) {}

// pluginPath is a way through the hub on which plugins are asked or told.
type pluginPath struct {
	name string

	// walk goes the way with a socket.
	walk func(c *conn)

	// questions are what is looked up on the way for plugins, and all that there is for an app without any.
	questions func(c *conn)
}

var pluginPaths = []pluginPath{
	{
		name: "publish",
		walk: func(c *conn) {
			events := []event{{name: "moved", data: position, channels: []string{"drivers"}}}
			if err := c.hub.publish(context.Background(), c.state, c.app(), "192.0.2.1", events); err != nil {
				panic(err)
			}
		},
		questions: func(c *conn) {
			_, refused := c.app().hooks.publish(context.Background(), c.hub, PublishRequest{App: c.state.id, Channel: "drivers", ClientIP: "192.0.2.1", Event: "moved", Data: position})
			if refused != nil || c.state.observed() {
				panic("refused or observed")
			}
		},
	},
	{
		name: "client event",
		walk: func(c *conn) { c.handle(clientMoved) },
		questions: func(c *conn) {
			admitted := c.admitted(len(clientMoved))
			c.state.awaitRoom()
			_, refused := c.app().hooks.clientEvent(c.hub, ClientEventRequest{App: c.state.id, SocketID: c.id, ClientIP: c.clientIP, Channel: "drivers", Event: "client-moved", Data: clientMoved})
			if !admitted || refused != nil || c.state.observed() {
				panic("refused or observed")
			}
		},
	},
	{
		name: "message",
		walk: func(c *conn) { c.handle(pongText) },
		questions: func(c *conn) {
			if !c.admitted(len(pongText)) {
				panic("refused")
			}
			c.state.awaitRoom()
		},
	},
}

var (
	clientMoved = []byte(`{"event":"client-moved","channel":"drivers","data":` + position + `}`)
	pongText    = []byte(`{"event":"pusher:pong","data":{}}`)
)

// What plugins cost, against the same path of an app without any in the same run: x-path is how many times as long it takes, and
// for the questions alone the part of it that they are.
func BenchmarkPlugins(b *testing.B) {
	socket := func(b *testing.B, plugins ...Plugin) *conn {
		return quietConn(b, AppConfig{ID: "i", Key: "k", Secret: "s", AcceptClientEventsFrom: "all", Plugins: plugins}, "1.2")
	}
	for _, path := range pluginPaths {
		b.Run(path.name, func(b *testing.B) {
			none := socket(b)
			base := func() { path.walk(none) }
			b.Run("no plugins", func(b *testing.B) { c := socket(b); compare(b, func() { path.walk(c) }, base) })
			b.Run("no plugins, the questions alone", func(b *testing.B) { compare(b, func() { path.questions(none) }, base) })
			for _, with := range []struct {
				name   string
				plugin Plugin
			}{{"a plugin without hooks", bystander{}}, {"one hook each", hooked{}}, {"an observer", onlooker{}}} {
				b.Run(with.name, func(b *testing.B) {
					c := socket(b, with.plugin)
					compare(b, func() { path.walk(c) }, base)
				})
			}
		})
	}
}

// compare runs two things in turns, so that both have the same share of whatever else the machine does, and looks at the median turn.
func compare(b *testing.B, what, base func()) {
	const turn = 100
	run := func(f func()) time.Duration {
		began := time.Now()
		for range turn {
			f()
		}
		return time.Since(began)
	}
	var took, baseTook []time.Duration
	for b.Loop() {
		took = append(took, run(what))
		baseTook = append(baseTook, run(base))
	}
	slices.Sort(took)
	slices.Sort(baseTook)
	median, baseMedian := float64(took[len(took)/2]), float64(baseTook[len(baseTook)/2])
	b.ReportMetric(median/turn, "ns/op")
	b.ReportMetric(median/baseMedian, "x-path")
	b.ReportMetric(testing.AllocsPerRun(1000, what), "heap-allocs/op")
}
