package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onecharge/pusherhub/pusherhub"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI is the part of Caddy's admin API below /pusher_hub/: it lists what the hubs of this process hold, disconnects clients, takes them
// out of channels and publishes. Secrets are in no answer. Lists are those of this node alone; what is done reaches
// every node of a cluster.
//
// Caddy makes it before the apps of a config and never cleans it up, so it keeps nothing and finds the hubs in the pool.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.pusher_hub",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// adminAction is what one method does with a resource.
type adminAction struct {
	method     string
	parameters []string // of the query
	do         func(*adminRequest) (any, error)
}

// adminResources are the resources below /pusher_hub/. Names in paths are percent-encoded.
var adminResources = map[string]adminAction{
	"hubs":                              {http.MethodGet, nil, (*adminRequest).hubs},
	"hubs/{hub}/apps":                   {http.MethodGet, []string{"after", "limit"}, (*adminRequest).apps},
	"hubs/{hub}/apps/{app}":             {http.MethodGet, nil, (*adminRequest).oneApp},
	"hubs/{hub}/apps/{app}/channels":    {http.MethodGet, []string{"prefix", "kind", "after", "limit"}, (*adminRequest).channels},
	"hubs/{hub}/apps/{app}/connections": {http.MethodGet, []string{"user", "ip", "channel", "after", "limit"}, (*adminRequest).connections},

	"hubs/{hub}/apps/{app}/channels/{channel}":      {http.MethodGet, []string{"after", "limit"}, (*adminRequest).oneChannel},
	"hubs/{hub}/apps/{app}/connections/{socket_id}": {http.MethodGet, []string{"after", "limit"}, (*adminRequest).oneConnection},

	"hubs/{hub}/apps/{app}/disconnect":  {http.MethodPost, nil, (*adminRequest).disconnect},
	"hubs/{hub}/apps/{app}/unsubscribe": {http.MethodPost, nil, (*adminRequest).unsubscribe},
	"hubs/{hub}/apps/{app}/publish":     {http.MethodPost, nil, (*adminRequest).publish},
}

const adminRoot = "/pusher_hub/"

// Routes returns a route for each resource, and one for what is none.
func (adminAPI) Routes() []caddy.AdminRoute {
	routes := make([]caddy.AdminRoute, 0, 1+len(adminResources))
	routes = append(routes, caddy.AdminRoute{Pattern: adminRoot, Handler: caddy.AdminHandlerFunc(noSuchResource)})
	for path, action := range adminResources {
		routes = append(routes, caddy.AdminRoute{Pattern: adminRoot + path, Handler: caddy.AdminHandlerFunc(action.serve)})
	}
	return routes
}

// noSuchResource says which resources there are.
func noSuchResource(_ http.ResponseWriter, r *http.Request) error {
	paths := slices.Sorted(maps.Keys(adminResources))
	return caddy.APIError{
		HTTPStatus: http.StatusNotFound,
		Err:        fmt.Errorf("found %s, expected one of %s%s", r.URL.EscapedPath(), adminRoot, strings.Join(paths, ", "+adminRoot)),
	}
}

// adminRequest is a request for one resource.
type adminRequest struct {
	w   http.ResponseWriter
	r   *http.Request
	hub *pooledHub // nil unless the path names one
	query
}

// serve checks the request and carries it out.
func (a adminAction) serve(w http.ResponseWriter, r *http.Request) error {
	methods := a.method
	if a.method == http.MethodGet {
		methods = "GET, HEAD"
	}
	switch {
	case r.Method == a.method || r.Method == http.MethodHead && a.method == http.MethodGet:
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", methods)
		w.WriteHeader(http.StatusNoContent)
		return nil
	default:
		w.Header().Set("Allow", methods)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method: found %s, expected %s", r.Method, methods)}
	}
	q := &adminRequest{w: w, r: r}
	answer, err := q.answer(a)
	if err != nil {
		return q.refusal(err)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: fmt.Errorf("encoding the answer: %w", err)}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	_, _ = w.Write(append(text, '\n')) // the client may be gone
	return nil
}

func (q *adminRequest) answer(a adminAction) (any, error) {
	var err error
	if q.query, err = parseQuery(q.r.URL.RawQuery, a.parameters); err != nil {
		return nil, err
	}
	if name := q.r.PathValue("hub"); name != "" {
		if q.hub = liveHubs()[name]; q.hub == nil {
			return nil, notFound("hub", name, slices.Collect(maps.Keys(liveHubs())), false)
		}
	}
	return a.do(q)
}

// app is the id of the app that the path names.
func (q *adminRequest) app() string { return q.r.PathValue("app") }

// liveHubs returns the hubs of the pool that serve, by name.
func liveHubs() map[string]*pooledHub {
	hubs := make(map[string]*pooledHub)
	pool.Range(func(name, hub any) bool {
		if pooled := hub.(*pooledHub); pooled.live.Load() {
			hubs[name.(string)] = pooled
		}
		return true
	})
	return hubs
}

// refusal gives an error the form of the admin API.
func (q *adminRequest) refusal(err error) error {
	if refused, ok := errors.AsType[*pusherhub.RequestError](err); ok {
		if refused.RetryAfter > 0 {
			q.w.Header().Set("Retry-After", strconv.Itoa(int((refused.RetryAfter+time.Second-1)/time.Second)))
		}
		return caddy.APIError{HTTPStatus: refused.Status, Err: refused}
	}
	if refused, ok := errors.AsType[caddy.APIError](err); ok {
		return refused
	}
	switch {
	case errors.Is(err, pusherhub.ErrAppNotFound):
		apps, next, _ := q.hub.Apps(pusherhub.Page{Limit: listedNames})
		var ids []string
		for _, app := range apps {
			ids = append(ids, app.ID)
		}
		return notFound("app", q.app(), ids, next != "")
	case errors.Is(err, pusherhub.ErrHubClosed):
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
	}
	// of an app source or a broker, which may say more than an answer should
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err, Message: "not possible at the moment: the log says why"}
}

// listedNames is how many names an error lists.
const listedNames = 20

// notFound says that there is nothing of that name, and what there is. more: not all of it.
func notFound(what, name string, there []string, more bool) error {
	slices.Sort(there)
	list := "none"
	if len(there) > 0 {
		list = strings.Join(there, ", ")
	}
	if more {
		list += ", ..."
	}
	return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("%s: found %q, expected one of: %s", what, name, list)}
}

// nodeName is what answers call this process: the host's name, which is the container's in a container.
func nodeName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// Interface guards
var (
	_ caddy.Module      = adminAPI{}
	_ caddy.AdminRouter = adminAPI{}
)
