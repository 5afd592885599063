package pusherhub

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The attributes that info may ask for.
const (
	infoUserCount         = "user_count"
	infoSubscriptionCount = "subscription_count"
	infoCache             = "cache"
)

// applicable reports whether an attribute says something about a channel of that kind.
func applicable(attribute string, kind ChannelKind) bool {
	switch attribute {
	case infoUserCount:
		return kind.Access == AccessPresence
	case infoSubscriptionCount:
		return kind.Access != AccessPresence && kind.Access != AccessUser
	case infoCache:
		return kind.Cache
	}
	return false
}

// infoProblem says which attribute cannot be given. Reverb leaves such attributes out, Pusher refuses the
// request. Without a channel only the attributes' names are looked at.
func (a *App) infoProblem(info, channel string) string {
	if a.reverb() || info == "" {
		return ""
	}
	for attribute := range strings.SplitSeq(info, ",") {
		switch {
		case !slices.Contains([]string{infoUserCount, infoSubscriptionCount, infoCache}, attribute):
			return fmt.Sprintf("Unknown attribute %q in info.", attribute)
		case channel != "" && !applicable(attribute, KindOf(channel)):
			return fmt.Sprintf("The attribute %s does not apply to channel %s.", attribute, channel)
		}
	}
	return ""
}

// info checks the attributes that an event asks for.
func (p *problems) info(e event, prefix string) {
	for _, channel := range e.channels {
		if problem := p.app.infoProblem(e.info, channel); problem != "" {
			p.add(prefix+"info", "%s", problem)
			return
		}
	}
}

// appendInfoNow is appendInfo with the counts of this moment: those of this node, if the others cannot be asked. What was published is not to be published
// again because of that.
func (q *apiRequest) appendInfoNow(dst []byte, channel, info string) []byte {
	var total Holding
	if !q.unasked {
		var err error
		total, err = q.state.holding(q.r.Context(), channel)
		q.unasked = err != nil
	}
	if q.unasked {
		total = Holding{}
		if ch := q.state.channel(channel); ch != nil {
			total, _ = ch.holding()
		}
	}
	return appendInfo(dst, channel, info, total)
}

// appendInfo appends the object of the counts asked for.
func appendInfo(dst []byte, channel, info string, total Holding) []byte {
	dst = append(dst, '{')
	return append(appendAttributes(dst, channel, info, total, false), '}')
}

// appendAttributes appends the attributes asked for, as members of an object. more: members stand before them.
func appendAttributes(dst []byte, channel, info string, total Holding, more bool) []byte {
	kind := KindOf(channel)
	for _, attribute := range []string{infoUserCount, infoSubscriptionCount} {
		if !asks(info, attribute) || !applicable(attribute, kind) {
			continue
		}
		if more {
			dst = append(dst, ',')
		}
		more = true
		count := total.Count
		if attribute == infoUserCount {
			count = total.Members
		}
		dst = append(dst, `"`+attribute+`":`...)
		dst = strconv.AppendInt(dst, int64(count), 10)
	}
	return dst
}

func asks(info, attribute string) bool {
	return slices.Contains(strings.Split(info, ","), attribute)
}

// channels answers GET /channels.
func (q *apiRequest) channels() ([]byte, *apiError) {
	prefix, info := q.params.value("filter_by_prefix"), q.params.value("info")
	if problem := q.app.infoProblem(info, ""); problem != "" {
		return nil, &apiError{status: http.StatusBadRequest, text: problem}
	}
	if !q.app.reverb() && asks(info, infoUserCount) && !strings.HasPrefix(prefix, "presence-") {
		return nil, &apiError{status: http.StatusBadRequest, text: "user_count may only be asked for with filter_by_prefix presence-."}
	}
	all, err := q.state.occupiedChannels(q.r.Context(), prefix)
	if err != nil {
		return nil, q.noCluster(err)
	}
	out := []byte(`{"channels":{`)
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, name), ':')
		out = appendInfo(out, name, info, all[name])
	}
	return append(out, "}}"...), nil
}

// channel answers GET /channels/{name}.
func (q *apiRequest) channel() ([]byte, *apiError) {
	name, info := q.route.subject, q.params.value("info")
	if bad := q.checkChannel(); bad != nil {
		return nil, bad
	}
	if problem := q.app.infoProblem(info, name); problem != "" {
		return nil, &apiError{status: http.StatusBadRequest, text: problem}
	}
	total, err := q.state.holding(q.r.Context(), name)
	if err != nil {
		return nil, q.noCluster(err)
	}
	out := append([]byte(`{"occupied":`), strconv.FormatBool(total.Count > 0)...)
	out = appendAttributes(out, name, info, total, true)
	if asks(info, infoCache) && applicable(infoCache, KindOf(name)) {
		out = append(out, `,"cache":`...)
		if data, ttl, found := q.state.cachedInCluster(name, total.Cached); found {
			out = append(appendString(append(out, `{"data":`...), data), `,"ttl":`...)
			out = append(strconv.AppendInt(out, int64(ttl.Seconds()), 10), '}')
		} else {
			out = append(out, "null"...)
		}
	}
	return append(out, '}'), nil
}

// channelStats answers the deprecated GET /channels/{name}/stats.
func (q *apiRequest) channelStats() ([]byte, *apiError) {
	if bad := q.checkChannel(); bad != nil {
		return nil, bad
	}
	total, err := q.state.holding(q.r.Context(), q.route.subject)
	if err != nil {
		return nil, q.noCluster(err)
	}
	out := append([]byte(`{"occupied":`), strconv.FormatBool(total.Count > 0)...)
	out = appendAttributes(out, q.route.subject, infoUserCount, total, true)
	return append(strconv.AppendInt(append(out, `,"connection_count":`...), int64(total.Count), 10), '}'), nil
}

// checkChannel refuses a channel's name that nobody can subscribe to.
func (q *apiRequest) checkChannel() *apiError {
	p := problems{app: q.app}
	p.channel("channel", q.route.subject)
	return p.answer()
}
