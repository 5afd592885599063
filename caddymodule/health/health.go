// Package health is where parts of the process say whether they can serve. What has nothing else in
// common meets here: php-fpm's supervisor registers a check, a readiness endpoint asks for what fails.
package health

import (
	"cmp"
	"slices"
	"sync"
)

// Problem is a check that fails.
type Problem struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// entry is one registered check. Its address tells it from others of the same name.
type entry struct {
	name  string
	check func() error
}

var (
	mu      sync.Mutex
	entries = make(map[*entry]struct{}) // guarded by mu
)

// Register adds a check, which returns nil while its part can serve, and a reason for people otherwise. It is
// called from any goroutine and must not block. During a config reload a name is registered twice, by the old
// config and by the new one; unregister takes back just this one, and may be called again.
func Register(name string, check func() error) (unregister func()) {
	e := &entry{name, check}
	mu.Lock()
	defer mu.Unlock()
	entries[e] = struct{}{}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		delete(entries, e)
	}
}

// Problems asks all checks and returns those that fail, in the order of their names. Nothing means that the
// process is ready.
func Problems() (problems []Problem) {
	mu.Lock()
	asked := make([]*entry, 0, len(entries))
	for e := range entries {
		asked = append(asked, e)
	}
	mu.Unlock()

	for _, e := range asked {
		if err := e.check(); err != nil {
			problems = append(problems, Problem{e.name, err.Error()})
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Reason, b.Reason))
	})
	return slices.Compact(problems)
}
