package webhooks

import (
	"slices"
	"strings"
)

// rule is what one entry of the config lets through to its endpoint.
type rule struct {
	types  []string
	prefix string
	suffix string
}

func newRule(e Endpoint) rule {
	r := rule{types: e.EventTypes}
	if len(r.types) == 0 {
		r.types = pusherEvents
	}
	if e.Filter != nil {
		r.prefix, r.suffix = e.Filter.ChannelNameStartsWith, e.Filter.ChannelNameEndsWith
	}
	return r
}

// lets reports whether the entry lets events of that name and channel through.
func (r rule) lets(name, channel string) bool {
	if !slices.Contains(r.types, name) {
		return false
	}
	return channel == "" || strings.HasPrefix(channel, r.prefix) && strings.HasSuffix(channel, r.suffix)
}

// wants reports whether the endpoint is told about events of that name and channel.
func (t *target) wants(name, channel string) bool {
	return slices.ContainsFunc(t.rules, func(r rule) bool { return r.lets(name, channel) })
}

// wanted reports whether any endpoint is told about events of that name and channel.
func (s *settings) wanted(name, channel string) bool {
	return slices.ContainsFunc(s.targets, func(t *target) bool { return t.wants(name, channel) })
}
