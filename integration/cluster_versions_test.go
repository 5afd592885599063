package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of what nodes send each other that this test needs to know. They never change.
const (
	wireVersion = 1
	wireKind    = 2
	wireOrigin  = 3
	wireNumber  = 4
	wirePayload = 8
)

// spy is somebody on the bus.
type spy interface {
	// hear returns the next thing that somebody sends: where, and what a node has made of it.
	hear() (where string, data []byte)

	// say sends something there; raw as it is, otherwise in the engine's own wrapping.
	say(where string, data []byte, raw bool)
}

// Nodes of two releases are in one cluster: what the older one does not understand, it skips or leaves alone, and counts.
func TestClusterOfTwoReleases(t *testing.T) {
	onEveryServerAtOnce(t, func(t *testing.T, e served) {
		c := startCluster(t, e, 2, defaultLease)
		crowd := newWatchers(t)
		a, b := crowd.at(c.nodes[0], "a").must("news"), crowd.at(c.nodes[1], "b").must("news")
		s := e.spy()
		p := newPublisher("p", c.nodes[0])
		if _, err := p.publish("news", ""); err != nil {
			t.Fatal(err)
		}
		where, genuine := s.hear()
		both := func(what string, done func(h history) bool) {
			t.Helper()
			for _, w := range []*watcher{a, b} {
				within(t, hubtest.Patience, what+" for "+w.name, func() bool { return done(w.of("news")) })
			}
		}
		both("the event", func(h history) bool { return h.next["p"] == 1 })
		next := 0
		later := func(change func(fields map[protowire.Number]any)) []byte {
			fields := map[protowire.Number]any{wireOrigin: "a-later-release", wireNumber: uint64(next + 1), wirePayload: fmt.Sprintf(`{"event":"n","channel":"news","data":"later:%d:"}`, next)}
			next++
			change(fields)
			return rewrite(genuine, fields)
		}

		// fields that are unknown, of all types
		s.say(where, later(func(f map[protowire.Number]any) {
			f[1000], f[1001] = uint64(7), "something new"
		}), false)
		both("a message with unknown fields", func(h history) bool { return h.next["later"] == 1 })

		before := []float64{c.nodes[0].figure("broker_ignored_total"), c.nodes[1].figure("broker_ignored_total")}
		s.say(where, later(func(f map[protowire.Number]any) { f[wireVersion] = uint64(2) }), false)
		s.say(where, later(func(f map[protowire.Number]any) { f[wireKind] = uint64(99) }), false)
		s.say(where, []byte("\x07nothing that anybody understands"), true)
		s.say(where, nil, true)
		for i, n := range c.nodes {
			within(t, hubtest.Patience, fmt.Sprintf("node %d counts what it has left alone", i), func() bool { return n.figure("broker_ignored_total") == before[i]+4 })
		}
		s.say(where, later(func(map[protowire.Number]any) {}), false)
		both("a message after all that", func(h history) bool { return h.next["later"] == next })
		for _, w := range []*watcher{a, b} {
			if h := w.of("news"); len(h.missed["later"]) != 2 || h.events != 3 {
				t.Errorf("%s: found %d events, without %v, expected the three that can be understood", w.name, h.events, h.missed["later"])
			}
		}
	})
}

// rewrite returns a message with other values of some fields, and all others as they are.
func rewrite(message []byte, fields map[protowire.Number]any) (out []byte) {
	put := func(number protowire.Number, value any) {
		switch v := value.(type) {
		case uint64:
			out = protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), v)
		case string:
			out = protowire.AppendString(protowire.AppendTag(out, number, protowire.BytesType), v)
		}
	}
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		size := n + max(protowire.ConsumeFieldValue(number, kind, message[n:]), 0)
		if value, found := fields[number]; found {
			put(number, value)
			delete(fields, number)
		} else {
			out = append(out, message[:size]...)
		}
		message = message[size:]
	}
	for number, value := range fields {
		put(number, value)
	}
	return out
}

// redisSpy hears everything that is published.
type redisSpy struct {
	ears, mouth *redisClient
}

func (s *redisServer) spy() spy {
	r := redisSpy{s.client(), s.client()}
	r.ears.do("PSUBSCRIBE", "*")
	return r
}

func (r redisSpy) hear() (where string, data []byte) {
	r.ears.t.Helper()
	_ = r.ears.SetReadDeadline(time.Now().Add(hubtest.Patience))
	for {
		// pmessage, the pattern, the channel, and what was published: a mark before a message
		said := r.ears.answer()
		if post, is := strings.CutPrefix(said[3], "\x01"); is && strings.Contains(post, "p:0:") {
			return said[2], []byte(post)
		}
	}
}

func (r redisSpy) say(where string, data []byte, raw bool) {
	r.mouth.t.Helper()
	text := "\x01" + string(data)
	if raw {
		text = string(data)
	}
	r.mouth.do("PUBLISH", where, text)
}

// natsSpy hears everything on the server.
type natsSpy struct {
	t    testing.TB
	conn *nats.Conn
	ears *nats.Subscription
}

// The fields of the frame around a message.
const (
	frameKind = 2
	frameBody = 3
)

func (s *natsServer) spy() spy {
	s.t.Helper()
	conn, err := nats.Connect("nats://127.0.0.1:"+strconv.Itoa(s.port), nats.UserInfo("hub", enginePassword))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	ears, err := conn.SubscribeSync(">")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		s.t.Fatal(err)
	}
	return &natsSpy{s.t, conn, ears}
}

func (n *natsSpy) hear() (where string, data []byte) {
	n.t.Helper()
	for {
		m, err := n.ears.NextMsg(hubtest.Patience)
		if err != nil {
			n.t.Fatal(err)
		}
		if !strings.Contains(string(m.Data), "p:0:") {
			continue
		}
		for rest := m.Data; len(rest) > 0; {
			number, kind, size := protowire.ConsumeTag(rest)
			if size < 0 {
				break
			}
			if number == frameBody {
				body, _ := protowire.ConsumeBytes(rest[size:])
				return m.Subject, body
			}
			rest = rest[size+max(protowire.ConsumeFieldValue(number, kind, rest[size:]), 0):]
		}
	}
}

func (n *natsSpy) say(where string, data []byte, raw bool) {
	n.t.Helper()
	if !raw {
		frame := protowire.AppendVarint(protowire.AppendTag(nil, wireVersion, protowire.VarintType), 1)
		frame = protowire.AppendVarint(protowire.AppendTag(frame, frameKind, protowire.VarintType), 1)
		data = protowire.AppendBytes(protowire.AppendTag(frame, frameBody, protowire.BytesType), data)
	}
	if err := n.conn.Publish(where, data); err != nil {
		n.t.Fatal(err)
	}
	if err := n.conn.Flush(); err != nil {
		n.t.Fatal(err)
	}
}
