package natsbroker

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/onecharge/pusherhub/pusherhub"
)

// kvUnsure has the writes of Reap of which nobody knows whether the server made them: their answers were lost. It outlives connections. The zero value has none.
type kvUnsure struct {
	mu     sync.Mutex // no other lock is taken while it is held
	writes []kvUnsureWrite
}

// kvUnsureWrite took nodes out of a place. The value there has the id if it was made. While it is the one before, the write may still come.
type kvUnsureWrite struct {
	place  kvPlace
	id     string
	before []byte
	made   []kvMade
}

func (u *kvUnsure) add(writes ...kvUnsureWrite) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writes = append(u.writes, writes...)
}

func (u *kvUnsure) take() (writes []kvUnsureWrite) {
	u.mu.Lock()
	defer u.mu.Unlock()
	writes, u.writes = u.writes, nil
	return writes
}

// settle returns the transitions of those writes that were made. The others are made again, by whoever reaps next, unless they come before that: so the
// ones that may are looked for the next time, too.
func (r *kvRegister) settle(ctx context.Context) (made []pusherhub.Transition, err error) {
	writes := r.unsure.take()
	for i, w := range writes {
		entry, err := r.get(ctx, w.place.key())
		if err != nil {
			r.unsure.add(writes[i:]...)
			return made, err
		}
		switch {
		case entry == nil:
			continue
		case bytes.Equal(entry.Value(), w.before):
			r.unsure.add(w)
			continue
		}
		t, err := decodeTopic(entry.Value())
		if err == nil && slices.ContainsFunc(t.Reaped, func(d kvReaped) bool { return d.ID == w.id }) {
			made = append(made, transitionsOf(w.place.name, w.made)...)
		}
	}
	return made, nil
}
