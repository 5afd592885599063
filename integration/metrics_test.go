package integration

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	clusterbroker "github.com/onecharge/pusherhub/pusherhub/cluster"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metricsSite shows the metrics on the site itself, too.
const metricsSite = `
:{$PORT} {
	metrics /metrics
	pusher_hub {
		drain 100ms
	}
}
`

// metrics are a scrape: values by name and labels, such as `name{app="x",hub="default"}`. Of a histogram it is the count.
type metrics map[string]float64

// scrape reads what the admin endpoint shows, and makes sure that a Prometheus takes it without a complaint.
func (s *server) scrape() metrics {
	s.t.Helper()
	res := s.admin("/metrics")
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("found %s %v: %s", res.Status, err, text)
	}
	return parseMetrics(s.t, text)
}

func parseMetrics(t testing.TB, text []byte) metrics {
	t.Helper()
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "pusher_hub_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	values := make(metrics)
	for name, family := range families {
		if !strings.HasPrefix(name, "pusher_hub_") {
			continue
		}
		for _, m := range family.Metric {
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			values[name+labelsOf(m)] = value
		}
	}
	return values
}

func labelsOf(m *dto.Metric) string {
	var labels []string
	for _, l := range m.Label {
		if l.GetValue() != "" {
			labels = append(labels, l.GetName()+"="+strconv.Quote(l.GetValue()))
		}
	}
	slices.Sort(labels)
	return "{" + strings.Join(labels, ",") + "}"
}

