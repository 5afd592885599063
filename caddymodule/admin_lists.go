package caddymodule

import (
	"maps"
	"slices"

	"github.com/onecharge/pusherhub/pusherhub"
)

// listOf is the beginning of every list. Next is the parameter after of the next page; empty: this is the last one.
type listOf struct {
	Node string `json:"node"` // only this node's are listed
	Next string `json:"next,omitempty"`
}

// hubInfo is what can be told of a hub.
type hubInfo struct {
	Name          string `json:"name"`
	Connections   int64  `json:"connections"`
	Channels      int64  `json:"channels"`
	Subscriptions int64  `json:"subscriptions"`
}

func (q *adminRequest) hubs() (any, error) {
	hubs := liveHubs()
	list := make([]hubInfo, 0, len(hubs))
	for _, name := range slices.Sorted(maps.Keys(hubs)) {
		stats := hubs[name].Stats()
		list = append(list, hubInfo{name, stats.Connections, stats.Channels, stats.Subscriptions})
	}
	return struct {
		listOf
		Hubs []hubInfo `json:"hubs"`
	}{listOf{Node: nodeName()}, list}, nil
}

func (q *adminRequest) apps() (any, error) {
	page, err := q.page()
	if err != nil {
		return nil, err
	}
	list, next, err := q.hub.Apps(page)
	return struct {
		listOf
		Apps []pusherhub.AppInfo `json:"apps"`
	}{listOf{nodeName(), next}, list}, err
}

func (q *adminRequest) oneApp() (any, error) {
	info, err := q.hub.App(q.r.Context(), q.app())
	return struct {
		listOf
		pusherhub.AppInfo
	}{listOf{Node: nodeName()}, info}, err
}

func (q *adminRequest) channels() (any, error) {
	page, err := q.page()
	if err != nil {
		return nil, err
	}
	list, next, err := q.hub.Channels(q.r.Context(), q.app(), pusherhub.ChannelQuery{Page: page, Prefix: q.query["prefix"], Kind: q.query["kind"]})
	return struct {
		listOf
		Channels []pusherhub.ChannelInfo `json:"channels"`
	}{listOf{nodeName(), next}, list}, err
}

func (q *adminRequest) oneChannel() (any, error) {
	page, err := q.page()
	if err != nil {
		return nil, err
	}
	detail, next, err := q.hub.Channel(q.r.Context(), q.app(), q.r.PathValue("channel"), page)
	return struct {
		listOf
		pusherhub.ChannelDetail
	}{listOf{nodeName(), next}, detail}, err
}

func (q *adminRequest) connections() (any, error) {
	page, err := q.page()
	if err != nil {
		return nil, err
	}
	list, next, err := q.hub.Connections(q.r.Context(), q.app(), pusherhub.ConnectionQuery{
		Page: page, UserID: q.query["user"], IP: q.query["ip"], Channel: q.query["channel"],
	})
	return struct {
		listOf
		Connections []pusherhub.ConnectionInfo `json:"connections"`
	}{listOf{nodeName(), next}, list}, err
}

func (q *adminRequest) oneConnection() (any, error) {
	page, err := q.page()
	if err != nil {
		return nil, err
	}
	detail, next, err := q.hub.Connection(q.r.Context(), q.app(), q.r.PathValue("socket_id"), page)
	return struct {
		listOf
		pusherhub.ConnectionDetail
	}{listOf{nodeName(), next}, detail}, err
}
