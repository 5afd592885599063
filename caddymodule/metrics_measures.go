package caddymodule

import (
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

// measureSet makes metrics of the figures of plugins, brokers and app sources: pusher_hub_<plugin>_<name>, with the labels hub and app.
// One figure that cannot be shown must not cost the others: a registry that finds anything odd shows nothing at all.
type measureSet struct {
	order   []measureKey
	metrics map[measureKey]*measured
}

type measureKey struct{ name, hub, app string }

type measured struct {
	help    string
	counter bool
	value   float64
}

var (
	metricName    = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	notInMetric   = regexp.MustCompile(`[^a-z0-9_]`)
	oddMeasures   sync.Map // by name: those that the log has told of
	ownMetricList = sync.OnceValue(func() (names []string) {
		for _, f := range families {
			names = append(names, metricsPrefix+f.name)
		}
		for _, f := range hubFamilies {
			names = append(names, metricsPrefix+f.name)
		}
		return names
	})
)

func newMeasureSet() *measureSet { return &measureSet{metrics: make(map[measureKey]*measured)} }

// add takes the figures of one hub. label says which label an app has; those of the others are added up.
func (s *measureSet) add(hub string, measures []pusherhub.Measurement, label func(app string) string) {
	for _, m := range measures {
		name := metricsPrefix + notInMetric.ReplaceAllString(m.Of, "_") + "_" + m.Name
		if problem := s.problem(name, m); problem != "" {
			if _, told := oddMeasures.LoadOrStore(name, true); !told {
				caddy.Log().Named(hubsID).Warn("a figure cannot be shown as a metric", zap.String("plugin", m.Of), zap.String("figure", m.Name), zap.String("reason", problem))
			}
			continue
		}
		key := measureKey{name, hub, label(m.App)}
		if there := s.metrics[key]; there != nil {
			there.value += m.Value
			continue
		}
		s.order = append(s.order, key)
		s.metrics[key] = &measured{help: s.helpOf(m, name), counter: m.Counter, value: m.Value}
	}
}

// problem says why a figure cannot be shown; nothing if it can.
func (s *measureSet) problem(name string, m pusherhub.Measurement) string {
	switch first := s.first(name); {
	case !metricName.MatchString(m.Name):
		return fmt.Sprintf("found the name %q, expected snake case", m.Name)
	case slices.Contains(ownMetricList(), name):
		return "the hub has a metric of that name itself"
	case first != nil && first.counter != m.Counter:
		return "somebody else says that it is a counter, or that it is none"
	}
	return ""
}

// first returns the metric of that name that came first.
func (s *measureSet) first(name string) *measured {
	for _, key := range s.order {
		if key.name == name {
			return s.metrics[key]
		}
	}
	return nil
}

// helpOf returns the help text of a metric, which has to be the same wherever it is shown.
func (s *measureSet) helpOf(m pusherhub.Measurement, name string) string {
	if first := s.first(name); first != nil {
		return first.help
	}
	return m.Help
}

// collect shows them all.
func (s *measureSet) collect(out chan<- prometheus.Metric) {
	for _, key := range s.order {
		m := s.metrics[key]
		desc := prometheus.NewDesc(key.name, m.help, []string{"hub", "app"}, nil)
		out <- prometheus.MustNewConstMetric(desc, valueType(m.counter), m.value, key.hub, key.app)
	}
}
