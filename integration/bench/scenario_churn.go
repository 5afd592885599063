//go:build linux

package main

import "time"

// runChurn measures whole lives of sockets: connect, greeting, subscribe, answer, close. With the bare server a message and its echo
// stand for the subscription.
func runChurn(b *bench) error {
	const workers = 16
	s, err := b.startCaddy()
	if err != nil {
		return err
	}
	coder, addr, err := b.startCoder()
	if err != nil {
		return err
	}
	actor, err := b.startRole("actor")
	if err != nil {
		return err
	}
	const what = "16 at a time"
	var floor loops
	return b.interleave(what, func(int) (err error) {
		floor, err = coder.process.loops(actor, "Churn", LoopArgs{Target: Target{Addr: addr, Path: echoPath}, Channel: "lobby", Length: b.length, Workers: workers})
		return err
	}, func(int) error {
		var got loops
		if err := b.profile(s, what, b.length, func() (err error) {
			got, err = s.loops(actor, "Churn", LoopArgs{Target: s.site, Channel: "lobby", Length: b.length, Workers: workers})
			return err
		}); err != nil {
			return err
		}
		b.note(what, "connections", perSecond, got.rate).against(bareCoder, floor.rate)
		b.note(what, "CPU per connection", microseconds, got.cpu).against(bareCoder, floor.cpu)
		return nil
	})
}

// startCoder starts the bare WebSocket server.
func (b *bench) startCoder() (coder *role, addr string, err error) {
	coder, err = b.startRole("coder")
	if err != nil {
		return nil, "", err
	}
	return coder, addr, coder.call("Listen", None{}, &addr)
}

// loops is what repeating something has shown.
type loops struct {
	rate float64 // per second
	cpu  float64 // microseconds of the server each
}

// loops lets an actor repeat something and reads the server's CPU clock around it.
func (p *process) loops(actor *role, method string, l LoopArgs) (r loops, err error) {
	before, err := p.cpu()
	if err != nil {
		return r, err
	}
	var done Loops
	if err := actor.call(method, l, &done); err != nil {
		return r, err
	}
	time.Sleep(20 * time.Millisecond) // for the end of the last one, of which the actor hears nothing
	after, err := p.cpu()
	if err != nil {
		return r, err
	}
	r.rate = float64(done.Count) / done.Elapsed.Seconds()
	r.cpu = micros(after-before) / float64(max(done.Count, 1))
	return r, p.died()
}
