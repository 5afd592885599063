package pusherhub

import (
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"
)

// trigger answers POST /events.
func (q *apiRequest) trigger() ([]byte, *apiError) {
	p := problems{app: q.app}
	var e event
	if len(q.body) == 0 && q.params.has("name") {
		e = p.eventOf(q.params.members(), "")
	} else {
		m, bad := objectMembers(q.body)
		if bad != nil {
			return nil, bad
		}
		e = p.eventOf(m, "")
	}
	if bad := p.answer(); bad != nil {
		return nil, bad
	}
	if bad := q.publish([]event{e}); bad != nil {
		return nil, bad
	}
	if e.info == "" {
		return []byte("{}"), nil
	}
	out := []byte(`{"channels":{`)
	for i, channel := range e.channels {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, channel), ':')
		out = q.appendInfoNow(out, channel, e.info)
	}
	return append(out, "}}"...), nil
}

// triggerBatch answers POST /batch_events. Everything is checked before anything is sent.
func (q *apiRequest) triggerBatch() ([]byte, *apiError) {
	m, bad := objectMembers(q.body)
	if bad != nil {
		return nil, bad
	}
	p := problems{app: q.app}
	events := p.batchOf(m["batch"])
	if bad := p.answer(); bad != nil {
		return nil, bad
	}
	if bad := q.publish(events); bad != nil {
		return nil, bad
	}
	out := []byte(`{"batch":[`)
	asked := false
	for i, e := range events {
		if i > 0 {
			out = append(out, ',')
		}
		if e.info == "" {
			out = append(out, "{}"...)
			continue
		}
		asked = true
		out = q.appendInfoNow(out, e.channels[0], e.info)
	}
	if !asked {
		return []byte("{}"), nil
	}
	return append(out, "]}"...), nil
}

// triggerOne answers the deprecated POST /channels/{name}/events: the body is the event's data as it is.
func (q *apiRequest) triggerOne() *apiError {
	if !utf8.Valid(q.body) {
		return &apiError{status: http.StatusBadRequest, text: "The body is not valid UTF-8."}
	}
	p := problems{app: q.app}
	m := q.params.members()
	e := event{name: p.name(m["name"], ""), data: string(q.body), except: p.socketID(m["socket_id"], "")}
	p.data(len(q.body))
	p.channel("channel", q.route.subject)
	e.channels = []string{q.route.subject}
	if bad := p.answer(); bad != nil {
		return bad
	}
	return q.publish([]event{e})
}

// publish sends checked events.
func (q *apiRequest) publish(events []event) *apiError {
	if bad := publishRefusal(q.hub.publish(q.r.Context(), q.state, q.app, q.clientIP, events)); bad != nil {
		return bad
	}
	q.state.counters.publishLatency.observe(time.Since(q.began))
	q.result.Events = len(events)
	for _, e := range events {
		q.result.Channels += len(e.channels)
		q.hub.noticeLeftOut(e.except)
	}
	return nil
}

// publishRefusal turns what came of publishing into an answer; nil if all is well.
func publishRefusal(err error) *apiError {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*CloseError](err); ok {
		return &apiError{status: http.StatusForbidden, text: refused.Reason}
	}
	if limit, ok := errors.AsType[*LimitError](err); ok {
		return &apiError{status: http.StatusTooManyRequests, text: limit.Error(), retryAfter: max(1, int((limit.RetryAfter+time.Second-1)/time.Second))}
	}
	return &apiError{status: http.StatusServiceUnavailable, text: "The server cannot take more events at the moment.", retryAfter: 1}
}

// objectMembers reads a request's body into its members' raw values.
func objectMembers(body []byte) (map[string][]byte, *apiError) {
	if !utf8.Valid(body) {
		return nil, &apiError{status: http.StatusBadRequest, text: "The request body is not valid UTF-8."}
	}
	m := make(map[string][]byte)
	if err := scanObject(body, func(name, value []byte) error {
		m[string(name)] = value
		return nil
	}); err != nil {
		return nil, &apiError{status: http.StatusBadRequest, text: fmt.Sprintf("The request body is not a JSON object: %v.", err)}
	}
	return m, nil
}

// members gives query parameters the form of a body's members: each a JSON string, lists as arrays.
func (p params) members() map[string][]byte {
	m := make(map[string][]byte)
	for _, q := range p {
		if q.name == "channels" {
			m[q.name] = channelList(q.value)
			continue
		}
		m[q.name] = appendString(nil, q.value)
	}
	return m
}
