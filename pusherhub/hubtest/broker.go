package hubtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// TestBroker checks that a broker keeps what [pusherhub.Broker] promises to a hub, and what
// [pusherhub.InterestBroker] promises if it is one. open returns a broker that is not opened yet, a
// new one for each call; brokers of different calls must not hear each other. Call it from a test of the broker's package and
// run that with -race:
//
//	func TestBroker(t *testing.T) {
//		hubtest.TestBroker(t, func(t *testing.T) pusherhub.Broker { return mybroker.New() })
//	}
//
// The suite closes the brokers. It waits up to [Patience] for what must come.
func TestBroker(t *testing.T, open func(t *testing.T) pusherhub.Broker) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *openBroker)
	}{
		{"Publish delivers on this node, once", testDelivery},
		{"Publish delivers everything in a message as it is", testMessagesAsTheyAre},
		{"Publish keeps the order of a channel", testOrder},
		{"Publish keeps the order of each publisher and channel under load", testOrderUnderLoad},
		{"messages are not changed after they were delivered", testImmutable},
		{"Broadcast executes on this node, once", testBroadcast},
		{"Subscribe holds for what is published from then on", testSubscribe},
		{"Unsubscribe ends the deliveries of that channel alone", testUnsubscribe},
		{"all methods may be called at once", testConcurrency},
		{"Close waits for calls of the node", testCloseWaits},
		{"Close ends the calls of the node", testCloseEnds},
		{"closed brokers answer ErrBrokerClosed", testClosed},
		{"Close again does nothing", testCloseAgain},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &openBroker{Broker: open(t), node: &recordingNode{}, t: t}
			if err := b.Open(context.Background(), b.node); err != nil {
				t.Fatalf("opening the broker: %v", err)
			}
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("closing the broker: %v", err)
				}
			})
			test.run(t, b)
		})
	}
}

// recordingNode stands for a hub.
type recordingNode struct {
	mu        sync.Mutex
	delivered []delivery          // guarded by mu
	executed  []pusherhub.Command // guarded by mu

	onDeliver func() // called first, with no lock held; set before the broker is used
}

// delivery is a message as it came and a copy of what was in it then.
type delivery struct {
	message *pusherhub.Message
	then    pusherhub.Message
}

func (n *recordingNode) Deliver(m *pusherhub.Message) {
	if n.onDeliver != nil {
		n.onDeliver()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delivered = append(n.delivered, delivery{m, copyOf(m)})
}

func (n *recordingNode) Execute(c pusherhub.Command) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.executed = append(n.executed, c)
}

func (n *recordingNode) Roster(pusherhub.Roster) {}

func (n *recordingNode) Report(pusherhub.Transition) {}

func (n *recordingNode) Reports() bool { return true }

// messages returns copies of what was delivered.
func (n *recordingNode) messages() (list []pusherhub.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.delivered {
		list = append(list, d.then)
	}
	return list
}

func (n *recordingNode) commands() []pusherhub.Command {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]pusherhub.Command(nil), n.executed...)
}

// copyOf copies a message with all that it points to.
func copyOf(m *pusherhub.Message) pusherhub.Message {
	c := *m
	c.Payload = append([]byte(nil), m.Payload...)
	if m.Cache != nil {
		c.Cache = new(*m.Cache)
	}
	return c
}

// openBroker is the broker under test with its node.
type openBroker struct {
	pusherhub.Broker
	node *recordingNode
	t    *testing.T
}

// subscribe says that the node has subscribers of the channel, if the broker wants to know.
func (b *openBroker) subscribe(app, channel string) {
	b.t.Helper()
	if i, ok := b.Broker.(pusherhub.InterestBroker); ok {
		if err := i.Subscribe(app, channel); err != nil {
			b.t.Fatalf("subscribing to %s: %v", channel, err)
		}
	}
}

func (b *openBroker) publish(m *pusherhub.Message) {
	b.t.Helper()
	if err := b.Publish(context.Background(), m); err != nil {
		b.t.Errorf("publishing %s: %v", m.Payload, err)
	}
}

// expect waits for n messages and returns them. More are an error.
func (b *openBroker) expect(n int) []pusherhub.Message {
	b.t.Helper()
	Eventually(b.t, fmt.Sprintf("%d messages", n), func() bool { return len(b.node.messages()) >= n })
	list := b.node.messages()
	if len(list) > n {
		b.t.Fatalf("found %d messages, expected %d", len(list), n)
	}
	return list
}

