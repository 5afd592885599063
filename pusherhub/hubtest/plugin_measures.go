package hubtest

import (
	"math"
	"regexp"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
)

// measure returns the figures of a plugin that has some.
func measure(p pusherhub.Plugin) []pusherhub.Measure {
	if m, ok := p.(pusherhub.Measurer); ok {
		return m.Measures()
	}
	return nil
}

var snakeCase = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// figure is what tells one figure from another.
type figure struct{ name, app string }

func checkMeasures(x *trial) {
	s := x.stage()
	p := x.plugin()
	if _, ok := p.(pusherhub.Measurer); !ok {
		return
	}
	before := map[figure]float64{}
	look := func() {
		x.Helper()
		var list []pusherhub.Measure
		x.within("Measures", func() { list = measure(p) })
		seen := map[figure]bool{}
		for _, m := range list {
			f := figure{m.Name, m.App}
			if problem := measureProblem(m, p.Name()); problem != "" {
				x.Errorf("figure %q: %s", m.Name, problem)
			}
			if seen[f] {
				x.Errorf("figure %q is there twice for app %q", m.Name, m.App)
			}
			seen[f] = true
			if !m.Counter {
				continue
			}
			if m.Value < before[f] {
				x.Errorf("figure %q has fallen from %v to %v, although it is a counter", m.Name, before[f], m.Value)
			}
			before[f] = m.Value
		}
	}
	look()
	s.apply(with(p))
	look()
	s.traffic(with())
	look()
	s.close()
	look()
}

// measureProblem says why a figure cannot be shown.
func measureProblem(m pusherhub.Measure, plugin string) string {
	switch {
	case !snakeCase.MatchString(m.Name):
		return "expected a name in snake case"
	case strings.HasPrefix(m.Name, plugin+"_"):
		return "expected a name without the plugin's, which is put before it"
	case m.Counter != strings.HasSuffix(m.Name, "_total"):
		return "expected the name of a counter, and of nothing else, to end in _total"
	case strings.TrimSpace(m.Help) == "" || strings.Contains(m.Help, "\n"):
		return "expected one sentence of help"
	case math.IsNaN(m.Value) || math.IsInf(m.Value, 0) || m.Counter && m.Value < 0:
		return "expected a finite number, and none below 0 of a counter"
	}
	return ""
}
