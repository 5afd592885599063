package cluster

import (
	"maps"
	"slices"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"
)

// Cut takes engines off the bus; all of them, and those that are opened later, if none are named. Their brokers are told that the connection is lost, their calls answer ErrBusCut, their subscriptions
// are gone, and so is what was on its way to them. Engines that are cut already stay so.
func (b *Bus) Cut(engines ...Engine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = b.away || len(engines) == 0
	b.each(engines, func(e *busEngine) {
		if !e.cut {
			e.disconnect()
			e.cut = true
			e.down()
		}
	})
}

// Stall holds up everything between engines and the bus, as a link does that has died without a word; of all engines that are open, if none are named. Their calls wait until
// [Bus.Restore], or their contexts end, and what is sent to them waits too. The connection is not lost.
func (b *Bus) Stall(engines ...Engine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.each(engines, func(e *busEngine) {
		if !e.stalled() {
			e.resumed = make(chan struct{})
		}
	})
}

// Restore ends what Cut and Stall did to engines; to all that are open, if none are named. Those that were cut have a new connection then.
func (b *Bus) Restore(engines ...Engine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = b.away && len(engines) != 0
	b.each(engines, func(e *busEngine) {
		e.resume()
		e.wake.Signal()
		if e.cut {
			e.cut = false
			e.up()
		}
	})
}

// Forget makes the bus a server that has been started again, with nothing in its memory: the register and all kept events are gone, there is a new epoch, and all
// engines have a new connection.
func (b *Bus) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.register = NewRegister(time.Now(), b.change, nil)
	for e := range b.engines {
		if !e.cut {
			e.disconnect()
			e.down()
			e.up()
		}
	}
}

// LoseAnswer has the next Apply or Send of the engine carried out, and answer ErrAnswerLost.
func (b *Bus) LoseAnswer(e Engine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.(*busEngine).lose = true
}

// each calls do for engines, or for all that are open. The bus must be locked.
func (b *Bus) each(engines []Engine, do func(*busEngine)) {
	if len(engines) == 0 {
		for e := range b.engines {
			do(e)
		}
	}
	for _, e := range engines {
		do(e.(*busEngine))
	}
}

// stalled reports whether everything is held up. The bus must be locked.
func (e *busEngine) stalled() bool {
	select {
	case <-e.resumed:
		return false
	default:
		return true
	}
}

// resume ends a stall. The bus must be locked.
func (e *busEngine) resume() {
	if e.stalled() {
		close(e.resumed)
	}
}

// disconnect takes an engine's subscriptions, and what is on its way to it. The bus must be locked.
func (e *busEngine) disconnect() {
	e.unsubscribe(slices.Collect(maps.Keys(e.topics)))
	e.topics = make(map[pusherhub.Topic]struct{})
	e.queued = slices.DeleteFunc(e.queued, func(d delivery) bool { return !d.link })
}

// up tells the broker of a new connection. The bus must be locked.
func (e *busEngine) up() { e.tell(Handler.Up) }

// down tells the broker of a lost connection. The bus must be locked.
func (e *busEngine) down() { e.tell(func(h Handler) { h.Down(ErrBusCut) }) }

func (e *busEngine) tell(call func(Handler)) {
	if e.handler != nil {
		e.queue(call)
		e.queued[len(e.queued)-1].link = true
	}
}