// text is a message that differs from others in its payload.
func text(app, channel, payload string) *pusherhub.Message {
	return &pusherhub.Message{App: app, Channel: channel, Event: "e", Payload: []byte(payload)}
}

func testDelivery(t *testing.T, b *openBroker) {
	b.subscribe("app", "c")
	for i := range 10 {
		b.publish(text("app", "c", fmt.Sprint(i)))
		b.expect(i + 1)
	}
}

func testBroadcast(t *testing.T, b *openBroker) {
	want := []pusherhub.Command{
		{Name: pusherhub.CommandTerminate, App: "app", UserID: "7"},
		{Name: pusherhub.CommandTerminate, App: "app 2", UserID: "é/\"<\n"},
		{Name: pusherhub.CommandDisconnect, App: "app", SocketID: "1.2", Reconnect: true},
		{Name: pusherhub.CommandDisconnect, App: "app", IP: "2001:db8::/32"},
		{Name: pusherhub.CommandUnsubscribe, App: "app", UserID: "7", Channel: "presence-é/\"<\n"},
		{Name: "a command of a later version", App: "app"},
	}
	for i, c := range want {
		if err := b.Broadcast(context.Background(), c); err != nil {
			t.Fatalf("broadcasting %+v: %v", c, err)
		}
		Eventually(t, "a command", func() bool { return len(b.node.commands()) > i })
	}
	if found := b.node.commands(); !reflect.DeepEqual(found, want) {
		t.Errorf("executed %+v, expected %+v", found, want)
	}
}

func testClosed(t *testing.T, b *openBroker) {
	b.subscribe("app", "c")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(context.Background(), text("app", "c", "late")); !errors.Is(err, pusherhub.ErrBrokerClosed) {
		t.Errorf("Publish: found %v, expected ErrBrokerClosed", err)
	}
	if err := b.Broadcast(context.Background(), pusherhub.Command{Name: "x"}); !errors.Is(err, pusherhub.ErrBrokerClosed) {
		t.Errorf("Broadcast: found %v, expected ErrBrokerClosed", err)
	}
	if n := len(b.node.messages()) + len(b.node.commands()); n != 0 {
		t.Errorf("found %d calls of the node, expected none", n)
	}
}

func testCloseAgain(t *testing.T, b *openBroker) {
	for range 2 { // the clean-up is the third
		if err := b.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
}

// glance is how long a test looks at what must not happen, where no event says that it will not.
const glance = 20 * time.Millisecond

func testCloseWaits(t *testing.T, b *openBroker) {
	entered, open := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.node.onDeliver = func() {
		once.Do(func() { close(entered) })
		<-open
	}
	b.subscribe("app", "c")
	published, closed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(published)
		b.publish(text("app", "c", "slow"))
	}()
	select {
	case <-entered:
	case <-time.After(Patience):
		t.Fatal("the message was not delivered")
	}
	go func() {
		defer close(closed)
		_ = b.Close()
	}()
	select {
	case <-closed:
		t.Error("Close returned during a call of the node")
	case <-time.After(glance):
	}
	close(open)
	for what, done := range map[string]chan struct{}{"Publish": published, "Close": closed} {
		select {
		case <-done:
		case <-time.After(Patience):
			t.Errorf("%s does not return", what)
		}
	}
}

func testCloseEnds(t *testing.T, b *openBroker) {
	var closed, late atomic.Bool
	b.node.onDeliver = func() {
		if closed.Load() {
			late.Store(true)
		}
	}
	b.subscribe("app", "c")
	var publishers sync.WaitGroup
	for range 4 {
		publishers.Go(func() {
			for {
				over := closed.Load()
				err := b.Publish(context.Background(), text("app", "c", "x"))
				if err == nil && !over {
					continue
				}
				if !errors.Is(err, pusherhub.ErrBrokerClosed) {
					t.Errorf("publishing during and after Close: found %v, expected ErrBrokerClosed", err)
				}
				return
			}
		})
	}
	Eventually(t, "deliveries", func() bool { return len(b.node.messages()) > 100 })
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	closed.Store(true)
	publishers.Wait()
	if late.Load() {
		t.Error("the node was called after Close had returned")
	}
}
