package ratelimit

import (
	"fmt"
	"strconv"

	"golang.org/x/time/rate"
)

// set is a set of things.
type set uint8

func setOf(list ...thing) (s set) {
	for _, t := range list {
		s |= 1 << t
	}
	return s
}

// rules are a config in the form in which it is applied. Immutable.
type rules struct {
	scopes [scopes]scopeRules
	things set // that any scope limits
}

type scopeRules struct {
	things      set // that are limited
	connections int
	rates       [things]rule
}

// rule is one limit.
type rule struct {
	limit  rate.Limit
	burst  int
	reason string // what a client reads that is over it
}

func newRules(c Config) *rules {
	r := new(rules)
	for s, limits := range c.limits() {
		to := &r.scopes[s]
		for t, rate := range limits.rates() {
			var most string
			switch {
			case rate == nil && limits.Connections > 0:
				to.connections = limits.Connections
				most = strconv.Itoa(limits.Connections)
			case rate != nil && *rate != Rate{}:
				to.rates[t].limit, to.rates[t].burst = rate.limit(), rate.burst()
				most = rate.says()
			default:
				continue
			}
			to.rates[t].reason = fmt.Sprintf("Too many %s %s: at most %s", thing(t).what(), scope(s).where(), most)
			to.things |= setOf(thing(t))
		}
		r.things |= to.things
	}
	return r
}
