package pusherhub

import (
	"net/http"
	"slices"
)

// users answers GET /channels/{name}/users.
func (q *apiRequest) users() ([]byte, *apiError) {
	if bad := q.checkChannel(); bad != nil {
		return nil, bad
	}
	if KindOf(q.route.subject).Access != AccessPresence {
		return nil, &apiError{status: http.StatusBadRequest, text: "Users can only be listed for presence channels."}
	}
	var ids []string
	if ch := q.state.channel(q.route.subject); ch != nil {
		ch.mu.Lock()
		ids = slices.Clone(ch.members.ids)
		ch.mu.Unlock()
	}
	out := []byte(`{"users":[`)
	for i, id := range ids {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(append(out, `{"id":`...), id), '}')
	}
	return append(out, "]}"...), nil
}

// terminate answers POST /users/{id}/terminate_connections. It does not matter whether anybody was there.
func (q *apiRequest) terminate() ([]byte, *apiError) {
	err := q.hub.broker().Broadcast(q.r.Context(), Command{Name: CommandTerminate, App: q.app.ID(), UserID: q.route.subject})
	if err != nil {
		q.hub.publishFailed(q.app.ID(), "", err)
		return nil, &apiError{status: http.StatusServiceUnavailable, text: "The server cannot reach the other servers at the moment.", retryAfter: 1}
	}
	return []byte("{}"), nil
}
