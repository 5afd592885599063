package pusherhub

import (
	"fmt"
	"net/http"

	"go.uber.org/zap"
)

// users answers GET /channels/{name}/users.
func (q *apiRequest) users() ([]byte, *apiError) {
	if bad := q.checkChannel(); bad != nil {
		return nil, bad
	}
	if KindOf(q.route.subject).Access != AccessPresence {
		return nil, &apiError{status: http.StatusBadRequest, text: "Users can only be listed for presence channels."}
	}
	ids, err := q.state.memberIDs(q.r.Context(), q.route.subject)
	if err != nil {
		return nil, q.noCluster(err)
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
		return nil, q.noCluster(err)
	}
	return []byte("{}"), nil
}

// noCluster is the answer when the other nodes would have to be asked or told and cannot be. Half an answer would be taken for a whole one.
func (q *apiRequest) noCluster(err error) *apiError {
	q.hub.elsewhere.error(q.hub.logger(), "asking the other nodes", zap.String("app", q.app.ID()), zap.Error(fmt.Errorf("broker: %w", err)))
	return &apiError{status: http.StatusServiceUnavailable, text: "The server cannot reach the other servers at the moment.", retryAfter: 1}
}
