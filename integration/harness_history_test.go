package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// numbered is the event that publishers number, see [publisher].
const numbered = "n"

// history is what one socket was told of one channel.
type history struct {
	me       string
	presence bool
	ready    chan struct{} // closed by subscription_succeeded
	again    bool          // the socket was subscribed before: something of that time may still come before success
	over     bool          // the socket has unsubscribed

	members map[string]string // user ids with their infos
	added   map[string]int    // how often somebody was added, without the snapshot
	removed map[string]int
	first   map[string]int   // by publisher: the first event's number
	next    map[string]int   // by publisher: the number after the last event's
	missed  map[string][]int // by publisher: the numbers that were left out
	events  int              // numbered ones
	others  []string         // events of other names
	count   int              // as the last subscription_count said
}

func newHistory(me string, presence bool) *history {
	return &history{
		me: me, presence: presence, ready: make(chan struct{}), added: make(map[string]int), removed: make(map[string]int),
		first: make(map[string]int), next: make(map[string]int), missed: make(map[string][]int),
	}
}

func (h *history) clone() history {
	c := *h
	c.members, c.added, c.removed = maps.Clone(h.members), maps.Clone(h.added), maps.Clone(h.removed)
	c.first, c.next, c.missed, c.others = maps.Clone(h.first), maps.Clone(h.next), maps.Clone(h.missed), slices.Clone(h.others)
	return c
}

// ids returns the members' ids, sorted.
func (h *history) ids() []string { return slices.Sorted(maps.Keys(h.members)) }

// got reports whether an event has come.
func (h *history) got(publisher string, number int) bool {
	first, some := h.first[publisher]
	return some && first <= number && number < h.next[publisher] && !slices.Contains(h.missed[publisher], number)
}

// take takes the channel's next frame, and says what is wrong with it.
func (h *history) take(f hubtest.Frame) error {
	if h.over {
		return nil
	}
	select {
	case <-h.ready:
	default:
		if f.Event == "pusher_internal:subscription_succeeded" {
			defer close(h.ready)
			return h.begin(f)
		}
		if h.again {
			return nil
		}
		return fmt.Errorf("%s before the subscription's success", f.Event)
	}
	switch f.Event {
	case "pusher_internal:member_added", "pusher_internal:member_removed":
		return h.member(f)
	case "pusher_internal:subscription_succeeded":
		return errors.New("a second success")
	case "pusher_internal:subscription_count":
		var data struct {
			Count int `json:"subscription_count"`
		}
		err := json.Unmarshal([]byte(f.Text()), &data)
		h.count = data.Count
		return err
	case numbered:
		return h.number(f.Text())
	}
	h.others = append(h.others, f.Event)
	return nil
}

// begin takes the success, with its snapshot.
func (h *history) begin(f hubtest.Frame) error {
	if !h.presence {
		return nil
	}
	var data struct {
		Presence struct {
			IDs   []string          `json:"ids"`
			Hash  map[string]string `json:"hash"`
			Count int               `json:"count"`
		} `json:"presence"`
	}
	if err := json.Unmarshal([]byte(f.Text()), &data); err != nil {
		return fmt.Errorf("the snapshot: %w", err)
	}
	p := data.Presence
	h.members = p.Hash
	if h.members == nil {
		h.members = make(map[string]string)
	}
	slices.Sort(p.IDs)
	if p.Count != len(p.IDs) || !slices.Equal(p.IDs, h.ids()) {
		return errors.New("the snapshot contradicts itself")
	}
	if _, found := h.members[h.me]; !found {
		return fmt.Errorf("%s is missing in the own snapshot", h.me)
	}
	return nil
}

// member takes member_added and member_removed.
func (h *history) member(f hubtest.Frame) error {
	var data struct {
		UserID string `json:"user_id"`
		Info   string `json:"user_info"`
	}
	if err := json.Unmarshal([]byte(f.Text()), &data); err != nil || data.UserID == "" {
		return fmt.Errorf("%s without a user_id", f.Event)
	}
	_, there := h.members[data.UserID]
	switch added := f.Event == "pusher_internal:member_added"; {
	case added && there:
		return errors.New("a member was added who was there")
	case added:
		h.members[data.UserID] = data.Info
		h.added[data.UserID]++
	case !there:
		return errors.New("a member was removed who was not there")
	case data.UserID == h.me:
		return errors.New("the member itself was removed, but is subscribed")
	default:
		delete(h.members, data.UserID)
		h.removed[data.UserID]++
	}
	return nil
}

// number takes a numbered event.
func (h *history) number(text string) error {
	who, rest, _ := strings.Cut(text, ":")
	digits, _, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return fmt.Errorf("a publisher's number: %w", err)
	}
	next, known := h.next[who]
	if known && n < next {
		return fmt.Errorf("number %d of publisher %s after %d: twice, or out of order", n, who, next-1)
	}
	if !known {
		h.first[who] = n
	}
	for ; known && next < n; next++ {
		h.missed[who] = append(h.missed[who], next)
	}
	h.next[who] = n + 1
	h.events++
	return nil
}
