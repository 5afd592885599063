package caddymodule

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"
)

// metricsPrefix begins the name of every metric.
const metricsPrefix = "pusher_hub_"

// family is a metric of an app, with the labels hub and app and one of its own, or none.
type family struct {
	name, help string
	counter    bool     // else a gauge, or a histogram
	labels     []string // beside hub and app

	// One of the two says what it is worth.
	read      func(of *pusherhub.AppStats, say func(value float64, labels ...string))
	histogram func(of *pusherhub.AppStats) pusherhub.Histogram
}

// families are the metrics of an app. The table in integration/grafana/README.md is made of them.
var families = []family{
	gauge("connections", "Open sockets.", func(s *pusherhub.AppStats) float64 { return float64(s.Connections) }),
	counter("connections_established_total", "Sockets that were established.", func(s *pusherhub.AppStats) uint64 { return s.ConnectionsTotal }),
	byCode("connections_refused_total", "Sockets that were refused, by close code.", "code", func(s *pusherhub.AppStats) map[int]uint64 { return s.Refusals }),
	{
		name: "connections_closed_total", counter: true, labels: []string{"by", "code"},
		help: "Sockets that have ended: closed by the hub, with this code; by the client; or by nobody, when the network was lost.",
		read: func(s *pusherhub.AppStats, say func(float64, ...string)) {
			for code, n := range s.Closes {
				say(float64(n), "hub", strconv.Itoa(code))
			}
			say(float64(s.ClientCloses), "client", "")
			say(float64(s.LostSockets), "nobody", "")
		},
	},
	{
		name: "channels", labels: []string{"kind"}, help: "Channels with a subscriber or a cached event, by kind.",
		read: func(s *pusherhub.AppStats, say func(float64, ...string)) {
			for kind, n := range s.ChannelsByKind {
				say(float64(n), kind.String())
			}
		},
	},
	gauge("subscriptions", "Subscriptions of sockets to channels.", func(s *pusherhub.AppStats) float64 { return float64(s.Subscriptions) }),
	counter("messages_received_total", "Messages from clients.", func(s *pusherhub.AppStats) uint64 { return s.MessagesReceived }),
	counter("messages_sent_total", "Messages handed to sockets, the protocol's own included.", func(s *pusherhub.AppStats) uint64 { return s.FramesQueued }),
	counter("received_bytes_total", "Bytes from sockets, without TLS.", func(s *pusherhub.AppStats) uint64 { return s.BytesReceived }),
	counter("sent_bytes_total", "Bytes written to sockets, without TLS.", func(s *pusherhub.AppStats) uint64 { return s.BytesSent }),
	counter("events_published_total", "Events that servers have published, each counted once for each of its channels.", func(s *pusherhub.AppStats) uint64 { return s.EventsPublished }),
	counter("client_events_total", "Events that clients have sent to channels.", func(s *pusherhub.AppStats) uint64 { return s.ClientEvents }),
	counter("events_conflated_total", "Events that gave way to a newer one while they waited for a slow reader.", func(s *pusherhub.AppStats) uint64 { return s.EventsConflated }),
	counter("messages_dropped_total", "Messages that sockets did not get because their reader was too slow.", func(s *pusherhub.AppStats) uint64 { return s.FramesDropped }),
	counter("slow_readers_closed_total", "Sockets that were closed because their reader was too slow.", func(s *pusherhub.AppStats) uint64 { return s.SlowReadersClosed }),
	byCode("api_errors_total", "Requests of the HTTP API that were refused, by status.", "status", func(s *pusherhub.AppStats) map[int]uint64 { return s.APIErrors }),
	counter("publishes_over_backlog_total", "Publish requests that were refused with 503 because deliveries did not keep up.", func(s *pusherhub.AppStats) uint64 { return s.PublishesOverBacklog }),
	{
		name: "auth_failures_total", counter: true, labels: []string{"kind"},
		help: "Signatures that did not hold: of requests of the HTTP API, of subscriptions, of sign-ins.",
		read: func(s *pusherhub.AppStats, say func(float64, ...string)) {
			say(float64(s.AuthFailures.API), "api")
			say(float64(s.AuthFailures.Subscriptions), "subscription")
			say(float64(s.AuthFailures.SignIns), "signin")
		},
	},
	{
		name: "publish_duration_seconds", help: "From when a publish request is read until its events are with the broker.",
		histogram: func(s *pusherhub.AppStats) pusherhub.Histogram { return s.PublishLatency },
	},
	{
		name: "delivery_duration_seconds", help: "From when an event is accepted for a channel until its last subscriber here has it.",
		histogram: func(s *pusherhub.AppStats) pusherhub.Histogram { return s.DeliveryLatency },
	},
}

