package caddymodule

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// statsOf are the figures of apps that had so many sockets each.
func statsOf(sockets map[string]uint64) *pusherhub.Stats {
	s := &pusherhub.Stats{Apps: make(map[string]pusherhub.AppStats)}
	for id, n := range sockets {
		s.Apps[id] = pusherhub.AppStats{Connections: int64(n), ConnectionsTotal: n, Closes: map[int]uint64{4200: n}}
	}
	return s
}

// An app keeps its side, and what the others have counted never falls, whoever comes and goes.
func TestMetricsOfAppsAreBounded(t *testing.T) {
	var l appLabels
	sockets := map[string]uint64{}
	for i := range metricsApps {
		sockets[fmt.Sprintf("app%03d", i)] = 1
	}
	if byLabel := l.sort(statsOf(sockets)); len(byLabel) != metricsApps+1 || byLabel[otherApps] != nil {
		t.Fatalf("found %d labels, expected one for each of %d apps, and the empty one", len(byLabel), metricsApps)
	}
	sockets["zebra"], sockets["aardvark"] = 5, 7
	byLabel := l.sort(statsOf(sockets))
	if len(byLabel) != metricsApps+2 || byLabel[otherApps].ConnectionsTotal != 12 || byLabel[otherApps].Closes[4200] != 12 || byLabel["app000"] == nil {
		t.Fatalf("found %d labels and %+v, expected two apps among the others", len(byLabel), byLabel[otherApps])
	}
	if l.of("zebra") != otherApps || l.of("app000") != "app000" || l.of("") != "" {
		t.Error("apps are not where they were put")
	}
	// one of each side goes: nobody changes sides, and who comes new gets the label that is free
	delete(sockets, "zebra")
	delete(sockets, "app000")
	l.sort(statsOf(sockets))
	sockets["newcomer"] = 3
	byLabel = l.sort(statsOf(sockets))
	if other := byLabel[otherApps]; other.ConnectionsTotal != 12 || other.Closes[4200] != 12 || other.Connections != 7 {
		t.Errorf("found %+v, expected what the others had counted, and the sockets of who is left", other)
	}
	if byLabel["newcomer"] == nil || byLabel["app000"] != nil || byLabel["aardvark"] != nil {
		t.Error("the free label was not given to the newcomer")
	}
	delete(sockets, "aardvark")
	for range 2 {
		if other := l.sort(statsOf(sockets))[otherApps]; other == nil || other.ConnectionsTotal != 12 {
			t.Errorf("found %+v, expected what the others had counted until they were gone", other)
		}
	}
}

// An app may be called like the others.
func TestMetricsOfAnAppCalledOther(t *testing.T) {
	var l appLabels
	sockets := map[string]uint64{otherApps: 1}
	for i := range metricsApps {
		sockets[fmt.Sprintf("app%03d", i)] = 1
	}
	if other := l.sort(statsOf(sockets))[otherApps]; other.ConnectionsTotal != 1 {
		t.Errorf("found %+v, expected one socket", other)
	}
	sockets = map[string]uint64{otherApps: 1}
	l = appLabels{}
	l.sort(statsOf(sockets))
	for i := range metricsApps {
		sockets[fmt.Sprintf("app%03d", i)] = 1
	}
	if other := l.sort(statsOf(sockets))[otherApps]; other.ConnectionsTotal != 2 {
		t.Errorf("found %+v, expected the app's socket and that of the one that has no label", other)
	}
}

// measuresOnly collects the figures of plugins.
type measuresOnly struct{ set *measureSet }

func (measuresOnly) Describe(chan<- *prometheus.Desc)       {}
func (m measuresOnly) Collect(out chan<- prometheus.Metric) { m.set.collect(out) }
func (m measuresOnly) gather() ([]*dto.MetricFamily, error) {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(m); err != nil {
		return nil, err
	}
	return registry.Gather()
}

// What one plugin gets wrong is left out, and the registry shows the rest.
func TestMetricsOfPlugins(t *testing.T) {
	set := newMeasureSet()
	figure := func(of, name, help, app string, counter bool, value float64) pusherhub.Measurement {
		return pusherhub.Measurement{Of: of, Measure: pusherhub.Measure{Name: name, Help: help, App: app, Counter: counter, Value: value}}
	}
	label := func(app string) string {
		if app == "small" || app == "tiny" {
			return otherApps
		}
		return app
	}
	set.add("one", []pusherhub.Measurement{
		figure("web-hooks", "sent_total", "Sent.", "big", true, 1),
		figure("web-hooks", "sent_total", "Sent.", "small", true, 2),
		figure("web-hooks", "sent_total", "Sent.", "tiny", true, 3),
		figure("web-hooks", "Not A Name", "Odd.", "", false, 9),
		figure("channels", "", "Odd.", "", false, 9),
		figure("events", "published_total", "The hub's own.", "", true, 9),
		figure("broker", "lag_seconds", "Lag.", "", false, 0.5),
	}, label)
	set.add("two", []pusherhub.Measurement{
		figure("web-hooks", "sent_total", "In other words.", "", true, 4),
		figure("broker", "lag_seconds", "Lag.", "", true, 9),
	}, label)
	families, err := measuresOnly{set}.gather()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetValue())
			}
			found = append(found, fmt.Sprintf("%s %s %v", f.GetName(), strings.Join(labels, ","), m.GetCounter().GetValue()+m.GetGauge().GetValue()))
		}
	}
	want := []string{
		"pusher_hub_broker_lag_seconds ,one 0.5",
		"pusher_hub_web_hooks_sent_total ,two 4", "pusher_hub_web_hooks_sent_total big,one 1", "pusher_hub_web_hooks_sent_total other,one 5",
	}
	if strings.Join(found, "\n") != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nexpected\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
}

// The table in integration/grafana/README.md is made of the collector's own list. UPDATE_README=1 writes it.
func TestReadmeMetrics(t *testing.T) {
	const file = "../integration/grafana/README.md"
	const begin, end = "<!-- metrics: made by UPDATE_README=1 go test ./caddymodule -run ReadmeMetrics -->\n", "<!-- end of metrics -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatalf("%s has no table between %q and %q", file, begin, end)
	}
	made := before + begin + metricsTable() + end + after
	if made == string(text) {
		return
	}
	if os.Getenv("UPDATE_README") == "" {
		t.Fatalf("the table in %s differs from the metrics that there are: run UPDATE_README=1 go test ./caddymodule -run ReadmeMetrics", file)
	}
	if err := os.WriteFile(file, []byte(made), 0o644); err != nil {
		t.Fatal(err)
	}
}

func metricsTable() string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	row := func(name, help, kind string, labels ...string) {
		fmt.Fprintf(&b, "| `%s%s` | %s | `%s` | %s |\n", metricsPrefix, name, kind, strings.Join(labels, "`, `"), help)
	}
	kindOf := func(counter bool) string {
		if counter {
			return "counter"
		}
		return "gauge"
	}
	for _, f := range families {
		kind := kindOf(f.counter)
		if f.histogram != nil {
			kind = "histogram"
		}
		row(f.name, f.help, kind, append([]string{"hub", "app"}, f.labels...)...)
	}
	for _, f := range hubFamilies {
		row(f.name, f.help, kindOf(f.counter), "hub")
	}
	return b.String()
}
