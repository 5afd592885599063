package pusherhub

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// position is what the hub is made for: a driver on a map.
const position = `{"driver":1234,"lat":52.520008,"lng":13.404954,"heading":271,"speed":13.9,"at":"2026-08-22T10:00:00Z"}`

func BenchmarkEncodeEvent(b *testing.B) {
	for _, data := range []struct{ name, text string }{{"position", position}, {"10KiB", strings.Repeat(position, 100)}} {
		b.Run(data.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data.text)))
			for b.Loop() {
				eventPayload("moved", "private-drivers.berlin", data.text)
			}
		})
	}
}

func BenchmarkFrame(b *testing.B) {
	payload := eventPayload("moved", "private-drivers.berlin", position)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		newFrame(payload)
	}
}

func BenchmarkDecodeClientMessage(b *testing.B) {
	for _, m := range []struct{ name, text string }{
		{"ping", `{"event":"pusher:ping","data":{}}`},
		{"subscribe", `{"event":"pusher:subscribe","data":{"auth":"278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4","channel":"private-foobar"}}`},
		{"client event", `{"event":"client-moved","channel":"private-drivers.berlin","data":` + position + `}`},
	} {
		text := []byte(m.text)
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := decodeClientMessage(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyRequest(b *testing.B) {
	app, err := NewApp(AppConfig{ID: "3", Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	for _, size := range []int{len(position), 10 << 10} {
		b.Run(strconv.Itoa(size)+" bytes", func(b *testing.B) {
			body := []byte(strings.Repeat("x", size))
			sum := md5.Sum(body)
			query := fmt.Sprintf("auth_key=%s&auth_timestamp=%d&auth_version=1.0&body_md5=%s", app.Key(), now.Unix(), hex.EncodeToString(sum[:]))
			query += "&auth_signature=" + sign(app.secrets[0], "POST\n/apps/3/events\n"+query)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, e := app.verifyRequest(http.MethodPost, []string{"/apps/3/events"}, query, body, now); e != nil {
					b.Fatal(e.text)
				}
			}
		})
	}
}

// crowd is a channel with n sockets that nobody reads from; drain empties their queues as flushers would.
type crowd struct {
	channel *channel
	deliver deliverer
	write   writer
}

func newCrowd(t testing.TB, n int) *crowd {
	first := quietConn(t, AppConfig{ID: "i", Key: "k", Secret: "s"}, "0.1")
	ch := newChannel(first.state, "drivers")
	for i := range n {
		c := &conn{hub: first.hub, state: first.state, id: fmt.Sprintf("%d.1", i+1), nc: first.nc}
		ch.add(&subscription{conn: c, channel: ch})
	}
	return &crowd{channel: ch}
}

// fanOut queues one event for each of the crowd and takes it out again, as flushers do.
func (c *crowd) fanOut(f *frame) {
	c.channel.accept(f, nil, len(f.wire), nil)
	c.handOut()
}

// handOut does that with what is in the outbox.
func (c *crowd) handOut() {
	until := c.channel.sweepUntil()
	for c.channel.serveGroup(&c.deliver) {
		for _, member := range c.deliver.ready {
			for member.queue.take(&c.write) {
				_ = c.write.size
			}
		}
	}
	c.channel.endSweep(until)
}

func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d subscribers", n), func(b *testing.B) {
			c := newCrowd(b, n)
			payload := eventPayload("moved", "drivers", position)
			b.ReportAllocs()
			for b.Loop() {
				c.fanOut(newFrame(payload))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/subscriber")
		})
	}
}

// What is done for every message and every subscriber allocates nothing, or next to nothing.
func TestHotPathAllocations(t *testing.T) {
	text := []byte(`{"event":"client-moved","channel":"drivers","data":{"lat":52.5}}`)
	if allocs := testing.AllocsPerRun(100, func() { _, _ = decodeClientMessage(text) }); allocs != 0 {
		t.Errorf("decoding a client message: found %v allocations, expected 0", allocs)
	}
	const n = 100
	c := newCrowd(t, n)
	f := newFrame(eventPayload("moved", "drivers", position))
	if allocs := testing.AllocsPerRun(100, func() { c.fanOut(f) }); allocs > 10 {
		t.Errorf("one event to %d subscribers: found %v allocations, expected a handful in all and none for each", n, allocs)
	}
}

// A burst of events to one channel reaches a subscriber in one frame's worth of writing, in order.
func TestBurstIsJoined(t *testing.T) {
	hub := New()
	state := &appState{hub: hub, id: "app"}
	app, err := NewApp(AppConfig{ID: "app", Key: "key", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	state.app.Store(app)
	ch := state.openChannel("drivers")
	var messages []*Message
	for range 3 {
		messages = append(messages, &Message{App: "app", Channel: "drivers"})
	}
	if found := state.burstChannel(messages); found != ch {
		t.Error("three messages to one channel are no burst")
	}
	if state.burstChannel(append(messages, &Message{Channel: "riders"})) != nil || state.burstChannel(messages[:1]) != nil {
		t.Error("messages to two channels, or one message, are a burst")
	}
	if first, second := ch.claim(), ch.claim(); !first || second {
		t.Error("the deliverer's place was not taken once")
	}
	f := newFrame([]byte("{}"))
	if first, second := ch.accept(f, nil, 0, nil), ch.accept(f, nil, 0, nil); first || second {
		t.Error("events of a claimed channel were to be delivered one by one")
	}
	if until := ch.sweepUntil(); until != 2 {
		t.Errorf("a sweep brings %d events, expected 2", until)
	}
	if more := ch.sweep(); more || ch.delivering {
		t.Error("the deliverer's place is not free again")
	}
}