// hubFamilies are the metrics of a hub, with the label hub.
var hubFamilies = []struct {
	name, help string
	counter    bool
	read       func(*pusherhub.Stats) float64
}{
	{"apps", "Apps that the hub knows: those that are listed, and those found by the app source that have been used.", false, func(s *pusherhub.Stats) float64 { return float64(len(s.Apps)) }},
	{"broker_up", "Whether what is published here reaches the other nodes, and the other way round: 1 or 0.", false, func(s *pusherhub.Stats) float64 {
		if s.BrokerReady {
			return 1
		}
		return 0
	}},
	{"replicas_suspected", "Whether there are signs of other replicas although the broker is memory, so that events are lost between them: 1 or 0.", false, func(s *pusherhub.Stats) float64 {
		if s.ReplicasSuspected {
			return 1
		}
		return 0
	}},
	{"foreign_sockets_total", "Events that servers published here and from which they left out a socket that this process never had. From two minutes after the start on, with the broker memory.", true, func(s *pusherhub.Stats) float64 { return float64(s.ForeignSockets) }},
	{"observations_dropped_total", "Observations that plugins were not told because they did not keep up.", true, func(s *pusherhub.Stats) float64 { return float64(s.ObservationsDropped) }},
	{"plugin_panics_total", "Panics of plugins, which were caught.", true, func(s *pusherhub.Stats) float64 { return float64(s.PluginPanics) }},
}

func gauge(name, help string, value func(*pusherhub.AppStats) float64) family {
	return family{name: name, help: help, read: func(of *pusherhub.AppStats, say func(float64, ...string)) { say(value(of)) }}
}

func counter(name, help string, value func(*pusherhub.AppStats) uint64) family {
	return family{name: name, help: help, counter: true, read: func(of *pusherhub.AppStats, say func(float64, ...string)) { say(float64(value(of))) }}
}

func byCode(name, help, label string, values func(*pusherhub.AppStats) map[int]uint64) family {
	return family{name: name, help: help, counter: true, labels: []string{label}, read: func(of *pusherhub.AppStats, say func(float64, ...string)) {
		for code, n := range values(of) {
			say(float64(n), strconv.Itoa(code))
		}
	}}
}

// metrics is the collector over the hubs of the process. It keeps nothing, so counters go on over reloads, although Caddy has a fresh
// registry for each config. It describes nothing beforehand: which figures plugins have is not known then.
type metrics struct{}

// Describe sends nothing, which makes the collector an unchecked one.
func (metrics) Describe(chan<- *prometheus.Desc) {}

// Collect asks every hub.
func (metrics) Collect(out chan<- prometheus.Metric) {
	hubs := make(map[string]*pooledHub)
	var names []string
	pool.Range(func(key, value any) bool {
		if hub, ok := value.(*pooledHub); ok && hub.live.Load() {
			hubs[key.(string)] = hub
			names = append(names, key.(string))
		}
		return true
	})
	slices.Sort(names)
	measures := newMeasureSet()
	for _, name := range names {
		stats := hubs[name].Stats()
		apps := hubs[name].labels.sort(&stats)
		name = strings.ToValidUTF8(name, "�")
		collectHub(out, name, &stats)
		for label, of := range apps {
			collectApp(out, name, label, of)
		}
		measures.add(name, stats.Measures, hubs[name].labels.of)
	}
	measures.collect(out)
}

func collectHub(out chan<- prometheus.Metric, hub string, stats *pusherhub.Stats) {
	for _, f := range hubFamilies {
		desc := prometheus.NewDesc(metricsPrefix+f.name, f.help, []string{"hub"}, nil)
		out <- prometheus.MustNewConstMetric(desc, valueType(f.counter), f.read(stats), hub)
	}
}

func collectApp(out chan<- prometheus.Metric, hub, app string, of *pusherhub.AppStats) {
	for _, f := range families {
		desc := prometheus.NewDesc(metricsPrefix+f.name, f.help, append([]string{"hub", "app"}, f.labels...), nil)
		if f.histogram != nil {
			h := f.histogram(of)
			out <- prometheus.MustNewConstHistogram(desc, h.Count, h.Sum.Seconds(), cumulative(h), hub, app)
			continue
		}
		f.read(of, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(desc, valueType(f.counter), value, append([]string{hub, app}, labels...)...)
		})
	}
}

// cumulative gives a histogram's buckets the form that Prometheus has them in.
func cumulative(h pusherhub.Histogram) map[float64]uint64 {
	buckets := make(map[float64]uint64, len(h.Buckets))
	sum := uint64(0)
	for i, n := range h.Buckets {
		sum += n
		buckets[pusherhub.LatencyBounds[i].Seconds()] = sum
	}
	return buckets
}

func valueType(counter bool) prometheus.ValueType {
	if counter {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

// registerMetrics shows the hubs in the registry of a config, which the directive `metrics` and the admin endpoint /metrics serve.
func registerMetrics(ctx caddy.Context) error {
	return ctx.GetMetricsRegistry().Register(metrics{})
}

// Interface guard
var _ prometheus.Collector = metrics{}
