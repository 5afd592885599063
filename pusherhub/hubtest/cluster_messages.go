package hubtest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/onecharge/pusherhub/pusherhub"
)

// numbers are the texts of 0 to n-1.
func numbers(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i)
	}
	return list
}

// expectHeard waits until a node got as many messages of another as are expected, which must be these.
func (w *witness) expectHeard(t pusherhub.Topic, from *witness, want []string) {
	w.x.Helper()
	var found []string
	w.x.eventuallyOr(w.name+" hears "+from.name, func() bool {
		found = w.heard(t, from)
		return len(found) >= len(want)
	}, func() string {
		return fmt.Sprintf("%s got %d messages on %s from %s, expected %d", w.name, len(found), t.Channel, from.name, len(want))
	})
	if !slices.Equal(found, want) {
		w.x.Fatalf("%s got %.300q on %s from %s, expected %.300q", w.name, found, t.Channel, from.name, want)
	}
}

func checkReach(x *crew) {
	nodes := x.enlist(3)
	c, d := channel("c"), channel("d")
	for _, w := range nodes[:2] { // the third is subscribed to something else and says so if it gets more
		w.subscribe(c)
	}
	nodes[2].subscribe(d)
	const rounds = 20
	for i := range rounds {
		for _, from := range nodes {
			from.say(c, i)
		}
	}
	for _, from := range nodes {
		from.say(d, 0) // comes after what should not come
		nodes[2].expectHeard(d, from, numbers(1))
		for _, w := range nodes[:2] {
			w.expectHeard(c, from, numbers(rounds))
		}
	}
}

func checkCrossing(x *crew) {
	nodes := x.enlist(2)
	from, to := nodes[0], nodes[1]
	for i, m := range oddMessages() {
		for _, w := range nodes {
			w.subscribe(pusherhub.Topic{App: m.App, Channel: m.Channel})
		}
		from.publish(new(copyOf(&m)))
		for _, w := range []*witness{from, to} {
			x.eventually(fmt.Sprintf("%s gets message %d", w.name, i), func() bool { return len(w.messages()) > i })
			if found := w.messages()[i]; !reflect.DeepEqual(found, m) {
				x.Errorf("%s got %.300v, expected %.300v", w.name, found, m)
			}
		}
	}
}

func checkCrossOrder(x *crew) {
	nodes := x.enlist(3)
	topics := []pusherhub.Topic{channel("a"), channel("b"), channel("cache-c")}
	for _, w := range nodes {
		w.subscribe(topics...)
	}
	const n = 150
	var all sync.WaitGroup
	for _, w := range nodes {
		all.Go(func() {
			for i := range n {
				for _, t := range topics {
					m := &pusherhub.Message{App: t.App, Channel: t.Channel, Event: w.name, Payload: fmt.Append(nil, i)}
					if err := w.Publish(context.Background(), m); err != nil {
						x.Errorf("%s publishes: %v", w.name, err)
					}
				}
			}
		})
	}
	x.within("publishing", all.Wait)
	for _, w := range nodes {
		for _, from := range nodes {
			for _, t := range topics {
				w.expectHeard(t, from, numbers(n))
			}
		}
	}
}

func checkCommands(x *crew) {
	nodes := x.enlist(3)
	var want []pusherhub.Command
	for i, c := range []pusherhub.Command{
		{Name: pusherhub.CommandTerminate, App: "app", UserID: "é/\"<\n"},
		{Name: pusherhub.CommandDisconnect, App: "app", SocketID: "1.2", Reconnect: true},
		{Name: pusherhub.CommandDisconnect, App: "app", IP: "2001:db8::/32"},
		{Name: pusherhub.CommandUnsubscribe, App: "app", UserID: "7", Channel: "presence-é/\"<\n"},
		{Name: "a command of a later version", App: "app"},
		{Name: "the last"},
	} {
		want = append(want, c)
		from := nodes[i%len(nodes)]
		x.within("Broadcast", func() {
			if err := from.Broadcast(context.Background(), c); err != nil {
				x.Errorf("%s broadcasts %+v: %v", from.name, c, err)
			}
		})
		for _, w := range nodes {
			x.eventually(w.name+" executes a command", func() bool { return len(w.commands()) > i })
			if found := w.commands(); !reflect.DeepEqual(found, want) {
				x.Fatalf("%s executed %+v, expected %+v", w.name, found, want)
			}
		}
	}
}

