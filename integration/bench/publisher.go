//go:build linux

package main

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Publisher is a client of the HTTP API with connections that it keeps.
type Publisher struct {
	mu    sync.Mutex
	conns []*apiConn // guarded by mu: kept from call to call, if the server is the same
	addr  string     // guarded by mu
}

// PublishArgs says what is published.
type PublishArgs struct {
	Addr    string
	Channel string
	Own     bool // each connection has a channel of its own: its number behind the name
	Of      int  // instead, each event goes to one of so many channels
	Size    int  // of an event's data, in bytes
	Batch   int  // events of a request; 0: one, through /events
	Conns   int
	Rate    float64       // events per second over all connections; 0: as fast as the API answers
	Length  time.Duration // 0: each connection makes Requests requests
	// Requests of each connection, if Length is 0.
	Requests int
	// First is what the events' numbers start after.
	First int64
}

// Published is what was published.
type Published struct {
	Requests int64 // accepted
	Events   int64 // accepted
	Refused  int64 // requests that got 503; they were repeated
	Started  int64 // Unix nanoseconds
	Elapsed  time.Duration
	Answers  histogram // how long answers took
}

// Publish publishes.
func (p *Publisher) Publish(a PublishArgs, done *Published) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.addr != a.Addr {
		for _, c := range p.conns {
			_ = c.nc.Close()
		}
		p.conns, p.addr = nil, a.Addr
	}
	for len(p.conns) < a.Conns {
		c, err := dialAPI(a.Addr)
		if err != nil {
			return err
		}
		p.conns = append(p.conns, c)
	}
	began := time.Now()
	parts := make([]Published, a.Conns)
	errs := make([]error, a.Conns)
	var wg sync.WaitGroup
	for i := range a.Conns {
		wg.Go(func() { errs[i] = p.conns[i].publish(a, i, &parts[i]) })
	}
	wg.Wait()
	done.Started, done.Elapsed = began.UnixNano(), time.Since(began)
	for i := range parts {
		done.Requests += parts[i].Requests
		done.Events += parts[i].Events
		done.Refused += parts[i].Refused
		done.Answers.merge(&parts[i].Answers)
	}
	return errors.Join(errs...)
}

// publish is the part of the connection with that number.
func (c *apiConn) publish(a PublishArgs, number int, done *Published) error {
	publisher := number
	if a.Of > 0 {
		publisher = unordered
	}
	m := newMessage(a, number)
	batch := max(a.Batch, 1)
	pace := newPace(a.Rate/float64(a.Conns)/float64(batch), a.Length)
	pace.shift = float64(number) / float64(a.Conns) // the bare loop's events are spread evenly, too
	if a.Length == 0 {
		pace.length = callLimit
	}
	for a.Length > 0 || done.Requests < int64(a.Requests) {
		due, more := pace.wait()
		if !more {
			return nil
		}
		if a.Of > 0 {
			m = newMessage(a, rand.IntN(a.Of))
		}
		for i, at := range m.stamps {
			stamp(m.body[at:], publisher, a.First+done.Events+int64(i)+1, due.UnixNano())
		}
		if err := c.postUntilTaken(m, done); err != nil {
			return err
		}
		done.Requests++
		done.Events += int64(batch)
	}
	return nil
}

// postUntilTaken posts a message and repeats it as long as the server asks for patience.
func (c *apiConn) postUntilTaken(m message, done *Published) error {
	for {
		began := time.Now()
		status, err := c.post(m.path, m.body)
		if err != nil {
			return err
		}
		done.Answers.add(time.Since(began))
		switch status {
		case http.StatusOK:
			return nil
		case http.StatusServiceUnavailable:
			done.Refused++
			time.Sleep(10 * time.Millisecond) // less than Retry-After: we are here to push
		default:
			return statusError(status)
		}
	}
}

// message is the body of a request, with the places where its events' stamps stand.
type message struct {
	path   string
	body   []byte
	stamps []int
}

// newMessage makes a request's body. number is that of the channel, if channels are numbered.
func newMessage(a PublishArgs, number int) message {
	channel := a.Channel
	if a.Own || a.Of > 0 {
		channel = numbered(channel, number)
	}
	event := `{"name":"` + eventName + `","channel":"` + channel + `","data":"` + eventData(a.Size) + `"}`
	at := strings.Index(event, stampForm)
	if a.Batch == 0 {
		return message{"/apps/" + appID + "/events", []byte(event), []int{at}}
	}
	m := message{path: "/apps/" + appID + "/batch_events", body: []byte(`{"batch":[`)}
	for i := range a.Batch {
		if i > 0 {
			m.body = append(m.body, ',')
		}
		m.stamps = append(m.stamps, len(m.body)+at)
		m.body = append(m.body, event...)
	}
	m.body = append(m.body, "]}"...)
	return m
}
