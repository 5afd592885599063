package pusherhub_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

const (
	stressChannels = 3
	stressEvents   = 1200 // a channel
	stressFans     = 2    // subscribe to everything and stay
	stressVisitors = 8    // come and go
)

// Sockets subscribe, unsubscribe, close and vanish while events with running numbers are published. Between its success frame and its
// unsubscribe each sees every number, in order and once; after the round trip of its unsubscribe it sees none.
func TestStressOrder(t *testing.T) {
	s := hostileServer(t, pusherhub.AppConfig{})
	st := &stress{server: s, t: t}
	var fans, visitors, publishers sync.WaitGroup
	for range stressFans {
		f := st.connect()
		for channel := range stressChannels {
			st.report(f.subscribe(channel))
		}
		fans.Go(func() { st.report(f.readAll()) })
	}
	for i := range stressVisitors {
		random := rand.New(rand.NewPCG(7, uint64(i)))
		visitors.Go(func() {
			for !st.done.Load() {
				st.report(st.visit(random))
			}
		})
	}
	for channel := range stressChannels {
		publishers.Go(func() { st.publish(channel) })
	}
	publishers.Wait()
	fans.Wait()
	st.done.Store(true)
	visitors.Wait()
}

// An event that was accepted before a subscription and is still on its way is not delivered to it.
func TestEventsFromBeforeTheSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubtest.NewPipeServer(t, pusherhub.AppConfig{})
		busy := dialRaw(t, s, "")
		busy.send(hubtest.SubscribeFrame("news", "", ""))
		busy.expect("pusher_internal:subscription_succeeded")
		synctest.Wait()
		var publisher sync.WaitGroup
		publisher.Go(func() { s.Publish("news", "e1", "") })
		synctest.Wait() // nobody reads it: who delivers it waits a moment before it takes the next
		s.Publish("news", "e2", "")
		late := dialRaw(t, s, "")
		late.send(hubtest.SubscribeFrame("news", "", ""))
		late.expect("pusher_internal:subscription_succeeded")
		s.Publish("news", "e3", "")
		late.expect("e3")
		busy.expect("e1")
		busy.expect("e2")
		busy.expect("e3")
		publisher.Wait()
	})
}

type stress struct {
	server *hubtest.Server
	t      *testing.T
	done   atomic.Bool

	begun, finished [stressChannels]atomic.Int64 // numbers of events whose publishing has begun, is finished
}

func (st *stress) report(err error) {
	if err != nil {
		st.t.Error(err)
		st.done.Store(true)
	}
}

func stressChannel(number int) string { return "stress-" + strconv.Itoa(number) }

// publish publishes a channel's events in order, a few in each request.
func (st *stress) publish(channel int) {
	for n := 1; n <= stressEvents && !st.done.Load(); {
		batch := min(1+n%7, stressEvents-n+1)
		var events []string
		for i := range batch {
			events = append(events, fmt.Sprintf(`{"name":"n","channel":%q,"data":"%d"}`, stressChannel(channel), n+i))
		}
		n += batch
		st.begun[channel].Store(int64(n - 1))
		if status, answer, _ := st.server.Do(http.MethodPost, "/batch_events", `{"batch":[`+strings.Join(events, ",")+`]}`, nil); status != http.StatusOK {
			st.report(fmt.Errorf("publishing: found %d %s", status, answer))
		}
		st.finished[channel].Store(int64(n - 1))
	}
}

// visit is the life of one visitor.
func (st *stress) visit(random *rand.Rand) error {
	f := st.connect()
	defer f.raw.Close()
	for range 1 + random.IntN(4) {
		channel := random.IntN(stressChannels)
		if err := f.subscribe(channel); err != nil {
			return err
		}
		for range random.IntN(30) {
			if err := f.pingPong(); err != nil { // reads what comes before the pong
				return err
			}
		}
		if random.IntN(3) > 0 {
			if err := f.unsubscribe(channel); err != nil {
				return err
			}
		}
	}
	if random.IntN(2) == 0 {
		return f.raw.TrySend(hubtest.ClientFrame(hubtest.Fin|hubtest.OpEnd, hubtest.ClosePayload(1000, "")))
	}
	return nil
}

// follower is a socket that checks the numbers it sees.
type follower struct {
	st   *stress
	raw  *hubtest.Raw
	last map[string]int64 // of the channels that it is subscribed to; 0 before the first event
	from map[string]int64 // the first event is later than this one
	to   map[string]int64 // and no later than this one
}

func (st *stress) connect() *follower {
	raw := st.server.DialRaw(st.t, "/app/"+st.server.App.Key)
	f := &follower{st: st, raw: raw, last: make(map[string]int64), from: make(map[string]int64), to: make(map[string]int64)}
	raw.Expect("pusher:connection_established")
	return f
}

func (f *follower) subscribe(number int) error {
	channel := stressChannel(number)
	if _, subscribed := f.last[channel]; subscribed {
		return nil
	}
	f.from[channel] = f.st.finished[number].Load()
	if err := f.send(hubtest.SubscribeFrame(channel, "", "")); err != nil {
		return err
	}
	if err := f.readUntil("pusher_internal:subscription_succeeded"); err != nil {
		return err
	}
	f.last[channel], f.to[channel] = 0, f.st.begun[number].Load()+1
	return nil
}

func (f *follower) unsubscribe(number int) error {
	channel := stressChannel(number)
	if err := f.send(hubtest.EventFrame("pusher:unsubscribe", "", map[string]string{"channel": channel})); err != nil {
		return err
	}
	if err := f.pingPong(); err != nil {
		return err
	}
	delete(f.last, channel)
	return nil
}

func (f *follower) pingPong() error {
	if err := f.send(`{"event":"pusher:ping"}`); err != nil {
		return err
	}
	return f.readUntil("pusher:pong")
}

func (f *follower) send(text string) error {
	return f.raw.TrySend(hubtest.ClientFrame(hubtest.Fin|hubtest.OpText, []byte(text)))
}

// readAll reads until every subscribed channel's last event.
func (f *follower) readAll() error {
	for range stressChannels * stressEvents {
		frame, err := f.read()
		if err != nil {
			return err
		}
		if err := f.check(frame); err != nil {
			return err
		}
	}
	return f.pingPong()
}

func (f *follower) readUntil(event string) error {
	for {
		frame, err := f.read()
		if err != nil || frame.Event == event {
			return err
		}
		if err := f.check(frame); err != nil {
			return err
		}
	}
}

func (f *follower) read() (frame hubtest.Frame, err error) {
	_ = f.raw.SetReadDeadline(time.Now().Add(hubtest.Patience))
	raw, err := f.raw.ReadFrame()
	if err != nil {
		return frame, fmt.Errorf("reading: %w", err)
	}
	return frame, json.Unmarshal(raw.Payload, &frame)
}

func (f *follower) check(frame hubtest.Frame) error {
	n, err := strconv.ParseInt(frame.Text(), 10, 64)
	last, subscribed := f.last[frame.Channel]
	switch {
	case err != nil || frame.Event != "n":
		return fmt.Errorf("found %+v, expected an event with a number", frame)
	case !subscribed:
		return fmt.Errorf("event %d of %s came without a subscription", n, frame.Channel)
	case last == 0 && (n <= f.from[frame.Channel] || n > f.to[frame.Channel]):
		return fmt.Errorf("%s begins with event %d, expected %d to %d", frame.Channel, n, f.from[frame.Channel]+1, f.to[frame.Channel])
	case last > 0 && n != last+1:
		return fmt.Errorf("%s: event %d came after %d", frame.Channel, n, last)
	}
	f.last[frame.Channel] = n
	return nil
}
