package caddymodule

import (
	"encoding/json"
	"net/http"

	"github.com/onecharge/pusherhub/caddymodule/health"
)

// Where a site answers health checks by default: below a prefix that no application uses (RFC 8615).
const (
	defaultReady = "/.well-known/pusher-hub/ready"
	defaultLive  = "/.well-known/pusher-hub/live"
)

// readiness is the answer of the ready endpoint.
type readiness struct {
	Ready   bool             `json:"ready"`
	Reasons []health.Problem `json:"reasons,omitempty"` // why not

	// Warnings are what is wrong with the node although it serves: with all of them alike, so that it would help nobody to take it away.
	Warnings []health.Problem `json:"warnings,omitempty"`
}

// healthPath returns the path that an option stands for; empty for none.
func healthPath(configured, byDefault string) string {
	switch configured {
	case "":
		return byDefault
	case "off":
		return ""
	}
	return configured
}

// serveHealth answers the site's health checks and reports whether r was one.
func (h *Handler) serveHealth(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch r.URL.Path {
	case "": // of a request without a path; the options are never empty here
		return false
	case healthPath(h.Live, defaultLive):
		writeHealth(w, http.StatusOK, struct {
			Live bool `json:"live"`
		}{true})
	case healthPath(h.Ready, defaultReady):
		answer, status := readiness{Ready: true}, http.StatusOK
		if answer.Reasons = h.hub.problems(); len(answer.Reasons) > 0 {
			answer.Ready, status = false, http.StatusServiceUnavailable
		}
		answer.Warnings = h.hub.warnings()
		writeHealth(w, status, answer)
	default:
		return false
	}
	return true
}

// problems says why the hub, or a part of the process on which its site depends, cannot serve.
func (c *configuredHub) problems() []health.Problem {
	problems := health.Problems()
	err := c.ready()
	if err == nil {
		err = c.pooled.Ready()
	}
	if err != nil {
		problems = append(problems, health.Problem{Name: "hub " + c.name, Reason: err.Error()})
	}
	return problems
}

// warnings says what is wrong with the hub although it serves.
func (c *configuredHub) warnings() []health.Problem {
	if err := c.pooled.Replicas(); err != nil {
		return []health.Problem{{Name: "hub " + c.name, Reason: err.Error()}}
	}
	return nil
}

func writeHealth(w http.ResponseWriter, status int, answer any) {
	body, _ := json.Marshal(answer) // of strings and booleans
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
