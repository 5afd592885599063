package hubtest

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// oddMessages are all that a message can be.
func oddMessages() []pusherhub.Message {
	return []pusherhub.Message{
		{App: "app", Channel: "c", Event: "e", Payload: []byte(`{"event":"e","channel":"c","data":"{\"a\":1}"}`)},
		{App: "app", Channel: "c", Event: `App\Events\É`, Payload: []byte("\u2028 \x00 \" \U0001F600 <&>")},
		{App: "app", Channel: "c", Event: "e", Payload: bytes.Repeat([]byte("0123456789abcdef"), 1<<16)}, // 1 MiB
		{App: "app", Channel: "c", Event: "client-x", Payload: []byte("x"), Except: "123456789.987654321"},
		{App: "app", Channel: "c", Event: "e", Payload: []byte("x"), Except: "not of this node"},
		{App: "app", Channel: "cache-c", Event: "e", Payload: []byte("x"), Cache: new("data \"\n")},
		{App: "app", Channel: "cache-c", Event: "e", Payload: []byte("x"), Cache: new("")}, // empty is not none
		{App: "app", Channel: "cache-c", Event: "e", Payload: []byte("x"), Cache: new("kept"), CacheUntil: time.Now().Add(time.Hour).UnixMilli()},
		{App: "app 2", Channel: "#server-to-user-é/7", Event: "e", Payload: []byte("x")},
		{App: "app", Channel: strings.Repeat("long", 50), Event: strings.Repeat("e", 200), Payload: []byte("x")},
	}
}

func testMessagesAsTheyAre(t *testing.T, b *openBroker) {
	for i, m := range oddMessages() {
		b.subscribe(m.App, m.Channel)
		b.publish(new(copyOf(&m)))
		if found := b.expect(i + 1)[i]; !reflect.DeepEqual(found, m) {
			t.Errorf("delivered %.300v, expected %.300v", found, m)
		}
	}
}

func testOrder(t *testing.T, b *openBroker) {
	b.subscribe("app", "c")
	const n = 1000
	for i := range n {
		b.publish(text("app", "c", fmt.Sprint(i)))
	}
	for i, m := range b.expect(n) {
		if string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, m.Payload)
		}
	}
}

func testOrderUnderLoad(t *testing.T, b *openBroker) {
	const publishers, channels, n = 4, 3, 100
	for c := range channels {
		b.subscribe("app", fmt.Sprint("c", c))
	}
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for i := range n {
				for c := range channels {
					b.publish(&pusherhub.Message{App: "app", Channel: fmt.Sprint("c", c), Event: fmt.Sprint("p", p), Payload: []byte(fmt.Sprint(i))})
				}
			}
		})
	}
	all.Wait()
	next := make(map[string]int)
	for _, m := range b.expect(publishers * channels * n) {
		line := m.Channel + " " + m.Event
		if string(m.Payload) != fmt.Sprint(next[line]) {
			t.Fatalf("%s: found message %s, expected %d", line, m.Payload, next[line])
		}
		next[line]++
	}
}

func testImmutable(t *testing.T, b *openBroker) {
	b.subscribe("app", "cache-c")
	published := make([]*pusherhub.Message, 100)
	for i := range published {
		published[i] = &pusherhub.Message{App: "app", Channel: "cache-c", Event: "e", Payload: []byte(fmt.Sprint("payload ", i)), Cache: new(fmt.Sprint("data ", i))}
		b.publish(published[i])
	}
	b.expect(len(published))
	for i, m := range published {
		if want := fmt.Sprint("payload ", i); string(m.Payload) != want || *m.Cache != fmt.Sprint("data ", i) {
			t.Fatalf("what was published as %q is %q now", want, m.Payload)
		}
	}
	b.node.mu.Lock()
	defer b.node.mu.Unlock()
	for _, d := range b.node.delivered { // a buffer that is used again would show here
		if !reflect.DeepEqual(*d.message, d.then) {
			t.Fatalf("what was delivered as %q is %q now", d.then.Payload, d.message.Payload)
		}
	}
}

func testSubscribe(t *testing.T, b *openBroker) {
	interest, ok := b.Broker.(pusherhub.InterestBroker)
	if !ok {
		return // it delivers everything
	}
	for i := range 50 { // nothing is lost, however soon it follows
		channel := fmt.Sprint("c", i%5)
		b.subscribe("app", channel)
		b.publish(text("app", channel, fmt.Sprint(i)))
		if m := b.expect(i + 1)[i]; m.Channel != channel || string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("delivered %s on %s, expected %d on %s", m.Payload, m.Channel, i, channel)
		}
		if err := interest.Unsubscribe("app", channel); err != nil {
			t.Fatalf("unsubscribing from %s: %v", channel, err)
		}
	}
}

func testUnsubscribe(t *testing.T, b *openBroker) {
	interest, ok := b.Broker.(pusherhub.InterestBroker)
	if !ok {
		return
	}
	for _, app := range []string{"app", "other"} {
		b.subscribe(app, "c")
		b.subscribe(app, "d")
	}
	if err := interest.Unsubscribe("app", "c"); err != nil {
		t.Fatalf("unsubscribing: %v", err)
	}
	for range 10 {
		b.publish(text("app", "c", "to nobody"))
	}
	b.publish(text("app", "d", "1"))
	b.publish(text("other", "c", "2"))
	b.publish(text("other", "d", "3"))
	b.expect(3)
	for _, m := range b.node.messages() {
		if m.App == "app" && m.Channel == "c" {
			t.Errorf("delivered %s, although nobody is subscribed", m.Payload)
		}
	}
}

func testConcurrency(t *testing.T, b *openBroker) {
	b.subscribe("app", "shared")
	const workers, n = 8, 50
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			own := fmt.Sprint("own", w)
			for i := range n {
				b.publish(text("app", "shared", fmt.Sprintf("%d/%d", w, i)))
				if err := b.Broadcast(context.Background(), pusherhub.Command{Name: "x", UserID: fmt.Sprintf("%d/%d", w, i)}); err != nil {
					t.Errorf("broadcasting: %v", err)
				}
				if interest, ok := b.Broker.(pusherhub.InterestBroker); ok {
					if err := interest.Subscribe("app", own); err != nil {
						t.Errorf("subscribing: %v", err)
					}
					if err := interest.Unsubscribe("app", own); err != nil {
						t.Errorf("unsubscribing: %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	seen := make(map[string]bool)
	for _, m := range b.expect(workers * n) {
		seen[string(m.Payload)] = true
	}
	if len(seen) != workers*n {
		t.Errorf("found %d different messages, expected %d", len(seen), workers*n)
	}
	Eventually(t, "all commands", func() bool { return len(b.node.commands()) >= workers*n })
	if found := len(b.node.commands()); found != workers*n {
		t.Errorf("found %d commands, expected %d", found, workers*n)
	}
}