// names returns the names without labels.
func (m metrics) names() []string {
	set := make(map[string]bool)
	for series := range m {
		name, _, _ := strings.Cut(series, "{")
		set[name] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// expect compares some values of the environment's app.
func (m metrics) expect(t *testing.T, want map[string]float64) {
	t.Helper()
	for series, value := range want {
		name, labels, _ := strings.Cut(series, "{")
		key := name + `{app="` + appID + `",`
		if labels != "" {
			key += strings.TrimSuffix(labels, "}") + ","
		}
		key += `hub="default"}`
		if found, there := m[sortLabels(key)]; !there || found != value {
			t.Errorf("%s: found %v (%v), expected %v", key, found, there, value)
		}
	}
}

// sortLabels puts the labels of a series into their order.
func sortLabels(series string) string {
	name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
	list := strings.Split(labels, ",")
	slices.Sort(list)
	return name + "{" + strings.Join(list, ",") + "}"
}

// makeTraffic has something of everything happen at the site, and returns a socket that is still open.
func makeTraffic(t *testing.T, s *server) *hubtest.Client {
	t.Helper()
	c, other := s.site().Dial(t), s.site().Dial(t)
	for _, client := range []*hubtest.Client{c, other} {
		client.Subscribe("news")
		client.SubscribeWith("private-a", s.site().Auth(client, "private-a", ""), "")
	}
	s.site().Publish("news", "headline", "1")
	s.site().Publish("nobody", "headline", "1")
	c.Send(hubtest.EventFrame("client-typing", "private-a", "1"))
	other.Expect("headline")
	other.Expect("client-typing")
	c.Expect("headline")
	other.Close()

	c.Send(hubtest.SubscribeFrame("private-b", appKey+":00", ""))
	c.Expect("pusher:subscription_error")
	c.Expect("pusher:error")
	hubtest.At(t, s.url(), pusherhub.AppConfig{ID: appID, Key: appKey, Secret: "wrong"}).Do(http.MethodGet, "/channels", "", nil)
	hubtest.Open(t, s.url(), "unknown", "", nil).ExpectClose(pusherhub.CodeNoSuchApp)
	terminated := s.site().Dial(t)
	s.site().Signin(t, terminated, `{"id":"7"}`)
	s.site().Do(http.MethodPost, "/users/7/terminate_connections", "", nil)
	terminated.ExpectClose(pusherhub.CodeUnauthorized)
	hubtest.Eventually(t, "all of it is counted", func() bool {
		m := s.scrape()
		return m[`pusher_hub_connections{app="app-id",hub="default"}`] == 1 && m[`pusher_hub_delivery_duration_seconds{app="app-id",hub="default"}`] == 2
	})
	return c
}

// trafficMetrics is what makeTraffic leaves behind.
var trafficMetrics = map[string]float64{
	"connections": 1, "connections_established_total": 3, `connections_closed_total{by="client"}`: 1, `connections_closed_total{by="hub",code="4009"}`: 1,
	`channels{kind="public"}`: 1, `channels{kind="private"}`: 1, `channels{kind="presence"}`: 0, "subscriptions": 2,
	"events_published_total": 2, "client_events_total": 1, "publish_duration_seconds": 2, "delivery_duration_seconds": 2,
	`auth_failures_total{kind="api"}`: 1, `auth_failures_total{kind="subscription"}`: 1, `auth_failures_total{kind="signin"}`: 0,
	`api_errors_total{status="401"}`: 1, "messages_dropped_total": 0,
}

func prefixed(values map[string]float64) map[string]float64 {
	named := make(map[string]float64, len(values))
	for name, value := range values {
		named["pusher_hub_"+name] = value
	}
	return named
}

func TestMetricsOfTraffic(t *testing.T) {
	s := startServer(t, metricsSite)
	makeTraffic(t, s)
	m := s.scrape()
	m.expect(t, prefixed(trafficMetrics))
	if m[`pusher_hub_connections_refused_total{code="4001",hub="default"}`] != 1 || m[`pusher_hub_broker_up{hub="default"}`] != 1 || m[`pusher_hub_apps{hub="default"}`] != 1 {
		t.Errorf("found %v", m)
	}
	if m[`pusher_hub_received_bytes_total{app="app-id",hub="default"}`] == 0 || m[`pusher_hub_sent_bytes_total{app="app-id",hub="default"}`] == 0 {
		t.Error("no bytes were counted")
	}
	// the directive shows the same
	parseMetrics(t, []byte(get(t, s.url()+"/metrics").body)).expect(t, prefixed(trafficMetrics))
}

// A reload has a registry of its own. What was counted stays; hubs come and go.
func TestMetricsOverReloads(t *testing.T) {
	s := newServer(t)
	second := newServer(t) // for its port
	s.Env = append(slices.Clone(s.Env), "SECOND_PORT="+strconv.Itoa(second.port))
	s.start(metricsSite)
	makeTraffic(t, s)
	const another = "\n:{$SECOND_PORT} {\n\tpusher_hub second {\n\t\tdrain 100ms\n\t\tapp x {\n\t\t\tkey x\n\t\t\tsecret x\n\t\t}\n\t}\n}\n"
	for _, sites := range []string{metricsSite + another, metricsSite} {
		if said, err := s.reload(sites); err != nil {
			t.Fatalf("reloading: %v\n%s", err, said)
		}
		m := s.scrape()
		m.expect(t, prefixed(trafficMetrics))
		if _, there := m[`pusher_hub_connections{app="x",hub="second"}`]; there != (sites != metricsSite) {
			t.Errorf("the second hub is there: %v", there)
		}
	}
	if said, err := s.reload(strings.Replace(metricsSite, "drain 100ms", "no_such_option", 1)); err == nil {
		t.Fatalf("a bad config was taken: %s", said)
	}
	s.scrape().expect(t, prefixed(trafficMetrics))
}

var metricInText = regexp.MustCompile(`pusher_hub_[a-z0-9_]+`)

// What the dashboard draws is there, and what is there is documented.
func TestDashboardAndDocumentation(t *testing.T) {
	s := startServer(t, strings.Replace(metricsSite, "drain 100ms", "drain 100ms\n\t\twebhooks site /hook", 1))
	makeTraffic(t, s)
	exported := s.scrape().names()
	for _, m := range clusterbroker.New(clusterbroker.NewBus().Engine(), clusterbroker.Options{}).Measures() { // what any broker for many nodes exports
		exported = append(exported, "pusher_hub_broker_"+m.Name)
	}
	slices.Sort(exported)

	readme, err := os.ReadFile("grafana/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, "| `") {
			documented = append(documented, metricInText.FindString(line))
		}
	}
	slices.Sort(documented)
	if !slices.Equal(documented, exported) {
		t.Errorf("documented:\n%s\nexported:\n%s", strings.Join(documented, "\n"), strings.Join(exported, "\n"))
	}

	file, err := os.ReadFile("grafana/pusher_hub.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID, Title string
		Panels     []struct {
			ID         int
			Type       string
			Title      string
			Datasource *struct{ UID string }
			Targets    []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Query string }
		}
	}
	if err := json.Unmarshal(file, &dashboard); err != nil {
		t.Fatal(err)
	}
	drawn := make(map[string]bool)
	ids := make(map[int]bool)
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("panel %d %q: the id is not its own, or the title is missing", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Datasource == nil || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %q draws nothing, or not what was chosen", p.Title)
		}
		for _, target := range p.Targets {
			names := metricInText.FindAllString(target.Expr, -1)
			if len(names) == 0 || !strings.Contains(target.Expr, `hub=~"$hub"`) {
				t.Errorf("panel %q: %s has no metric of ours, or not of the hub that was chosen", p.Title, target.Expr)
			}
			for _, name := range names {
				drawn[name] = true
			}
		}
	}
	for _, v := range dashboard.Templating.List {
		for _, name := range metricInText.FindAllString(v.Query, -1) {
			drawn[name] = true
		}
	}
	for name := range drawn {
		if base := strings.TrimSuffix(name, "_bucket"); !slices.Contains(exported, base) {
			t.Errorf("the dashboard draws %s, which is not exported", name)
		}
	}
	if len(drawn) < 20 {
		t.Errorf("the dashboard draws %d metrics only", len(drawn))
	}
}
