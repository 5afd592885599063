package natsbroker

import (
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

// kvUnsureWrite took nodes out of a place. The value there has the id if it was made.
type kvUnsureWrite struct {
	place kvPlace
	id    string
	made  []kvMade
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

// settle returns the transitions of those writes that were made. The others are made again, by whoever reaps next.
func (r *kvRegister) settle(ctx context.Context) (made []pusherhub.Transition, err error) {
	writes := r.unsure.take()
	for i, w := range writes {
		entry, err := r.get(ctx, w.place.key())
		if err != nil {
			r.unsure.add(writes[i:]...)
			return made, err
		}
		if entry == nil {
			continue
		}
		t, err := decodeTopic(entry.Value())
		if err == nil && slices.ContainsFunc(t.Reaped, func(d kvReaped) bool { return d.ID == w.id }) {
			made = append(made, transitionsOf(w.place.name, w.made)...)
		}
	}
	return made, nil
}
