package pusherhub

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// kindWords are the words of all kinds.
func kindWords() []string {
	words := make([]string, 0, len(kinds))
	for _, k := range kinds {
		words = append(words, k.String())
	}
	slices.Sort(words)
	return words
}

// ChannelQuery says which channels are asked for. Conditions that are empty do not count.
type ChannelQuery struct {
	Page

	// Prefix is how the names begin.
	Prefix string

	// Kind is the word of the only kind that counts, such as presence or private-cache ([ChannelKind.String]).
	Kind string
}

// ChannelInfo is what can be told of a channel.
type ChannelInfo struct {
	Name          string `json:"name"`
	Kind          string `json:"kind"`
	Subscriptions int    `json:"subscriptions"`   // on this node
	Users         *int   `json:"users,omitempty"` // on this node; presence channels only
	Cached        bool   `json:"cached"`          // an event is kept for subscribers to come
}

// ChannelDetail is what can be told of one channel.
type ChannelDetail struct {
	ChannelInfo

	// CachedEvent is the event that is kept; nil if none.
	CachedEvent *CachedEvent `json:"cached_event,omitempty"`

	// Members are the ids of the users on a presence channel on this node, one page of them; nil on others.
	Members []string `json:"members,omitempty"`
}

// CachedEvent is an event that a cache channel keeps.
type CachedEvent struct {
	Data       string `json:"data"`
	TTLSeconds int    `json:"ttl_seconds"` // how long it is still kept
}

// Channels lists, by name, the channels of an app on this node that have a subscriber or a cached event. next is the After of
// the next page, empty if there is none. The error is [ErrAppNotFound], a [*RequestError] or that of the app's source.
func (h *Hub) Channels(ctx context.Context, app string, q ChannelQuery) (list []ChannelInfo, next string, err error) {
	page, err := newPage[*channel](q.Page)
	if err != nil {
		return nil, "", err
	}
	if words := kindWords(); q.Kind != "" && !slices.Contains(words, q.Kind) {
		return nil, "", badRequest("kind: found %q, expected one of %s", q.Kind, strings.Join(words, ", "))
	}
	err = h.with(ctx, app, func(_ *App, state *appState) error {
		if state == nil {
			return nil
		}
		state.eachChannel(func(ch *channel) {
			if strings.HasPrefix(ch.name, q.Prefix) && (q.Kind == "" || ch.kind.String() == q.Kind) {
				page.offer(ch.name, ch)
			}
		})
		return nil
	})
	channels, next := page.entries()
	list = make([]ChannelInfo, len(channels))
	for i, ch := range channels {
		list[i] = ch.info()
	}
	return list, next, err
}

// Channel tells of one channel, with a page of the users if it is a presence channel. next is the After of the next page, empty if there is none.
// The error is that of [Hub.Channels]; a channel that nobody on this node is subscribed to, and that keeps no event, is a [*RequestError] with 404.
func (h *Hub) Channel(ctx context.Context, app, name string, members Page) (detail ChannelDetail, next string, err error) {
	page, err := newPage[string](members)
	if err != nil {
		return detail, "", err
	}
	err = h.with(ctx, app, func(_ *App, state *appState) error {
		var ch *channel
		if state != nil {
			ch = state.channel(name)
		}
		if ch == nil {
			return &RequestError{Status: http.StatusNotFound, Reason: fmt.Sprintf("channel %q has no subscriber on this node and keeps no event", name)}
		}
		detail.ChannelInfo = ch.info()
		if data, ttl, found := state.cachedEvent(name); found {
			detail.CachedEvent = &CachedEvent{Data: data, TTLSeconds: int(ttl / time.Second)}
		}
		if ch.members == nil {
			return nil
		}
		ch.mu.Lock()
		ids := ch.members.here()
		ch.mu.Unlock()
		for _, id := range ids {
			page.offer(id, id)
		}
		detail.Members, next = page.entries()
		return nil
	})
	return detail, next, err
}

// info tells of the channel.
func (ch *channel) info() ChannelInfo {
	info := ChannelInfo{Name: ch.name, Kind: ch.kind.String()}
	_, _, info.Cached = ch.state.cachedEvent(ch.name)
	subscriptions, users := ch.counts()
	info.Subscriptions = subscriptions
	if ch.kind.Access == AccessPresence {
		info.Users = &users
	}
	return info
}
