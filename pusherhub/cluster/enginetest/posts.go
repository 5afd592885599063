package enginetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/cluster"
)

func testSubscribe(t *testing.T, h Harness) {
	a, b := newNode(t, h, "a"), newNode(t, h, "b")
	a.send() // nothing to send is no error
	a.subscribe(cluster.Commands, channel("x"), channel("z"))
	b.subscribe(channel("y"), channel("z"))
	b.subscribe(channel("z")) // again is not twice
	for _, from := range []*node{a, b} {
		from.send(
			post(channel("x"), "x from "+from.id),
			post(channel("y"), "y from "+from.id),
			post(channel("nobody"), "nobody's"),
			post(pusherhub.Topic{App: "app"}, "the app's"),
			post(pusherhub.Topic{App: "app", UserID: "x"}, "a user's"),
			post(pusherhub.Topic{App: "other", Channel: "x"}, "another app's"),
			post(cluster.Commands, "command from "+from.id),
			post(channel("z"), "z from "+from.id),
		)
	}
	expectReceived(t, a, "x from a", "command from a", "z from a", "x from b", "command from b", "z from b")
	expectReceived(t, b, "y from a", "z from a", "y from b", "z from b")
}

// expectReceived expects what was received, in any order: there is one for each topic only.
func expectReceived(t *testing.T, n *node, expected ...string) {
	t.Helper()
	n.await("all posts", func() bool { return len(n.receivedSoFar()) >= len(expected) })
	found := n.receivedSoFar()
	slices.Sort(found)
	slices.Sort(expected)
	if !slices.Equal(found, expected) {
		t.Errorf("node %s: found %.60q received, expected %.60q", n.id, found, expected)
	}
}

func testOrder(t *testing.T, h Harness) {
	const batches, perBatch = 40, 25
	nodes := []*node{newNode(t, h, "a"), newNode(t, h, "b"), newNode(t, h, "c")}
	topics := []pusherhub.Topic{channel("x"), channel("y"), cluster.Commands}
	for _, n := range nodes {
		n.subscribe(topics...)
	}
	var senders sync.WaitGroup
	for _, n := range nodes {
		senders.Go(func() {
			for i := range batches {
				var posts []cluster.Post
				for j := range perBatch {
					for k, topic := range topics {
						posts = append(posts, post(topic, fmt.Sprintf("%s %d %d", n.id, k, i*perBatch+j)))
					}
				}
				n.send(posts...)
			}
		})
	}
	senders.Wait()
	for _, n := range nodes {
		n.send(post(topics[0], "end of 0"), post(topics[1], "end of 1"), post(topics[2], "end of 2"))
	}
	for _, n := range nodes {
		next := make(map[string]int)
		ends := 0
		n.await("all posts", func() bool {
			ends = 0
			for _, data := range n.receivedSoFar() {
				if strings.HasPrefix(data, "end") {
					ends++
				}
			}
			return ends == len(nodes)*len(topics)
		})
		for _, data := range n.receivedSoFar() {
			var from string
			var topic, number int
			if strings.HasPrefix(data, "end") {
				continue
			}
			if _, err := fmt.Sscan(data, &from, &topic, &number); err != nil {
				t.Fatalf("found %q received: %s", data, err)
			}
			line := fmt.Sprint(from, topic)
			if next[line] != number {
				t.Fatalf("node %s: found post %q, expected number %d", n.id, data, next[line])
			}
			next[line]++
		}
		for line, count := range next {
			if count != batches*perBatch {
				t.Errorf("node %s: found %d posts of %s, expected %d", n.id, count, line, batches*perBatch)
			}
		}
		if len(next) != len(nodes)*len(topics) {
			t.Errorf("node %s: found posts of %d senders and topics, expected %d", n.id, len(next), len(nodes)*len(topics))
		}
	}
}

func testLarge(t *testing.T, h Harness) {
	a, b := newNode(t, h, "a"), newNode(t, h, "b")
	b.subscribe(channel("x"))
	var posts []cluster.Post
	for i := range 10 {
		posts = append(posts, post(channel("x"), fmt.Sprint(i, strings.Repeat("\x00\xff\r\n", 1<<18))))
	}
	posts[8].Keep = inALongTime()
	a.send(posts...)
	received := b.awaitReceived(string(posts[9].Data))
	for i, data := range received {
		if data != string(posts[i].Data) {
			t.Errorf("found %d bytes %.20q received, expected %d bytes %.20q", len(data), data, len(posts[i].Data), posts[i].Data)
		}
	}
	if len(received) != len(posts) {
		t.Errorf("found %d posts, expected %d", len(received), len(posts))
	}
	if kept := b.read(channel("x"))[0].Kept; string(kept) != string(posts[8].Data) {
		t.Errorf("found %d bytes kept, expected %d", len(kept), len(posts[8].Data))
	}
}

func testUnsubscribe(t *testing.T, h Harness) {
	a, b := newNode(t, h, "a"), newNode(t, h, "b")
	b.subscribe(channel("x"), channel("y"))
	a.send(post(channel("x"), "before"))
	b.awaitReceived("before")
	b.engine.Unsubscribe([]pusherhub.Topic{channel("x"), channel("never")})
	b.await("that nothing is received any more", func() bool {
		a.send(post(channel("x"), "late"), post(channel("y"), "after"))
		all := b.awaitReceived("after")
		return len(all) > 1 && all[len(all)-2] != "late"
	})
	for i := range 50 { // the two are done in this order
		b.engine.Unsubscribe([]pusherhub.Topic{channel("y")})
		b.subscribe(channel("y"))
		a.send(post(channel("y"), fmt.Sprint(i)))
		b.awaitReceived(fmt.Sprint(i))
	}
}
