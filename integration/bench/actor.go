//go:build linux

package main

import (
	"errors"
	"sync"
	"time"
)

// Actor has a few sockets that do things.
type Actor struct {
	mu      sync.Mutex
	sockets []*socket // guarded by mu
}

// Connect opens sockets that Join, Leave and Send use.
func (a *Actor) Connect(j JoinArgs, _ *None) error {
	for i := range j.Sockets {
		s, err := dial(j.Target, j.From)
		if err != nil {
			return err
		}
		if err := s.subscribe(j.user(j.First+i), j.channels(i)...); err != nil {
			return err
		}
		a.mu.Lock()
		a.sockets = append(a.sockets, s)
		a.mu.Unlock()
	}
	return nil
}

// Hang closes the sockets.
func (a *Actor) Hang(None, *None) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, s := range a.sockets {
		errs = append(errs, s.close())
	}
	a.sockets = nil
	return errors.Join(errs...)
}

// Enter lets every socket subscribe to a channel, each as the user with its number from First on, and waits for the answers.
func (a *Actor) Enter(j JoinArgs, _ *None) error {
	return a.each(func(i int, s *socket) error { return s.subscribe(j.user(j.First+i), j.Channel) })
}

// Leave lets every socket leave the channel.
func (a *Actor) Leave(channel string, _ *None) error {
	return a.each(func(_ int, s *socket) error {
		_, err := s.nc.Write(unsubscribeFrame(channel))
		return err
	})
}

// each does something on all sockets at once.
func (a *Actor) each(do func(i int, s *socket) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var wg sync.WaitGroup
	errs := make([]error, len(a.sockets))
	for i, s := range a.sockets {
		wg.Go(func() { errs[i] = do(i, s) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// LoopArgs says what is repeated, and how long.
type LoopArgs struct {
	Target  Target
	Channel string
	Length  time.Duration
	Workers int
}

// Loops is how often something was done, and in which time.
type Loops struct {
	Count   int64
	Elapsed time.Duration
}

// InAndOut lets the first socket subscribe to and leave a channel, again and again.
func (a *Actor) InAndOut(l LoopArgs, done *Loops) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.sockets[0]
	leave := unsubscribeFrame(l.Channel)
	began := time.Now()
	for time.Since(began) < l.Length {
		if err := s.subscribe("", l.Channel); err != nil {
			return err
		}
		if _, err := s.nc.Write(leave); err != nil {
			return err
		}
		done.Count++
	}
	done.Elapsed = time.Since(began)
	return nil
}

// Send sends client events from the first socket, several in one write.
func (a *Actor) Send(e SendArgs, _ *None) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	wire := make([]byte, 0, len(e.Frame)*e.Count)
	now := time.Now().UnixNano()
	for i := range e.Count {
		wire = append(wire, e.Frame...)
		stamp(wire[len(wire)-len(e.Frame)+e.StampAt:], 0, e.First+int64(i), now)
	}
	_, err := a.sockets[0].nc.Write(wire)
	return err
}

// SendArgs says what to send: Frame with fresh stamps, numbered from First on.
type SendArgs struct {
	Frame   []byte
	StampAt int
	First   int64
	Count   int
}

// Churn connects, subscribes and disconnects, again and again. With a server that is no hub, a message and its echo stand
// for the subscription.
func (a *Actor) Churn(l LoopArgs, done *Loops) error {
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	began := time.Now()
	for w := range l.Workers {
		wg.Go(func() {
			var count int64
			var err error
			for i := w; err == nil && time.Since(began) < l.Length; i++ {
				if err = visit(l, byte(2+i%200)); err == nil {
					count++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			done.Count += count
		})
	}
	wg.Wait()
	done.Elapsed = time.Since(began)
	return errors.Join(errs...)
}

// visit is one life of a socket.
func visit(l LoopArgs, from byte) error {
	s, err := dial(l.Target, from)
	if err != nil {
		return err
	}
	if l.Target.isHub() {
		err = s.subscribe("", l.Channel)
	} else {
		err = s.echo(subscribeFrame("", l.Channel, ""))
	}
	return errors.Join(err, s.close())
}

// echo sends a message and takes its echo.
func (s *socket) echo(frame []byte) error {
	if _, err := s.nc.Write(frame); err != nil {
		return err
	}
	_, err := s.next()
	return err
}