func checkInterest(x *crew) {
	nodes := x.enlist(3)
	for i := range 30 { // nothing is lost, however soon it follows
		w, from := nodes[i%3], nodes[(i+1+i/3%2)%3]
		t := channel(fmt.Sprint("c", i%5))
		w.subscribe(t)
		from.say(t, i)
		x.eventually("what was published after Subscribe", func() bool { return slices.Contains(w.heard(t, from), fmt.Sprint(i)) })
		w.unsubscribe(t)
		from.say(t, "to nobody")
	}
}

func checkImmutable(x *crew) {
	nodes := x.enlist(2)
	from, to := nodes[0], nodes[1]
	t := channel("cache-c")
	to.subscribe(t)
	published := make([]*pusherhub.Message, 100)
	for i := range published {
		published[i] = &pusherhub.Message{App: t.App, Channel: t.Channel, Event: from.name, Payload: fmt.Append(nil, i), Cache: new(fmt.Sprint("data ", i))}
		from.publish(published[i])
	}
	to.expectHeard(t, from, numbers(len(published)))
	for i, m := range published {
		if string(m.Payload) != fmt.Sprint(i) || *m.Cache != fmt.Sprint("data ", i) {
			x.Fatalf("what was published as %d is %q now", i, m.Payload)
		}
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	for _, d := range to.delivered { // a buffer that is used again would show here
		if !reflect.DeepEqual(*d.message, d.then) {
			x.Fatalf("what was delivered as %q is %q now", d.then.Payload, d.message.Payload)
		}
	}
}

func checkAllAtOnce(x *crew) {
	nodes := x.enlist(3)
	shared, end := channel("shared"), channel("end")
	for _, w := range nodes {
		w.subscribe(shared, end)
		w.mu.Lock()
		for i := range 4 { // as the workers come and go, it may hear of these or not
			w.interests[channel(fmt.Sprint("own", i))] = true
		}
		w.mu.Unlock()
	}
	const workers, n = 4, 10
	ctx, cancel := context.WithTimeout(context.Background(), x.patience)
	defer cancel()
	var all sync.WaitGroup
	for _, w := range nodes {
		for k := range workers {
			all.Go(func() {
				own := channel(fmt.Sprint("own", k))
				user := pusherhub.Topic{App: "app", UserID: fmt.Sprint("user", k)}
				for i := range n {
					m := &pusherhub.Message{App: "app", Channel: shared.Channel, Event: fmt.Sprint(w.name, "/", k), Payload: fmt.Append(nil, i)}
					if err := w.Publish(ctx, m); err != nil {
						x.Errorf("%s publishes: %v", w.name, err)
					}
					if err := w.Broadcast(ctx, pusherhub.Command{Name: "x", UserID: fmt.Sprint(w.name, "/", k, "/", i)}); err != nil {
						x.Errorf("%s broadcasts: %v", w.name, err)
					}
					if err := w.Subscribe(own.App, own.Channel); err != nil {
						x.Errorf("%s subscribes: %v", w.name, err)
					}
					w.Hold(own, i)
					w.Join(own, pusherhub.Member{UserID: fmt.Sprint(i), Since: int64(i)})
					w.Follow(user)
					if _, err := w.Lookup(ctx, own); err != nil {
						x.Errorf("%s looks up: %v", w.name, err)
					}
					w.Unfollow(user)
					w.Leave(own, fmt.Sprint(i))
					w.Hold(own, 0)
					if err := w.Unsubscribe(own.App, own.Channel); err != nil {
						x.Errorf("%s unsubscribes: %v", w.name, err)
					}
				}
			})
		}
	}
	x.within("what many goroutines do", all.Wait)
	x.settle(nodes...)
	for _, from := range nodes {
		from.say(end, 0)
	}
	for _, w := range nodes {
		for _, from := range nodes {
			w.expectHeard(end, from, numbers(1))
			for k := range workers {
				w.expectHeard(shared, &witness{name: fmt.Sprint(from.name, "/", k)}, numbers(n))
			}
		}
		x.eventually("all commands", func() bool { return len(w.commands()) >= len(nodes)*workers*n })
		if found := len(w.commands()); found != len(nodes)*workers*n {
			x.Errorf("%s executed %d commands, expected %d", w.name, found, len(nodes)*workers*n)
		}
	}
	x.expectBalance(nil)
}
