//go:build linux

package main

import (
	"fmt"
	"time"
)

// Joiners are users that no member of a crowd is.
const (
	joiners     = 32
	firstJoiner = 1_000_000
)

// room is a channel with its sockets, all on a public and on a presence channel.
type room struct {
	*fleet

	public, presence string
}

// runPresence measures joining and leaving: what the announcements cost in a room of 1,000 users, and whether the cost of one
// grows with the room. For the latter all rooms have the same 100 users, so that the list of members that a joiner gets is equally long.
func runPresence(b *bench) error {
	s, err := b.startCaddy()
	if err != nil {
		return err
	}
	actor, err := b.startRole("actor")
	if err != nil {
		return err
	}
	if err := actor.call("Connect", JoinArgs{Target: s.site, Sockets: joiners, From: 1}, &None{}); err != nil {
		return err
	}
	if err := b.announcements(s, actor, size(b, 1000, 50)); err != nil {
		return err
	}
	sizes := b.possible(size(b, []int{100, 1000, 10_000}, []int{10, 50}))
	rooms := make([]room, len(sizes))
	for i, n := range sizes {
		if rooms[i], err = b.openRoom(s, n, min(100, sizes[0])); err != nil {
			return err
		}
	}
	if err := b.subscribeGrowth(s, actor, rooms); err != nil {
		return err
	}
	return b.announceGrowth(s, actor, rooms)
}

func (b *bench) openRoom(s *server, sockets, users int) (r room, err error) {
	r.public, r.presence = fmt.Sprintf("room-%d-%d", sockets, users), fmt.Sprintf("presence-room-%d-%d", sockets, users)
	r.fleet, err = b.gather(JoinArgs{Target: s.site, Sockets: sockets, Channel: r.public, Also: r.presence, Users: users})
	return r, err
}

// announcements measures joins and leaves in a room in which every socket is a user of its own.
func (b *bench) announcements(s *server, actor *role, users int) error {
	r, err := b.openRoom(s, users, users)
	if err != nil {
		return err
	}
	bare, err := b.startLimit(users)
	if err != nil {
		return err
	}
	defer bare.stop()
	defer r.disperse()
	frame := eventFrame(r.presence, 60) // about as long as a member_added
	what := fmt.Sprintf("%d members", users)
	var floor sample
	return b.interleave(what, func(int) (err error) {
		floor, err = bare.write(WriteArgs{Frame: frame, Length: b.length})
		return err
	}, func(int) error {
		var got sample
		if err := b.profile(s, what, b.length, func() (err error) {
			got, err = s.joinAndLeave(actor, r, b.length)
			return err
		}); err != nil {
			return err
		}
		b.note(what, "joins and leaves", perSecond, got.rate/float64(users))
		b.note(what, "deliveries", perSecond, got.rate).against(bareLoop, floor.rate)
		b.note(what, "CPU per delivery", microseconds, got.cpu).against(bareLoop, floor.cpu)
		return nil
	})
}

// joinAndLeave lets 32 users come at once and go at once, again and again; the members must hear of each.
func (s *server) joinAndLeave(actor *role, r room, length time.Duration) (sample, error) {
	return r.sampled(s.process, func() (events, started int64, err error) {
		began := time.Now()
		for time.Since(began) < length {
			if err := actor.call("Enter", JoinArgs{Channel: r.presence, First: firstJoiner}, &None{}); err != nil {
				return 0, 0, err
			}
			if _, err := r.await(events + joiners); err != nil {
				return 0, 0, err
			}
			if err := actor.call("Leave", r.presence, &None{}); err != nil {
				return 0, 0, err
			}
			events += 2 * joiners
			if _, err := r.await(events); err != nil {
				return 0, 0, err
			}
		}
		return events, began.UnixNano(), nil
	})
}

// subscribeGrowth compares the cost of a subscribe with its leave in public rooms of different sizes. The limit is the smallest room.
func (b *bench) subscribeGrowth(s *server, actor *role, rooms []room) error {
	return b.growth("public channel", "CPU per subscribe and leave", rooms, func(r room) (float64, error) {
		got, err := s.loops(actor, "InAndOut", LoopArgs{Channel: r.public, Length: b.length / 3})
		return got.cpu, err
	})
}

// announceGrowth compares the cost of one announcement to one member.
func (b *bench) announceGrowth(s *server, actor *role, rooms []room) error {
	return b.growth("presence channel, 100 users", "CPU per delivery", rooms, func(r room) (float64, error) {
		got, err := s.joinAndLeave(actor, r, b.length/3)
		return got.cpu, err
	})
}

// growth measures a cost in each room, in turns.
func (b *bench) growth(what, name string, rooms []room, cost func(room) (float64, error)) error {
	return b.interleave(what, func(int) error {
		var least float64
		for i, r := range rooms {
			got, err := cost(r)
			if err != nil {
				return err
			}
			if i == 0 {
				least = got
				continue
			}
			b.note(what, fmt.Sprintf("%s, %d sockets", name, r.size), microseconds, got).
				against(fmt.Sprintf("the same with %d", rooms[0].size), least)
		}
		return nil
	})
}
