package hubtest

import (
	"context"
	"fmt"

	"github.com/onecharge/pusherhub/pusherhub"
)

// What a hub does with its broker, as a witness does it.

// channel is a channel of the app that the suite uses.
func channel(name string) pusherhub.Topic { return pusherhub.Topic{App: "app", Channel: name} }

// subscribe has the node hear of channels.
func (w *witness) subscribe(topics ...pusherhub.Topic) {
	w.x.Helper()
	for _, t := range topics {
		w.mu.Lock()
		w.interests[t] = true
		w.views[t] = new(view)
		w.mu.Unlock()
		w.x.within("Subscribe", func() {
			if err := w.Subscribe(t.App, t.Channel); err != nil {
				w.x.Errorf("%s subscribes to %s: %v", w.name, t.Channel, err)
			}
		})
	}
}

// unsubscribe ends that.
func (w *witness) unsubscribe(t pusherhub.Topic) {
	w.x.Helper()
	w.x.within("Unsubscribe", func() {
		if err := w.Unsubscribe(t.App, t.Channel); err != nil {
			w.x.Errorf("%s unsubscribes from %s: %v", w.name, t.Channel, err)
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.interests, t)
	delete(w.views, t)
}

// follow has the node told of topics that are no channels.
func (w *witness) follow(topics ...pusherhub.Topic) {
	w.x.Helper()
	w.mu.Lock()
	for _, t := range topics {
		if w.views[t] == nil {
			w.views[t] = new(view)
		}
	}
	w.mu.Unlock()
	w.x.within("Follow", func() { w.Follow(topics...) })
}

// hold says how much the node has of a topic, under a lock that the node's methods take, as a hub does.
func (w *witness) hold(t pusherhub.Topic, count int) {
	w.x.Helper()
	w.locked("Hold", func() { w.Hold(t, count) })
}

// enter says that the node has a member.
func (w *witness) enter(t pusherhub.Topic, m pusherhub.Member) {
	w.x.Helper()
	w.locked("Join", func() { w.Join(t, m) })
}

// quit says that the node has a member no more.
func (w *witness) quit(t pusherhub.Topic, userID string) {
	w.x.Helper()
	w.locked("Leave", func() { w.Leave(t, userID) })
}

func (w *witness) locked(what string, f func()) {
	w.x.Helper()
	w.x.within(what+", while the node cannot be called,", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		f()
	})
}

// settle waits until everybody knows and has reported what the nodes hold.
func (x *crew) settle(nodes ...*witness) {
	x.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), x.patience)
	defer cancel()
	for _, w := range nodes {
		if err := w.Settle(ctx); err != nil {
			x.Fatalf("%s does not settle: %v", w.name, err)
		}
	}
}

// publish publishes a message on the node.
func (w *witness) publish(m *pusherhub.Message) {
	w.x.Helper()
	w.x.within("Publish", func() {
		if err := w.Publish(context.Background(), m); err != nil {
			w.x.Errorf("%s publishes %.100q: %v", w.name, m.Payload, err)
		}
	})
}

// say publishes a text in the node's name.
func (w *witness) say(t pusherhub.Topic, payload any) {
	w.x.Helper()
	w.publish(&pusherhub.Message{App: t.App, Channel: t.Channel, Event: w.name, Payload: fmt.Append(nil, payload)})
}

// messages returns copies of what was delivered.
func (w *witness) messages() (list []pusherhub.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.delivered {
		list = append(list, d.then)
	}
	return list
}

// heard returns what was delivered of a topic that a node has published, in order.
func (w *witness) heard(t pusherhub.Topic, from *witness) (list []string) {
	for _, m := range w.messages() {
		if m.App == t.App && m.Channel == t.Channel && m.Event == from.name {
			list = append(list, string(m.Payload))
		}
	}
	return list
}

func (w *witness) commands() []pusherhub.Command {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]pusherhub.Command(nil), w.executed...)
}
